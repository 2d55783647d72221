#include "agent/objects/object_store.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace keelson::agent {
namespace {

using base::Task;
using namespace std::chrono_literals;

constexpr base::Duration kFirstRead = 1s;

kube::Selection only(const std::string& ns, const std::string& name) {
  kube::Selection selection;
  selection.ns = ns;
  selection.field_selector = "metadata.name=" + name;
  selection.shortest = 1800s;
  selection.longest = 3600s;
  return selection;
}

api::meta::ObjectMeta identity(const api::meta::ObjectMeta& metadata) {
  api::meta::ObjectMeta small;
  small.set_name(metadata.name());
  small.set_namespace_(metadata.namespace_());
  small.set_uid(metadata.uid());
  small.set_resourceversion(metadata.resourceversion());
  return small;
}

// Annotations often hold the whole object once more.
void trim(api::core::ConfigMap& object) {
  api::core::ConfigMap small;
  *small.mutable_metadata() = identity(object.metadata());
  small.mutable_data()->swap(*object.mutable_data());
  small.mutable_binarydata()->swap(*object.mutable_binarydata());
  if (object.immutable()) small.set_immutable(true);
  object.Swap(&small);
}

void trim(api::core::Secret& object) {
  api::core::Secret small;
  *small.mutable_metadata() = identity(object.metadata());
  small.mutable_data()->swap(*object.mutable_data());
  small.set_type(object.type());
  if (object.immutable()) small.set_immutable(true);
  object.Swap(&small);
}

Error not_registered(const std::string& ns, const std::string& name) {
  return Error(ErrorKind::invalid, "object \"" + ns + "\"/\"" + name + "\" not registered");
}

Error not_synced(ObjectKind kind) {
  return Error(ErrorKind::unavailable,
               "failed to sync " + std::string(to_string(kind)) + " cache: timed out waiting for the condition");
}

Error no_such_object(ObjectKind kind, const std::string& name) {
  return Error(ErrorKind::not_found, std::string(to_string(kind)) + " \"" + name + "\" not found");
}

}  // namespace

template <class T>
ObjectStore<T>::ObjectStore(kube::Client& client, base::Random& random, ObjectKind kind, base::Duration idle,
                            base::Logger log)
    : client_(client),
      clock_(client.clock()),
      random_(random),
      kind_(kind),
      idle_(idle),
      log_(std::move(log)),
      begun_(client.loop()),
      gate_(client.loop()) {}

template <class T>
bool ObjectStore<T>::Item::in_volume() const {
  return std::any_of(users.begin(), users.end(), [](const auto& user) { return user.second; });
}

template <class T>
std::size_t ObjectStore<T>::watches() const {
  return static_cast<std::size_t>(
      std::count_if(items_.begin(), items_.end(), [](const auto& entry) { return entry.second.watch != nullptr; }));
}

template <class T>
void ObjectStore<T>::start() {
  base::spawn(gate_, "idle watches", end_idle_ones());
}

template <class T>
Task<void> ObjectStore<T>::stop() {
  co_await gate_.stop();
  std::vector<std::shared_ptr<Watch>> all(ending_.begin(), ending_.end());
  for (auto& [key, item] : items_) {
    if (item.watch != nullptr) all.push_back(std::move(item.watch));
  }
  items_.clear();
  ending_.clear();
  for (std::size_t i = 0; i < all.size(); ++i) co_await all[i]->gate.stop();
}

template <class T>
typename ObjectStore<T>::Item* ObjectStore<T>::find(const std::string& key) {
  const auto found = items_.find(key);
  return found == items_.end() ? nullptr : &found->second;
}

template <class T>
void ObjectStore<T>::add_user(const std::string& ns, const PodReference& reference, const std::string& pod_uid) {
  if (gate_.stopping()) return;
  auto [entry, is_new] = items_.try_emplace(ns + "/" + reference.name);
  Item& item = entry->second;
  item.users[pod_uid] = reference.in_volume;
  if (!is_new) return;
  item.last_read = clock_.steady_now();
  begin(ns, reference.name, item);
}

