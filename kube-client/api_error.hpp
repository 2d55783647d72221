// Errors of the API server: an HTTP status and its body, or a meta.v1.Status, as an Error.
//
// The code is the HTTP status, the message the server's own. Kinds: 400, 422 and other 4xx `invalid`; 401, 403
// `permission_denied`; 404 `not_found`; 405 `unimplemented`; 408, 504 `deadline_exceeded`; 409 `already_exists` or
// `conflict` by its reason; 410 and reason Expired `conflict` with code 410; 429 and 5xx `unavailable`. Pure functions,
// any thread. Source: contract 05a "Envelope and streams" (errors); the API's own conventions for Status reasons.
#pragma once

#include <string_view>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "kube-client/transport.hpp"

namespace keelson::kube {

// `body` is a Status, binary or JSON, or plain text (of a proxy, say). For statuses of 300 and above.
Error error_of(int http_status, std::string_view body);
// A Status outside of an HTTP error: the object of a watch event ERROR.
Error error_of(const api::meta::Status& status);

// The version that was asked for is too old, or newer than what the server has: only a new beginning helps.
bool is_expired(const Error& error);
bool is_too_new(const Error& error);

}  // namespace keelson::kube
