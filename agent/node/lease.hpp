// NodeLease: the heartbeat. Renews kube-node-lease/NODE about every quarter of its duration.
//
// A task of its own with a client of its own (no rate limit, ten seconds a request), so that no other work delays it;
// it goes on while the node shuts down and leaves the lease behind. While the API server refuses, it tries again at
// once up to five times, then reads anew with growing pauses. Nothing is created before the Node exists. Owner: the
// agent's wiring. Thread: the loop. Stops: with its gate. Source: contract 01 §8.3.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/objects.hpp"
#include "api/proto/coordination_v1.pb.h"
#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

using Lease = k8s::coordination::v1::Lease;

// {apiVersion v1, kind Node, name, uid}. Pure.
api::meta::OwnerReference node_owner(const std::string& node, const std::string& uid);
// `base` renewed, or a new lease when there is none. Pure.
Lease renewed_lease(const std::optional<Lease>& base, const std::string& node, std::int32_t duration_seconds,
                    base::SystemTime now);

class NodeLease {
 public:
  // `close_connections` may be empty; called when renewals fail twice in a row.
  NodeLease(base::Clock& clock, base::Random& random, kube::Client& client, std::string node,
            std::int32_t duration_seconds, std::function<void()> close_connections, base::Logger log);

  void start(base::Gate& gate);
  // The renewal that the server took last; nothing before the first.
  std::optional<base::SteadyTime> renewed_at() const { return renewed_at_; }

 private:
  struct Found {
    std::optional<Lease> lease;  // none: the Node is missing, so there must be no lease
    bool created = false;
  };

  base::Task<void> run();
  base::Task<void> renew();
  // Reads or creates it, with growing pauses until the server answers.
  base::Task<Found> find_or_create();
  base::Task<Result<Found>> try_to_find_or_create();
  // PUTs, up to five times.
  base::Task<Status> update(Lease from);
  // Puts the Node in as owner where that is missing; fails when the Node cannot be read.
  base::Task<Status> add_owner(Lease* lease);
  void remember(Lease lease);

  base::Clock& clock_;
  base::Random& random_;
  kube::Client& client_;
  std::string node_;
  std::int32_t duration_;
  std::function<void()> close_connections_;
  base::Logger log_;
  std::optional<Lease> latest_;
  std::optional<base::SteadyTime> renewed_at_;
  std::string problem_;
};

}  // namespace keelson::agent
