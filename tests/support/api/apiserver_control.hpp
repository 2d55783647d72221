// ApiServerControl: faults on demand for keelson-fake-apiserver: a unix socket, one JSON object a line in, one out.
//
// Commands are in README.md. The answer is {"ok":true,...} or {"error":"..."}; a bad line does not end the connection.
// Owner: main(). Thread: the loop. Stops: stop(), which removes the socket. What fails: start(): a path that cannot be
// listened on.
#pragma once

#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_server.hpp"

namespace keelson::fakes {

// {"method":"GET","path_contains":"/pods","status":429,...}: names as in ApiFault, `latency` in seconds.
Result<ApiFault> parse_fault(const std::string& json);

class ApiServerControl {
 public:
  ApiServerControl(base::Loop& loop, FakeApi& api, FakeApiServer& server, base::Clock& clock);
  ~ApiServerControl();
  Status start(const std::string& path);
  base::Task<void> stop();
  // One command to its answer; what takes time begins now and ends by itself.
  std::string run(const std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::fakes
