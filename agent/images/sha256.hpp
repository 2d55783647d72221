// SHA-256 in hex, as file names of pull records and credential hashes are made of it.
//
// Pure. Source: contract 02 §16.3; FIPS 180-4 (by OpenSSL).
#pragma once

#include <string>
#include <string_view>

namespace keelson::agent {

std::string sha256_hex(std::string_view text);

}  // namespace keelson::agent
