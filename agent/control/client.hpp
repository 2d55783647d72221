// control_get(): asks the running agent over its control socket; what the command line uses.
//
// Blocking, any thread, no loop. What fails: `not_found` there is no socket, `unavailable` nobody listens on it (the
// agent is not running), `permission_denied` we may not, `deadline_exceeded` no answer in time, `invalid` the answer is
// not HTTP. An HTTP status other than 200 is a value, not an error.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct ControlReply {
  int status = 0;
  std::string body;
};

Result<ControlReply> control_get(const std::string& socket_path, const std::string& target, base::Duration limit);

}  // namespace keelson::agent
