// PodApi: the few requests about pods that the status writer and the mirror pods send to the API server.
//
// Implemented over kube::Client (agent/wiring/client_pod_api.hpp) and by a fake in the tests. Owner: the agent's
// wiring; outlives its users. Thread: the loop. Stops: with the tasks that await it; every call has a deadline. Errors
// are those of kube-client/client.hpp: code() is the HTTP status, 0 when the server gave no answer. Source: contract 02
// §4.2, §11, §15.5.
#pragma once

#include <string>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

class PodApi {
 public:
  virtual ~PodApi() = default;
  virtual base::Task<Result<api::Pod>> get(std::string ns, std::string name) = 0;
  // `patch` is a strategic merge patch; the answer is the pod after it.
  virtual base::Task<Result<api::Pod>> patch_status(std::string ns, std::string name, std::string patch) = 0;
  virtual base::Task<Result<api::Pod>> create(api::Pod pod) = 0;
  // With gracePeriodSeconds 0. Only the pod with that UID; an empty one is no precondition.
  virtual base::Task<Status> remove(std::string ns, std::string name, std::string uid) = 0;
};

}  // namespace keelson::agent
