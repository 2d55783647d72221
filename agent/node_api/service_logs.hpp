// ServiceLogs: the logs of services, from the journal by journalctl, else from a file of the service's name.
//
// All that one query runs has 30 seconds together; then the journal's reader is killed and what it had written stands.
// Owner: LogsHandler. Thread: the loop. Stops: with the connection's task, which kills what runs. What fails: the
// client has gone; anything else is told in the text. Source: contract 05 §7; journalctl(1).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/node_api/log_output.hpp"
#include "agent/node_api/log_query.hpp"
#include "agent/node_api/node_files.hpp"
#include "agent/node_api/unit_search.hpp"
#include "base/clock.hpp"
#include "base/loop.hpp"

namespace keelson::node_api {

class ServiceLogs {
 public:
  static constexpr base::Duration limit = std::chrono::seconds(30);

  // `journalctl` without a slash is looked for in PATH.
  ServiceLogs(base::Loop& loop, base::Clock& clock, NodeFiles& files, std::string journalctl)
      : loop_(loop), clock_(clock), files_(files), journalctl_(std::move(journalctl)) {}

  base::Task<Status> write(LogQuery query, LogOutput& out);

 private:
  base::Task<std::vector<std::string>> known_to_journal(std::vector<std::string> services, base::SteadyTime deadline);
  base::Task<Status> write_journal(std::vector<std::string> arguments, LogOutput& out, base::SteadyTime deadline);
  base::Task<Status> write_file(std::string service, LogOutput& out, base::SteadyTime deadline);
  // `*problem`: why it could not be read to its end.
  base::Task<Status> copy(NodeFile file, LogOutput& out, base::SteadyTime deadline, std::string* problem);

  base::Loop& loop_;
  base::Clock& clock_;
  NodeFiles& files_;
  std::string journalctl_;
};

}  // namespace keelson::node_api
