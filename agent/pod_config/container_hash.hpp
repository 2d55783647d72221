// The hash by which a changed container definition is noticed: name and image only.
//
// Pure, any thread. Source: contract 02 §3 "Hash".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/objects.hpp"

namespace keelson::agent {

std::uint32_t container_hash(std::string_view name, std::string_view image);
inline std::uint32_t container_hash(const api::core::Container& container) {
  return container_hash(container.name(), container.image());
}
// Lower-case hex without padding: the annotation io.kubernetes.container.hash.
std::string hash_text(std::uint32_t hash);

}  // namespace keelson::agent
