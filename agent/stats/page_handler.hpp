// PageHandler: GET /metrics/resource and /metrics/cadvisor.
//
// The page is made and written on the blocking pool, a family at a time: that of the containers is several megabytes.
// Owner: the agent's wiring; the sampler outlives it. Thread: the loop. Stops: with the connection's task. What fails:
// taking the snapshot, which the page itself says (resource_scrape_error, container_scrape_error); writing it: 500.
// Source: contract 05 §11, §13, §14.
#pragma once

#include <functional>

#include "agent/metrics/page.hpp"
#include "agent/server/message.hpp"
#include "agent/stats/machine_facts.hpp"
#include "agent/stats/sampler.hpp"

namespace keelson::stats {

class PageHandler final : public server::Handler {
 public:
  using See = std::function<void(const metrics::Page&)>;
  // Calls `see` with the page's parts in order; runs on the pool. Null: there is no snapshot.
  using EachPart = std::function<void(const Snapshot* snapshot, const See& see)>;

  PageHandler(Sampler& sampler, Depth depth, EachPart each_part, base::SystemTime process_started);

  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  base::Task<server::Response> answer(std::string accept, std::string accept_encoding);

  Sampler& sampler_;
  Depth depth_;
  EachPart each_part_;
  base::SystemTime process_started_;
};

PageHandler resource_handler(Sampler& sampler, base::SystemTime process_started);
PageHandler cadvisor_handler(Sampler& sampler, MachineFacts machine, base::SystemTime process_started);

}  // namespace keelson::stats
