// ContainerLogsHandler: GET /containerLogs/{namespace}/{pod}/{container}.
//
// What is wrong with the request or the pod is a status of its own; once the log has been looked for it is 200, and an
// error becomes the body, or its end. Owner: the agent's wiring. Thread: the loop. Stops: with the request's task. What
// fails: see log_reader.hpp. Source: contract 05 §8.
#pragma once

#include <string>

#include "agent/logs/log_reader.hpp"
#include "agent/server/message.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::logs {

// What this module needs to know of pods and of the runtime.
class LogSource {
 public:
  virtual ~LogSource() = default;
  // With the status that is in force; null when the agent does not know it.
  virtual api::PodPtr find_pod(const std::string& ns, const std::string& name) = 0;
  // CRI ContainerStatus.log_path.
  virtual base::Task<Result<std::string>> log_path(std::string container_id) = 0;
};

class ContainerLogsHandler final : public server::Handler {
 public:
  ContainerLogsHandler(base::Clock& clock, LogSource& source, LogReader& reader)
      : clock_(clock), source_(source), reader_(reader) {}

  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  // What is to be read; an error's code is the HTTP status.
  struct Chosen {
    LogOptions options;
    std::string container;  // with its runtime
  };
  Result<Chosen> choose(const server::Request& request);
  base::Task<Status> serve(Chosen chosen, LogSink& sink);

  base::Clock& clock_;
  LogSource& source_;
  LogReader& reader_;
};

}  // namespace keelson::logs
