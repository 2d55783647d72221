#include "agent/objects/trust_anchors.hpp"

#include <functional>
#include <map>
#include <set>

#include "api/base64.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kLine = 64;

// Lines "Key: value" before the text are none of it.
std::string_view without_headers(std::string_view body) {
  while (true) {
    const auto end = body.find('\n');
    if (end == std::string_view::npos || body.substr(0, end).find(':') == std::string_view::npos) return body;
    body.remove_prefix(end + 1);
  }
}

std::uint64_t mixed(std::uint64_t value) {
  // splitmix64
  value += 0x9e3779b97f4a7c15ull;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

}  // namespace

std::vector<std::string> pem_blocks(std::string_view pem) {
  std::vector<std::string> out;
  while (true) {
    const auto begin = pem.find(kBegin);
    if (begin == std::string_view::npos) return out;
    pem.remove_prefix(begin + kBegin.size());
    const auto type_end = pem.find(kDashes);
    const auto line_end = pem.find('\n');
    if (type_end == std::string_view::npos || line_end == std::string_view::npos) return out;
    if (line_end < type_end) continue;  // no head of a block
    const std::string end = std::string(kEnd) + std::string(pem.substr(0, type_end)) + std::string(kDashes);
    const std::string_view rest = pem.substr(line_end + 1);
    const auto at = rest.find(end);
    if (at == std::string_view::npos) continue;
    auto bytes = api::base64_decode(without_headers(rest.substr(0, at)));
    if (bytes.ok()) out.push_back(std::move(*bytes));
    pem = rest.substr(at + end.size());
  }
}

std::string to_pem(std::string_view type, std::string_view bytes) {
  const std::string body = api::base64_encode(bytes);
  std::string out = std::string(kBegin) + std::string(type) + std::string(kDashes) + "\n";
  for (std::size_t at = 0; at < body.size(); at += kLine) out += body.substr(at, kLine) + "\n";
  return out + std::string(kEnd) + std::string(type) + std::string(kDashes) + "\n";
}

std::string join_trust_anchors(const std::vector<std::string_view>& bundles, std::uint64_t seed) {
  std::set<std::string> anchors;
  for (const std::string_view bundle : bundles) {
    for (auto& anchor : pem_blocks(bundle)) anchors.insert(std::move(anchor));
  }
  std::multimap<std::uint64_t, const std::string*> order;
  for (const auto& anchor : anchors) order.emplace(mixed(seed ^ std::hash<std::string>()(anchor)), &anchor);
  std::string out;
  for (const auto& [place, anchor] : order) out += to_pem("CERTIFICATE", *anchor);
  return out;
}

}  // namespace keelson::agent
