#include "agent/wiring/plugin_labels.hpp"

#include <sys/xattr.h>

#include <cerrno>
#include <string>
#include <string_view>

namespace keelson::agent {

Status label_plugin_directories(const Paths& paths) {
  constexpr std::string_view kLabel = "system_u:object_r:container_file_t:s0";
  for (const char* child : {"/plugins", "/plugins_registry"}) {
    const std::string path = paths.root + child;
    // With its terminating zero, as every SELinux label.
    if (::setxattr(path.c_str(), "security.selinux", kLabel.data(), kLabel.size() + 1, 0) != 0) {
      return errno_error("labelling " + path, errno);
    }
  }
  return {};
}

}  // namespace keelson::agent
