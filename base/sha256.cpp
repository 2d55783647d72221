#include "base/sha256.hpp"

#include <openssl/evp.h>

#include "base/result.hpp"

namespace keelson::base {

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

}  // namespace keelson::base
