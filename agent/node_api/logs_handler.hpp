// LogsHandler: /logs/ and below: the files of /var/log, and the logs of services that a query names.
//
// Owner: the agent's wiring; what it is given outlives it. Thread: the loop; files are read on the blocking pool.
// Stops: with the connection's task. What fails: a query that cannot be read (400) or breaks a rule (406); files, see
// FileServer. Source: contract 05 §7.
#pragma once

#include <string>
#include <utility>

#include "agent/node_api/file_server.hpp"
#include "agent/node_api/log_query.hpp"
#include "agent/node_api/node_files.hpp"
#include "agent/node_api/service_logs.hpp"
#include "agent/server/message.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/loop.hpp"

namespace keelson::node_api {

struct LogsOptions {
  std::string directory = "/var/log";
  bool query = false;  // enableSystemLogQuery; else parameters are passed over
  std::string journalctl = "journalctl";
};

class LogsHandler final : public server::Handler {
 public:
  LogsHandler(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, LogsOptions options)
      : options_(std::move(options)),
        files_(pool, options_.directory),
        file_server_(files_),
        services_(loop, clock, files_, options_.journalctl) {}

  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  // True: answered. Else `path` is what is to be served.
  base::Task<bool> answer_query(const server::Request& request, server::Reply& reply, std::string& path);
  base::Task<std::string> problem_of(std::string file);

  LogsOptions options_;
  NodeFiles files_;
  FileServer file_server_;
  ServiceLogs services_;
};

}  // namespace keelson::node_api
