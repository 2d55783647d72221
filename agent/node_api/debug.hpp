// /debug/pprof/NAME and /debug/flags/v: a look into the running agent, and the verbosity of its log.
//
// The names of /debug/pprof/ are those of a Go program. What has a counterpart here is answered, the rest with 501 and
// a line that names the tool that helps instead. The router lets only PUT of the verbosity through. Owner: the agent's
// wiring. Thread: the loop; reads of /proc are small. Stops: with the connection's task. What fails: unknown names
// (404), no number (400). Source: contract 05 §6 "/debug/pprof/", "/debug/flags/v"; Go, package net/http/pprof.
#pragma once

#include <memory>
#include <utility>

#include "agent/server/message.hpp"
#include "base/logger.hpp"

namespace keelson::node_api {

class PprofHandler final : public server::Handler {
 public:
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;
};

class LogLevelHandler final : public server::Handler {
 public:
  LogLevelHandler(std::shared_ptr<base::LogSink> sink, base::Logger log)
      : sink_(std::move(sink)), log_(std::move(log)) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  server::Response set(const std::string& text);

  std::shared_ptr<base::LogSink> sink_;
  base::Logger log_;
};

}  // namespace keelson::node_api
