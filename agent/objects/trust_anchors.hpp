// Trust anchors: certificates of several bundles as one PEM text.
//
// Each certificate once, in an order that is random but the same as long as the agent runs, so that nobody relies on
// one bundle's coming first and no file is written anew without need. Pure functions, any thread. What fails: a block
// that is not base64 is no certificate and left out, as Go's reader does. Source: contract 04 §9 (clusterTrustBundle);
// RFC 7468.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::agent {

// The bytes of the blocks in `pem`, in their order, whatever their types say.
std::vector<std::string> pem_blocks(std::string_view pem);
// "-----BEGIN TYPE-----", lines of 64, "-----END TYPE-----".
std::string to_pem(std::string_view type, std::string_view bytes);

std::string join_trust_anchors(const std::vector<std::string_view>& bundles, std::uint64_t seed);

}  // namespace keelson::agent
