// ObjectCache: the ConfigMaps and Secrets that the node's pods name, ready to be read.
//
// Pods are registered at their sync, before anything is mounted, and unregistered when their volumes are gone; only
// what a registered pod names is read and watched (object_store.hpp). on_change() tells which pods' objects have
// changed, so that their files follow at once. Owner: the agent's wiring. Thread: the loop. Stops: stop(), after those
// who read have ended. Source: contract 02 §5.1 step 4, contract 04 §8, contract 01 §9, §10.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/objects/object_store.hpp"
#include "agent/pod_config/environment.hpp"

namespace keelson::agent {

class ObjectCache {
 public:
  using ConfigMapPtr = std::shared_ptr<const api::core::ConfigMap>;
  using SecretPtr = std::shared_ptr<const api::core::Secret>;

  ObjectCache(kube::Client& client, base::Random& random, base::Duration sync_frequency, base::Logger log);

  // Called from within a watch: it may wake a worker, but not call back into the cache.
  void on_change(std::function<void(const std::string& pod_uid)> listener);
  void start();
  base::Task<void> stop();

  // Again when the pod has changed: what it names now replaces what it named.
  void register_pod(const api::Pod& pod);
  void unregister_pod(const std::string& uid);

  // For volumes and pull secrets. A copy is not made: what comes is shared and does not change.
  base::Task<Result<ConfigMapPtr>> config_map(std::string ns, std::string name);
  base::Task<Result<SecretPtr>> secret(std::string ns, std::string name);
  // All that the container's variables need, as it is now. What could not be had is an error when it is asked for.
  base::Task<Result<std::shared_ptr<const ObjectResolver>>> resolve_for(api::PodPtr pod,
                                                                        api::core::Container container);

  std::size_t watches() const { return config_maps_.watches() + secrets_.watches(); }

 private:
  class Fetched;
  struct Registration {
    std::string ns;
    std::vector<PodReference> references;
  };

  void add(const Registration& registration, const PodReference& reference, const std::string& uid);
  void remove(const Registration& registration, const PodReference& reference, const std::string& uid);
  base::Task<void> fetch(std::shared_ptr<Fetched> into, ObjectKind kind, std::string ns, std::string name);

  std::map<std::string, Registration> pods_;  // by UID
  ObjectStore<api::core::ConfigMap> config_maps_;
  ObjectStore<api::core::Secret> secrets_;
};

}  // namespace keelson::agent
