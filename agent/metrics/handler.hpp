// MetricsHandler: answers a scrape: has its collectors fill a page and writes it in the format that was asked for.
//
// One for each page (/metrics, /metrics/probes, ...). A collector that throws keeps nobody else's families from the
// page. Owner: the agent's wiring. Thread: the loop; a page takes a few milliseconds there. Stops: with the
// connection's task. What fails: nothing but the connection. Source: contract 05 §11, §15; RFC 9110 §12.5.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/metrics/page.hpp"
#include "agent/server/message.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "base/task.hpp"

namespace keelson::metrics {

// What the headers Accept and Accept-Encoding come to.
struct Format {
  bool protobuf = false;
  std::string escaping = "underscores";  // as asked for: no name of ours has anything to escape
  bool gzip = false;
  bool operator==(const Format&) const = default;
};
Format negotiate(std::string_view accept, std::string_view accept_encoding);
// The answer with a page that was written in that format.
server::Response response_of(std::string body, const Format& format, base::SystemTime process_started);

class MetricsHandler final : public server::Handler {
 public:
  MetricsHandler(base::SystemTime process_started, base::Logger log)
      : process_started_(process_started), log_(std::move(log)) {}

  // `name` is for the log.
  void add(std::string name, Collector collector) { collectors_.emplace_back(std::move(name), std::move(collector)); }
  // Awaited before each scrape's collectors.
  void before(std::function<base::Task<void>()> prepare) { prepare_ = std::move(prepare); }
  // DELETE calls it and answers "metrics reset"; unset, DELETE is answered like GET.
  void on_reset(std::function<void()> reset) { reset_ = std::move(reset); }

  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

  // Everything collected; also for who wants to look without a request.
  Page page() const;

 private:
  server::Response answer(const server::Request& request) const;

  base::SystemTime process_started_;
  base::Logger log_;
  std::vector<std::pair<std::string, Collector>> collectors_;
  std::function<void()> reset_;
  std::function<base::Task<void>()> prepare_;
};

}  // namespace keelson::metrics
