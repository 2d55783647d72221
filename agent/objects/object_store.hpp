// ObjectStore: the ConfigMaps, or the Secrets, that pods of this node name, each kept by a watch of its own.
//
// An object is watched from when the first pod names it until the last one is gone. A watch also ends when an immutable
// object was read, for good, and when an object that is in no volume was not read for long; then the next read begins
// it again. A read waits up to a second for the first answer. Errors have the kubelet's texts: `unavailable` when no
// answer came, `not_found` when there is no such object, `invalid` when no pod has registered it. Owner: ObjectCache.
// Thread: the loop. Stops: stop() ends all watches; reads must have ended before. Source: contract 04 §8 "Delivery
// latency and caches" (Watch), contract 01 §10.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "agent/objects/pod_references.hpp"
#include "api/objects.hpp"
#include "base/gate.hpp"
#include "base/sync.hpp"
#include "kube-client/informer.hpp"

namespace keelson::agent {

template <class T>
class ObjectStore {
 public:
  using Ptr = std::shared_ptr<const T>;

  ObjectStore(kube::Client& client, base::Random& random, ObjectKind kind, base::Duration idle, base::Logger log);

  // Called with each pod whose object has changed: one in a volume by any change, others when it appears.
  void on_change(std::function<void(const std::string& pod_uid)> listener) { listener_ = std::move(listener); }
  void start();
  base::Task<void> stop();

  void add_user(const std::string& ns, const PodReference& reference, const std::string& pod_uid);
  void remove_user(const std::string& ns, const std::string& name, const std::string& pod_uid);
  base::Task<Result<Ptr>> read(std::string ns, std::string name);

  std::size_t objects() const { return items_.size(); }
  std::size_t watches() const;

 private:
  struct Watch {
    Watch(kube::Client& client, base::Random& random, kube::Selection selection, base::Logger log)
        : gate(client.loop()), informer(client, random, std::move(selection), std::move(log)) {}
    base::Gate gate;
    kube::Informer<T> informer;
  };
  struct Item {
    std::map<std::string, bool> users;  // pod UID -> in a volume
    std::shared_ptr<Watch> watch;
    Ptr immutable;
    base::SteadyTime last_read{};
    bool missed = false;  // somebody was told that it is not there, or not yet
    bool in_volume() const;
  };
  using Event = typename kube::Informer<T>::Event;

  Item* find(const std::string& key);
  void begin(const std::string& ns, const std::string& name, Item& item);
  void end(std::shared_ptr<Watch> watch);
  base::Task<void> await_end(std::shared_ptr<Watch> watch);
  void changed(const Watch* watch, const Event& event);
  base::Task<void> end_idle_ones();
  base::SteadyTime next_idle() const;
  void end_idle(base::SteadyTime now);

  kube::Client& client_;
  base::Clock& clock_;
  base::Random& random_;
  ObjectKind kind_;
  base::Duration idle_;
  base::Logger log_;
  std::function<void(const std::string&)> listener_;
  std::map<std::string, Item> items_;         // by "namespace/name"
  std::list<std::shared_ptr<Watch>> ending_;  // until their tasks have left
  base::Notification begun_;
  base::Gate gate_;
};

extern template class ObjectStore<api::core::ConfigMap>;
extern template class ObjectStore<api::core::Secret>;

}  // namespace keelson::agent
