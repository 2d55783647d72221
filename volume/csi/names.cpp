#include "volume/csi/names.hpp"

#include "base/sha256.hpp"

namespace keelson::volume {

std::string csi_attachment_name(const std::string& handle, const std::string& driver, const std::string& node) {
  return "csi-" + base::sha256_hex(handle + driver + node);
}

std::string csi_inline_handle(const std::string& pod_uid, const std::string& volume) {
  return "csi-" + base::sha256_hex(pod_uid + volume);
}

std::string csi_unique_name(const std::string& driver, const std::string& handle) {
  return std::string(csi_plugin) + "/" + driver + "^" + handle;
}

}  // namespace keelson::volume
