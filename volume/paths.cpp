#include "volume/paths.hpp"

#include <algorithm>

namespace keelson::volume {

std::string escape_plugin(std::string_view plugin) {
  std::string escaped(plugin);
  std::replace(escaped.begin(), escaped.end(), '/', '~');
  return escaped;
}

std::string unescape_plugin(std::string_view escaped) {
  std::string plugin(escaped);
  std::replace(plugin.begin(), plugin.end(), '~', '/');
  return plugin;
}

std::string pod_dir(const std::string& root, const std::string& uid) { return root + "/pods/" + uid; }

std::string volume_dir(const std::string& root, const std::string& uid, std::string_view plugin,
                       const std::string& name) {
  return pod_dir(root, uid) + "/volumes/" + escape_plugin(plugin) + "/" + name;
}

std::string volume_device(const std::string& root, const std::string& uid, std::string_view plugin,
                          const std::string& name) {
  return pod_dir(root, uid) + "/volumeDevices/" + escape_plugin(plugin) + "/" + name;
}

std::string plugin_dir(const std::string& root, std::string_view plugin) {
  return root + "/plugins/" + std::string(plugin);
}

std::string marker_dir(const std::string& root, const std::string& uid, const std::string& marker) {
  return pod_dir(root, uid) + "/plugins/" + escape_plugin(empty_dir_plugin) + "/" + marker;
}

Status check_element(std::string_view what, const std::string& name) {
  const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
                     name.find('\0') == std::string::npos && name.size() <= 255;
  if (plain) return {};
  return Error(ErrorKind::invalid, std::string(what) + " \"" + name + "\" is not usable as a file name");
}

}  // namespace keelson::volume
