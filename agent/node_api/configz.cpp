#include "agent/node_api/configz.hpp"

#include "agent/node_api/answers.hpp"
#include "config/dump.hpp"

namespace keelson::node_api {

base::Task<void> ConfigzHandler::handle(const server::Request&, server::Reply& reply) {
  const nlohmann::json shown = config::configz(in_force_());
  server::Response response =
      json_answer(escape_json(shown.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  co_await answer(reply, std::move(response));
}

}  // namespace keelson::node_api
