#include "agent/server/websocket_token.hpp"

#include <algorithm>
#include <vector>

#include "api/base64.hpp"

namespace keelson::server {
namespace {

constexpr std::string_view kPrefix = "base64url.bearer.authorization.k8s.io.";
constexpr std::string_view kProtocols = "Sec-WebSocket-Protocol";

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

// The lead byte of a sequence says how long it is and what its second byte may be.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned char lead = at(i);
    const std::size_t more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((at(i + k) & 0xC0) != 0x80) return false;
    }
    if (lead == 0xE0 && at(i + 1) < 0xA0) return false;  // longer than need be
    if (lead == 0xED && at(i + 1) > 0x9F) return false;  // surrogates
    if (lead == 0xF0 && at(i + 1) < 0x90) return false;
    if (lead == 0xF4 && at(i + 1) > 0x8F) return false;
    i += more + 1;
  }
  return true;
}

bool is_token(std::string_view protocol) { return protocol.starts_with(kPrefix); }

std::string joined_others(const std::vector<std::string_view>& protocols) {
  std::string others;
  for (const std::string_view protocol : protocols) {
    if (is_token(protocol)) continue;
    others += others.empty() ? "" : ",";
    others += protocol;
  }
  return others;
}

}  // namespace

bool is_websocket(const Fields& headers) {
  const auto upgrade = find_field(headers, "Upgrade");
  if (!upgrade || !same_name(*upgrade, "websocket")) return false;
  const auto connection = list_of(headers, "Connection");
  return std::any_of(connection.begin(), connection.end(), [](auto item) { return same_name(item, "upgrade"); });
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string standard(text);
  for (char& c : standard) {
    if (c == '+' || c == '/' || c == '=' || c == '\r' || c == '\n') return std::nullopt;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  if (standard.size() % 4 == 1) return std::nullopt;
  standard.append((4 - standard.size() % 4) % 4, '=');
  auto bytes = api::base64_decode(standard);
  if (!bytes.ok()) return std::nullopt;
  return std::move(*bytes);
}

void drop_protocol_tokens(Fields& headers) {
  const auto protocols = list_of(headers, kProtocols);
  if (std::none_of(protocols.begin(), protocols.end(), is_token)) return;
  std::string others = joined_others(protocols);
  drop_fields(headers, kProtocols);
  if (!others.empty()) headers.emplace_back(kProtocols, std::move(others));
}

Result<std::optional<ProtocolToken>> protocol_token(const Fields& headers) {
  if (!is_websocket(headers)) return std::optional<ProtocolToken>();
  ProtocolToken found;
  bool seen = false;
  const auto protocols = list_of(headers, kProtocols);
  for (const std::string_view protocol : protocols) {
    if (!is_token(protocol)) continue;
    if (std::exchange(seen, true)) return bad("multiple base64.bearer.authorization tokens specified");
    auto token = base64url_decode(protocol.substr(kPrefix.size()));
    if (!token) return bad("invalid base64.bearer.authorization token encoding");
    if (!is_utf8(*token)) return bad("invalid base64.bearer.authorization token");
    found.token = std::move(*token);
  }
  if (found.token.empty()) return std::optional<ProtocolToken>();
  found.others = joined_others(protocols);
  if (found.others.empty()) return bad("missing additional subprotocol");
  return std::optional<ProtocolToken>(std::move(found));
}

}  // namespace keelson::server