template <class T>
void ObjectStore<T>::remove_user(const std::string& ns, const std::string& name, const std::string& pod_uid) {
  const auto found = items_.find(ns + "/" + name);
  if (found == items_.end()) return;
  found->second.users.erase(pod_uid);
  if (!found->second.users.empty()) return;
  auto watch = std::move(found->second.watch);
  items_.erase(found);
  if (watch != nullptr) end(std::move(watch));
}

template <class T>
void ObjectStore<T>::begin(const std::string& ns, const std::string& name, Item& item) {
  item.watch = std::make_shared<Watch>(client_, random_, only(ns, name), log_);
  item.watch->informer.trim_by([](T& object) { trim(object); });
  const Watch* watch = item.watch.get();
  item.watch->informer.on_event([this, watch](const Event& event) { changed(watch, event); });
  item.watch->informer.start(item.watch->gate);
  begun_.notify();
}

template <class T>
void ObjectStore<T>::end(std::shared_ptr<Watch> watch) {
  ending_.push_back(watch);
  base::spawn(gate_, "end of a watch", await_end(std::move(watch)));
}

template <class T>
Task<void> ObjectStore<T>::await_end(std::shared_ptr<Watch> watch) {
  co_await watch->gate.stop();
  ending_.remove(watch);
}

template <class T>
void ObjectStore<T>::changed(const Watch* watch, const Event& event) {
  Item* item = find(event.key);
  if (item == nullptr || item->watch.get() != watch || !listener_) return;
  // The first answer is what the first read waits for: no news, unless that read gave up.
  const bool news = watch->informer.synced() || item->missed;
  const bool appeared = event.change == kube::Change::added;
  if (appeared) item->missed = false;
  if (!news) return;
  const auto users = item->users;  // the listener may change them
  for (const auto& [uid, in_volume] : users) {
    if (in_volume || appeared) listener_(uid);
  }
}

template <class T>
Task<Result<typename ObjectStore<T>::Ptr>> ObjectStore<T>::read(std::string ns, std::string name) {
  const std::string key = ns + "/" + name;
  Item* item = find(key);
  if (item == nullptr) co_return not_registered(ns, name);
  item->last_read = clock_.steady_now();
  if (item->immutable != nullptr) co_return item->immutable;
  if (item->watch == nullptr) begin(ns, name, *item);
  const std::shared_ptr<Watch> watch = item->watch;
  if (!watch->informer.synced()) co_await base::with_timeout(clock_, kFirstRead, watch->informer.wait_synced());

  item = find(key);  // it may be gone meanwhile
  if (item == nullptr) co_return not_registered(ns, name);
  const bool synced = watch->informer.synced();
  const Ptr found = watch->informer.find(key);
  if (!synced || found == nullptr) {
    item->missed = true;
    if (!synced) co_return not_synced(kind_);
    co_return no_such_object(kind_, name);
  }
  if (found->immutable() && item->watch == watch) {
    item->immutable = found;
    item->watch = nullptr;
    end(watch);
  }
  co_return found;
}

template <class T>
base::SteadyTime ObjectStore<T>::next_idle() const {
  base::SteadyTime next = base::SteadyTime::max();
  for (const auto& [key, item] : items_) {
    if (item.watch != nullptr && !item.in_volume()) next = std::min(next, item.last_read + idle_);
  }
  return next;
}

template <class T>
void ObjectStore<T>::end_idle(base::SteadyTime now) {
  for (auto& [key, item] : items_) {
    // Files of a volume follow the object, however long nobody asks.
    if (item.watch == nullptr || item.in_volume() || now < item.last_read + idle_) continue;
    end(std::exchange(item.watch, nullptr));
    item.missed = false;
  }
}

template <class T>
Task<void> ObjectStore<T>::end_idle_ones() {
  while (true) {
    const base::SteadyTime next = next_idle();
    if (next == base::SteadyTime::max()) {
      co_await begun_.wait();
    } else {
      co_await clock_.sleep_until(next);
      end_idle(clock_.steady_now());
    }
  }
}

template class ObjectStore<api::core::ConfigMap>;
template class ObjectStore<api::core::Secret>;

}  // namespace keelson::agent
