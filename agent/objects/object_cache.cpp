#include "agent/objects/object_cache.hpp"

#include <algorithm>
#include <utility>

#include "base/when_all.hpp"

namespace keelson::agent {
namespace {

using base::Task;

base::Duration idle_time(base::Duration sync_frequency) {
  return std::max<base::Duration>(std::chrono::minutes(1), 5 * sync_frequency);
}

}  // namespace

// The objects one container needs, or why they could not be had.
class ObjectCache::Fetched final : public ObjectResolver {
 public:
  void put(const std::string& name, Result<ConfigMapPtr> object) { config_maps_.emplace(name, std::move(object)); }
  void put(const std::string& name, Result<SecretPtr> object) { secrets_.emplace(name, std::move(object)); }

  Result<const api::core::ConfigMap*> config_map(const std::string& ns, const std::string& name) const override {
    return find(config_maps_, ns, name);
  }
  Result<const api::core::Secret*> secret(const std::string& ns, const std::string& name) const override {
    return find(secrets_, ns, name);
  }

 private:
  template <class T>
  using Objects = std::map<std::string, Result<std::shared_ptr<const T>>>;

  template <class T>
  static Result<const T*> find(const Objects<T>& objects, const std::string& ns, const std::string& name) {
    const auto found = objects.find(name);
    if (found == objects.end()) {
      return Error(ErrorKind::invalid, "object \"" + ns + "\"/\"" + name + "\" not registered");
    }
    if (!found->second.ok()) return found->second.error();
    return found->second.value().get();
  }

  Objects<api::core::ConfigMap> config_maps_;
  Objects<api::core::Secret> secrets_;
};

ObjectCache::ObjectCache(kube::Client& client, base::Random& random, base::Duration sync_frequency, base::Logger log)
    : config_maps_(client, random, ObjectKind::config_map, idle_time(sync_frequency), log),
      secrets_(client, random, ObjectKind::secret, idle_time(sync_frequency), log) {}

void ObjectCache::on_change(std::function<void(const std::string& pod_uid)> listener) {
  config_maps_.on_change(listener);
  secrets_.on_change(std::move(listener));
}

void ObjectCache::start() {
  config_maps_.start();
  secrets_.start();
}

Task<void> ObjectCache::stop() {
  co_await config_maps_.stop();
  co_await secrets_.stop();
}

void ObjectCache::add(const Registration& registration, const PodReference& reference, const std::string& uid) {
  if (reference.kind == ObjectKind::config_map) config_maps_.add_user(registration.ns, reference, uid);
  if (reference.kind == ObjectKind::secret) secrets_.add_user(registration.ns, reference, uid);
}

void ObjectCache::remove(const Registration& registration, const PodReference& reference, const std::string& uid) {
  if (reference.kind == ObjectKind::config_map) config_maps_.remove_user(registration.ns, reference.name, uid);
  if (reference.kind == ObjectKind::secret) secrets_.remove_user(registration.ns, reference.name, uid);
}

void ObjectCache::register_pod(const api::Pod& pod) {
  const std::string& uid = pod.metadata().uid();
  Registration now{pod.metadata().namespace_(), pod_references(pod)};
  const auto known = pods_.find(uid);
  if (known == pods_.end() && now.references.empty()) return;
  if (known != pods_.end() && known->second.references == now.references) return;
  // First what is new, so that what stays is watched without a break.
  for (const PodReference& reference : now.references) add(now, reference, uid);
  if (known != pods_.end()) {
    for (const PodReference& old : known->second.references) {
      const bool stays = std::any_of(now.references.begin(), now.references.end(), [&](const PodReference& reference) {
        return reference.kind == old.kind && reference.name == old.name;
      });
      if (!stays) remove(known->second, old, uid);
    }
  }
  pods_[uid] = std::move(now);
}

void ObjectCache::unregister_pod(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  for (const PodReference& reference : found->second.references) remove(found->second, reference, uid);
  pods_.erase(found);
}

Task<Result<ObjectCache::ConfigMapPtr>> ObjectCache::config_map(std::string ns, std::string name) {
  return config_maps_.read(std::move(ns), std::move(name));
}

Task<Result<ObjectCache::SecretPtr>> ObjectCache::secret(std::string ns, std::string name) {
  return secrets_.read(std::move(ns), std::move(name));
}

Task<void> ObjectCache::fetch(std::shared_ptr<Fetched> into, ObjectKind kind, std::string ns, std::string name) {
  if (kind == ObjectKind::config_map) {
    auto object = co_await config_maps_.read(std::move(ns), name);
    into->put(name, std::move(object));
  } else {
    auto object = co_await secrets_.read(std::move(ns), name);
    into->put(name, std::move(object));
  }
}

Task<Result<std::shared_ptr<const ObjectResolver>>> ObjectCache::resolve_for(api::PodPtr pod,
                                                                             api::core::Container container) {
  auto fetched = std::make_shared<Fetched>();
  const std::vector<PodReference> references = environment_references(container);
  std::vector<Task<void>> tasks;
  for (std::size_t i = 0; i < references.size(); ++i) {
    tasks.push_back(fetch(fetched, references[i].kind, pod->metadata().namespace_(), references[i].name));
  }
  if (!tasks.empty()) co_await base::when_all(std::move(tasks));
  std::shared_ptr<const ObjectResolver> resolver = fetched;
  co_return resolver;
}

}  // namespace keelson::agent
