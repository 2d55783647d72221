// ApiReviews: asks the API server who a token belongs to and what a user may do.
//
// Without a cluster there is nobody to ask, and nobody is let in by what would have to be asked. Owner: NodeServer.
// Thread: the loop. Stops: with the task that awaits. What fails: as kube::Client; `unavailable` without a cluster.
// Source: contract 05 §3, §4.
#pragma once

#include <string>

#include "agent/server/reviews.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

class ApiReviews final : public server::TokenReviewer, public server::AccessReviewer {
 public:
  // `client` may be null.
  explicit ApiReviews(kube::Client* client) : client_(client) {}

  base::Task<Result<server::TokenReviewStatus>> review(std::string token) override;
  base::Task<Result<server::AccessReviewStatus>> review(server::AccessReviewSpec spec) override;

 private:
  kube::Client* client_;
};

}  // namespace keelson::agent
