// Response: an answer as a value. See message.hpp for who sends it.
#pragma once

#include <string>

#include "agent/server/fields.hpp"

namespace keelson::server {

struct Response {
  int status = 200;
  // Content-Length and Transfer-Encoding are the connection's own. But a Content-Length that is given is kept, and the
  // body is sent as it is instead of chunked: begin() takes the number on trust and write() what belongs to it.
  Fields headers;
  std::string body;
};

// Content-Type "text/plain; charset=utf-8".
Response plain_text(int status, std::string body);

}  // namespace keelson::server
