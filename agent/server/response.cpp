#include "agent/server/response.hpp"

#include <utility>

namespace keelson::server {

Response plain_text(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

}  // namespace keelson::server
