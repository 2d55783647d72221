#include "volume/csi/go_json.hpp"

#include "api/json_text.hpp"

namespace keelson::volume {

std::string go_json_string(std::string_view text) {
  std::string quoted;
  api::append_quoted(quoted, text);
  std::string out;
  for (const char c : quoted) {
    switch (c) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      default: out += c;
    }
  }
  return out;
}

std::string go_json_map(const std::map<std::string, std::string>& map) {
  std::string out = "{";
  for (const auto& [key, value] : map) {
    if (out.size() > 1) out += ',';
    out += go_json_string(key) + ":" + go_json_string(value);
  }
  return out + "}";
}

}  // namespace keelson::volume
