// ClientPodApi: requests about pods over the kube client.
//
// Owner: Agent. Thread: the loop. Source: contract 02 §4.2, §11, §15.5; contract 01 §10.
#pragma once

#include "agent/status/pod_api.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

class ClientPodApi final : public PodApi {
 public:
  // `timeout` limits each request: one that hangs must give its place to others.
  explicit ClientPodApi(kube::Client& client, base::Duration timeout = std::chrono::seconds(15))
      : client_(client), timeout_(timeout) {}

  base::Task<Result<api::Pod>> get(std::string ns, std::string name) override;
  base::Task<Result<api::Pod>> patch_status(std::string ns, std::string name, std::string patch) override;
  base::Task<Result<api::Pod>> create(api::Pod pod) override;
  base::Task<Status> remove(std::string ns, std::string name, std::string uid) override;

 private:
  kube::Client& client_;
  base::Duration timeout_;
};

}  // namespace keelson::agent
