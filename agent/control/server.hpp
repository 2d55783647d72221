// ControlServer: the local socket through which `keelson ps`, `explain` and `doctor` ask the running agent.
//
// HTTP/1.1 GET over a unix socket, one request a connection, JSON answers:
//   /v1/pods                  {"pods": [...]}
//   /v1/pods/NAMESPACE/NAME   one pod's story; 404 when the agent knows no such pod
//   /v1/doctor                {"agent": {...}, "manifestProblems": [...]}
//   /v1/version               the agent block alone
// Only root and the agent's own user get in: the directory is 0700, the socket 0600, and the peer's credentials are
// checked. Limits: 16 connections, 8 KiB of request, 5 s from accept to the end; a client that hangs costs one of the
// 16 for 5 s, and when all are taken the next ones are answered by closing at once. There is no persistent state.
// Owner: main(). Thread: the loop. Stops: stop() cancels what runs and removes the socket; it takes no network wait.
// What fails: start(): the directory belongs to somebody else or is open to others, the path is no socket, another
// agent answers on it (`already_exists`). A socket left by a killed agent is replaced; two agents never share it (flock
// on PATH.lock). Source: issue "For the person on the node".
#pragma once

#include <memory>
#include <string>

#include "agent/control/views.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"

namespace keelson::agent {

inline constexpr const char* default_control_socket = "/run/keelson/keelson.sock";

struct ControlOptions {
  std::string path = default_control_socket;
  std::size_t max_connections = 16;
  base::Duration limit = std::chrono::seconds(5);
};

struct ControlAnswer {
  int status = 200;
  std::string body;
};
// What `source` answers to `method target`; pure but for asking the source.
ControlAnswer control_answer(const std::string& method, const std::string& target, ControlSource& source);

class ControlServer {
 public:
  ControlServer(base::Loop& loop, base::Clock& clock, base::Logger log, ControlSource& source);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  Status start(ControlOptions options);
  base::Task<void> stop();
  std::size_t connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::agent
