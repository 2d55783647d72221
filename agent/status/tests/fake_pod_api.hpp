// FakePodApi: pods in memory behind PodApi, with versions, patches, deletion by grace 0, faults and a log.
//
// Owner: a test. Thread: the loop's.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/status/pod_api.hpp"
#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "api/patch.hpp"
#include "base/clock.hpp"

namespace keelson::agent::testing {

class FakePodApi final : public PodApi {
 public:
  explicit FakePodApi(base::Clock& clock) : clock_(clock) {}

  std::map<std::string, api::Pod> pods;              // by "ns/name"
  std::vector<std::string> log;                      // "PATCH ns/name", "DELETE ns/name uid=u"; when the request came
  std::vector<std::string> bodies;                   // of the patches, in the same order
  std::map<std::string, std::vector<Error>> faults;  // "PATCH ns/name" -> the next answers
  std::set<std::string> hangs;                       // "ns/name"
  bool down = false;
  base::Duration latency{};
  std::size_t in_flight = 0;
  std::size_t most_in_flight = 0;
  // What the watch would tell, called before the request is answered. Null pod: `uid` is gone.
  std::function<void(const api::PodPtr& pod, const std::string& uid)> watch;

  static std::string key_of(const api::Pod& pod) { return pod.metadata().namespace_() + "/" + pod.metadata().name(); }

  api::PodPtr put(api::Pod pod) {
    pod.mutable_metadata()->set_resourceversion(std::to_string(++version_));
    const auto kept = std::make_shared<const api::Pod>(pod);
    pods[key_of(pod)] = std::move(pod);
    if (watch) watch(kept, kept->metadata().uid());
    return kept;
  }
  void drop(const std::string& key) {
    const std::string uid = pods.at(key).metadata().uid();
    pods.erase(key);
    if (watch) watch(nullptr, uid);
  }
  // What a user's `kubectl delete` does to a pod that runs.
  api::PodPtr ask_deletion(const std::string& key) {
    api::Pod pod = pods.at(key);
    pod.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(1);
    return put(std::move(pod));
  }
  std::size_t count(const std::string& entry) const {
    return static_cast<std::size_t>(std::count(log.begin(), log.end(), entry));
  }

  base::Task<Result<api::Pod>> get(std::string ns, std::string name) override {
    const std::string key = ns + "/" + name;
    Status came = co_await arrive("GET " + key, key);
    if (!came.ok()) co_return std::move(came).error();
    if (!pods.contains(key)) co_return missing(key);
    co_return pods.at(key);
  }

  base::Task<Result<api::Pod>> patch_status(std::string ns, std::string name, std::string patch) override {
    const std::string key = ns + "/" + name;
    bodies.push_back(patch);
    Status came = co_await arrive("PATCH " + key, key);
    if (!came.ok()) co_return std::move(came).error();
    if (!pods.contains(key)) co_return missing(key);
    const auto node = api::parse_json(patch);
    const std::string uid = node->find("metadata")->find("uid")->text;
    if (uid != pods.at(key).metadata().uid()) co_return Error(ErrorKind::conflict, "the UID does not match", 409);
    const auto applied = api::strategic_merge_apply(api::encode_node(pods.at(key)), *node, api::Pod::descriptor());
    if (!applied.ok()) co_return applied.error();
    api::Pod pod;
    const Status decoded = api::decode(*applied, pod);
    if (!decoded.ok()) co_return decoded.error();
    co_return *put(std::move(pod));
  }

  base::Task<Result<api::Pod>> create(api::Pod pod) override {
    const std::string key = key_of(pod);
    Status came = co_await arrive("POST " + key, key);
    if (!came.ok()) co_return std::move(came).error();
    if (pods.contains(key))
      co_return Error(ErrorKind::already_exists, "pods \"" + name_of(key) + "\" already exists", 409);
    created.push_back(pod);
    pod.mutable_metadata()->set_uid("made-" + std::to_string(created.size()));
    co_return *put(std::move(pod));
  }

  base::Task<Status> remove(std::string ns, std::string name, std::string uid) override {
    const std::string key = ns + "/" + name;
    Status came = co_await arrive("DELETE " + key + " uid=" + uid, key);
    if (!came.ok()) co_return came;
    if (!pods.contains(key)) co_return missing(key);
    if (!uid.empty() && pods.at(key).metadata().uid() != uid) {
      co_return Error(ErrorKind::conflict, "the UID in the precondition does not match", 409);
    }
    if (pods.at(key).metadata().finalizers().empty()) {
      drop(key);
    } else {
      ask_deletion(key);
    }
    co_return Status();
  }

  std::vector<api::Pod> created;  // as they were posted

 private:
  static std::string name_of(const std::string& key) { return key.substr(key.find('/') + 1); }
  static Error missing(const std::string& key) {
    return Error(ErrorKind::not_found, "pods \"" + name_of(key) + "\" not found", 404);
  }

  struct Visit {
    FakePodApi* api;
    explicit Visit(FakePodApi* owner) : api(owner) {
      api->most_in_flight = std::max(api->most_in_flight, ++api->in_flight);
    }
    ~Visit() { --api->in_flight; }
  };

  base::Task<Status> arrive(std::string request, std::string key) {
    log.push_back(request);
    const Visit visit(this);
    if (hangs.contains(key)) {
      co_await clock_.sleep_for(std::chrono::seconds(15));
      co_return Error(ErrorKind::deadline_exceeded, "no answer in time");
    }
    if (latency.count() > 0) co_await clock_.sleep_for(latency);
    if (down) co_return Error(ErrorKind::unavailable, "connection refused");
    const std::string fault = request.substr(0, request.find(" uid="));
    if (auto& errors = faults[fault]; !errors.empty()) {
      Error error = errors.front();
      errors.erase(errors.begin());
      co_return error;
    }
    co_return Status();
  }

  base::Clock& clock_;
  int version_ = 100;
};

}  // namespace keelson::agent::testing
