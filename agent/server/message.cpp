#include "agent/server/message.hpp"

namespace keelson::server {

std::optional<std::string_view> Request::header(std::string_view name) const { return find_field(headers, name); }

std::optional<std::string_view> Request::query_value(std::string_view key) const {
  for (const auto& [name, value] : query) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::vector<std::string> Request::query_values(std::string_view key) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : query) {
    if (name == key) values.push_back(value);
  }
  return values;
}

}  // namespace keelson::server
