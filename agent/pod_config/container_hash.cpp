#include "agent/pod_config/container_hash.hpp"

#include <cstdio>

#include "agent/pod_config/go_text.hpp"

namespace keelson::agent {
namespace {

class Fnv1a {
 public:
  void add(std::string_view text) {
    for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 16'777'619u;
  }
  std::uint32_t value() const { return hash_; }

 private:
  std::uint32_t hash_ = 2'166'136'261u;
};

}  // namespace

std::uint32_t container_hash(std::string_view name, std::string_view image) {
  const std::string json = "{\"image\":" + go_json_string(image) + ",\"name\":" + go_json_string(name) + "}";
  // The text is Go's dump of the JSON's bytes: "([]uint8)[123 34 ...]".
  Fnv1a hash;
  hash.add("([]uint8)[");
  bool first = true;
  for (const char c : json) {
    if (!first) hash.add(" ");
    first = false;
    hash.add(std::to_string(static_cast<unsigned char>(c)));
  }
  hash.add("]");
  return hash.value();
}

std::string hash_text(std::uint32_t hash) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%x", hash);
  return buffer;
}

}  // namespace keelson::agent
