#include "agent/wiring/client_pod_api.hpp"

#include <utility>

namespace keelson::agent {
namespace {

template <class T>
T in_time(std::optional<T> answer, const char* what) {
  if (answer) return std::move(*answer);
  return Error(ErrorKind::deadline_exceeded, std::string("no answer in time to ") + what);
}

api::meta::DeleteOptions at_once(const std::string& uid) {
  api::meta::DeleteOptions options;
  options.set_graceperiodseconds(0);
  if (!uid.empty()) options.mutable_preconditions()->set_uid(uid);
  return options;
}

}  // namespace

base::Task<Result<api::Pod>> ClientPodApi::get(std::string ns, std::string name) {
  auto task = client_.get<api::Pod>(std::move(ns), std::move(name));
  auto answer = co_await base::with_timeout(client_.clock(), timeout_, std::move(task));
  co_return in_time(std::move(answer), "GET of a pod");
}

base::Task<Result<api::Pod>> ClientPodApi::patch_status(std::string ns, std::string name, std::string patch) {
  auto task = client_.patch<api::Pod>(std::move(ns), std::move(name), kube::PatchType::strategic_merge,
                                      std::move(patch), "status");
  auto answer = co_await base::with_timeout(client_.clock(), timeout_, std::move(task));
  co_return in_time(std::move(answer), "PATCH of a pod's status");
}

base::Task<Result<api::Pod>> ClientPodApi::create(api::Pod pod) {
  std::string ns = pod.metadata().namespace_();
  auto task = client_.create<api::Pod>(std::move(ns), std::move(pod));
  auto answer = co_await base::with_timeout(client_.clock(), timeout_, std::move(task));
  co_return in_time(std::move(answer), "POST of a pod");
}

base::Task<Status> ClientPodApi::remove(std::string ns, std::string name, std::string uid) {
  auto task = client_.remove<api::Pod>(std::move(ns), std::move(name), at_once(uid));
  auto answer = co_await base::with_timeout(client_.clock(), timeout_, std::move(task));
  co_return in_time(std::move(answer), "DELETE of a pod");
}

}  // namespace keelson::agent
