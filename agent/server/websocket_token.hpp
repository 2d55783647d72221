// The bearer token that a browser's WebSocket can carry only as one of its subprotocols:
// `base64url.bearer.authorization.k8s.io.<token in base64url without padding>`.
//
// Pure, any thread. Source: contract 05 §3; RFC 6455 §4.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/server/fields.hpp"
#include "base/result.hpp"

namespace keelson::server {

// Upgrade: websocket, and Connection names the upgrade.
bool is_websocket(const Fields& headers);

struct ProtocolToken {
  std::string token;
  std::string others;  // the other subprotocols, for the header that takes this one's place
};
// Nothing when the request is no WebSocket or carries no token. `invalid`: two tokens, a bad encoding, no subprotocol
// beside the token, so that there would be none to answer with.
Result<std::optional<ProtocolToken>> protocol_token(const Fields& headers);

// Whatever looks like a token is taken out of the subprotocols, good or not.
void drop_protocol_tokens(Fields& headers);

// Without padding, in the alphabet of URLs; nothing when it is not that.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace keelson::server
