#include "volume/csi/names.hpp"

#include <openssl/evp.h>

#include "base/result.hpp"

namespace keelson::volume {

std::string sha256_hex(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const bool done = EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1;
  KEELSON_CHECK(done && "SHA-256 needs no resources but memory");
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

std::string csi_attachment_name(const std::string& handle, const std::string& driver, const std::string& node) {
  return "csi-" + sha256_hex(handle + driver + node);
}

std::string csi_inline_handle(const std::string& pod_uid, const std::string& volume) {
  return "csi-" + sha256_hex(pod_uid + volume);
}

std::string csi_unique_name(const std::string& driver, const std::string& handle) {
  return std::string(csi_plugin) + "/" + driver + "^" + handle;
}

}  // namespace keelson::volume
