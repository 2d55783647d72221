// Pods bound to a node that is not there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/node_api/pods.hpp"

namespace keelson::node_api::testing {

class FakePods final : public BoundPods {
 public:
  void add(const api::Pod& pod) { pods_.push_back(std::make_shared<api::Pod>(pod)); }
  api::Pod& add(const std::string& ns, const std::string& name) {
    auto pod = std::make_shared<api::Pod>();
    pod->mutable_metadata()->set_namespace_(ns);
    pod->mutable_metadata()->set_name(name);
    pod->mutable_metadata()->set_uid("uid-of-" + name);
    pods_.push_back(pod);
    return *pod;
  }

  std::vector<std::string> uids() const override {
    std::vector<std::string> uids = gone;
    for (const auto& pod : pods_) uids.push_back(pod->metadata().uid());
    return uids;
  }
  api::PodPtr pod(const std::string& uid) const override {
    ++asked;
    for (const auto& pod : pods_) {
      if (pod->metadata().uid() == uid) return pod;
    }
    return nullptr;
  }
  api::PodPtr find(const std::string& ns, const std::string& name) const override {
    for (const auto& pod : pods_) {
      if (pod->metadata().namespace_() == ns && pod->metadata().name() == name) return pod;
    }
    return nullptr;
  }

  std::vector<std::string> gone;  // UIDs of pods that end while they are listed
  mutable std::size_t asked = 0;

 private:
  std::vector<std::shared_ptr<api::Pod>> pods_;
};

}  // namespace keelson::node_api::testing
