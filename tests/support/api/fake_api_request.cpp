#include "tests/support/api/fake_api_request.hpp"

#include <cctype>
#include <vector>

namespace keelson::fakes {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t at = text.find(separator);
    if (at != 0 && !text.empty()) out.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

void read_query(std::string_view text, std::map<std::string, std::string>& out) {
  for (const std::string& part : split(text, '&')) {
    const std::size_t sign = part.find('=');
    const std::string value = sign == std::string::npos ? "" : part.substr(sign + 1);
    out[percent_decode(part.substr(0, sign), true)] = percent_decode(value, true);
  }
}

// [group parts] [namespaces NS] plural [name [subresource]]
void read_resource(std::vector<std::string> parts, RequestInfo& info) {
  std::size_t at = 0;
  if (parts[0] == "api" && parts.size() >= 3) {
    info.version = parts[1];
    at = 2;
  } else if (parts[0] == "apis" && parts.size() >= 4) {
    info.group = parts[1];
    info.version = parts[2];
    at = 3;
  } else {
    return;
  }
  // "/namespaces/NS" alone, and its status, are the Namespace itself.
  const bool own =
      parts.size() == at + 2 || (parts.size() == at + 3 && (parts[at + 2] == "status" || parts[at + 2] == "finalize"));
  if (parts[at] == "namespaces" && parts.size() >= at + 3 && !own) {
    info.ns = parts[at + 1];
    at += 2;
  }
  info.resource_request = true;
  info.plural = parts[at];
  if (parts.size() > at + 1) info.name = parts[at + 1];
  if (parts.size() > at + 2) info.subresource = parts[at + 2];
  for (std::size_t i = at + 3; i < parts.size(); ++i) info.subresource += "/" + parts[i];
  info.kind = find_kind(info.group, info.version, info.plural);
}

std::string verb_of(std::string_view method, const RequestInfo& info) {
  if (!info.resource_request) {
    std::string out;
    for (const char c : method) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  }
  if (method == "GET" || method == "HEAD") {
    if (info.flag("watch")) return "watch";
    return info.name.empty() ? "list" : "get";
  }
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return info.name.empty() ? "deletecollection" : "delete";
  return "";
}

}  // namespace

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

RequestInfo parse_request(std::string_view method, std::string_view target) {
  RequestInfo info;
  const std::size_t question = target.find('?');
  info.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) read_query(target.substr(question + 1), info.query);
  std::vector<std::string> parts = split(info.path, '/');
  for (std::string& part : parts) part = percent_decode(part, false);
  if (!parts.empty()) read_resource(std::move(parts), info);
  info.verb = verb_of(method, info);
  return info;
}

}  // namespace keelson::fakes
