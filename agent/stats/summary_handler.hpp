// SummaryHandler: GET and POST /stats/summary.
//
// The query or the form may hold only_cpu_and_memory=true. The answer is made and written on the blocking pool: for a
// hundred pods it is a megabyte. Owner: the agent's wiring; the sampler outlives it. Thread: the loop. Stops: with the
// connection's task. What fails: taking the snapshot: 500 "Internal Error: ...". Source: contract 05 §10.
#pragma once

#include "agent/server/message.hpp"
#include "agent/stats/sampler.hpp"

namespace keelson::stats {

// Exactly one value is given, and it is "true".
bool asks_only_cpu_and_memory(const server::Request& request);

class SummaryHandler final : public server::Handler {
 public:
  explicit SummaryHandler(Sampler& sampler) : sampler_(sampler) {}

  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  base::Task<server::Response> answer(bool only_cpu_and_memory);
  server::Response failed(const Error& error) const;

  Sampler& sampler_;
};

}  // namespace keelson::stats
