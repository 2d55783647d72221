#include "volume/csi/paths.hpp"

#include "base/sha256.hpp"
#include "volume/csi/names.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

std::string plugin_dir(const std::string& root) { return root + "/plugins/" + std::string(csi_plugin); }

}  // namespace

std::string csi_volume_dir(const std::string& root, const std::string& uid, const std::string& name) {
  return volume_dir(root, uid, csi_plugin, escape_plugin(name));
}

std::string csi_target_path(const std::string& root, const std::string& uid, const std::string& name) {
  return csi_volume_dir(root, uid, name) + "/mount";
}

std::string csi_staging_dir(const std::string& root, const std::string& driver, const std::string& handle) {
  return plugin_dir(root) + "/" + driver + "/" + base::sha256_hex(handle);
}

std::string csi_staging_path(const std::string& root, const std::string& driver, const std::string& handle) {
  return csi_staging_dir(root, driver, handle) + "/globalmount";
}

CsiBlockPaths csi_block_paths(const std::string& root, const std::string& name) {
  const std::string top = plugin_dir(root) + "/volumeDevices/";
  const std::string escaped = escape_plugin(name);
  CsiBlockPaths out;
  out.volume = top + escaped;
  out.devices = out.volume + "/dev";
  out.data = out.volume + "/data";
  out.staging = top + "staging/" + escaped;
  out.publish_dir = top + "publish/" + escaped;
  return out;
}

std::string csi_block_publish_path(const std::string& root, const std::string& uid, const std::string& name) {
  return csi_block_paths(root, name).publish_dir + "/" + uid;
}

std::string csi_device_link(const std::string& root, const std::string& uid, const std::string& name) {
  return pod_dir(root, uid) + "/volumeDevices/" + escape_plugin(csi_plugin) + "/" + escape_plugin(name);
}

}  // namespace keelson::volume
