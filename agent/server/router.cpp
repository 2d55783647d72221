#include "agent/server/router.hpp"

#include <algorithm>

namespace keelson::server {

void Router::plug(std::string_view name, Handler& handler) {
  const auto names = endpoint_names();
  const auto known = std::find(names.begin(), names.end(), name);
  KEELSON_CHECK(known != names.end() && "a handler is plugged in for an endpoint that the table does not know");
  handlers_[*known] = &handler;
}

Router::Route Router::find(const Asked& asked) const {
  Outcome outcome = find_endpoint(port_, switches_, asked);
  Route route;
  route.guarded = outcome.guarded;
  route.response = std::move(outcome.response);
  if (outcome.endpoint.empty()) return route;
  const auto handler = handlers_.find(outcome.endpoint);
  if (handler != handlers_.end()) {
    route.handler = handler->second;
  } else {
    route.guarded = false;
    route.response = not_found();
  }
  return route;
}

}  // namespace keelson::server
