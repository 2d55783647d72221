// SHA-256 in hex, of which names are made: of pull records, attachments, staging directories.
//
// Pure. Source: contract 02 §16.3, contract 04 §2, §16; FIPS 180-4 (by OpenSSL).
#pragma once

#include <string>
#include <string_view>

namespace keelson::base {

std::string sha256_hex(std::string_view text);

}  // namespace keelson::base
