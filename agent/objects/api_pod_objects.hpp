// ApiPodObjects: PodObjects of a node in a cluster, over ObjectCache and ServiceList.
//
// Owner: the agent's wiring, as the two are. Thread: the loop. Source: contract 02 §3.2, §5.1 step 4.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/objects/object_cache.hpp"
#include "agent/objects/service_list.hpp"
#include "agent/sync/pod_objects.hpp"

namespace keelson::agent {

class ApiPodObjects final : public PodObjects {
 public:
  ApiPodObjects(ObjectCache& objects, ServiceList& services) : objects_(objects), services_(services) {}

  void hold(const api::PodPtr& pod) override { objects_.register_pod(*pod); }
  void release(const std::string& uid) override { objects_.unregister_pod(uid); }
  base::Task<Result<std::shared_ptr<const ObjectResolver>>> objects_of(api::PodPtr pod,
                                                                       api::core::Container container) override {
    return objects_.resolve_for(std::move(pod), std::move(container));
  }
  std::vector<ServiceInfo> services_for(const std::string& ns) const override { return services_.seen_from(ns); }
  bool services_synced() const override { return services_.synced(); }

 private:
  ObjectCache& objects_;
  ServiceList& services_;
};

}  // namespace keelson::agent
