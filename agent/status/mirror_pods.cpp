#include "agent/status/mirror_pods.hpp"

#include <utility>
#include <vector>

#include "agent/status/status_patch.hpp"
#include "agent/sync/containers.hpp"

namespace keelson::agent {

api::Pod mirror_pod(const api::Pod& static_pod, const api::core::Node& node) {
  api::Pod mirror = static_pod;
  mirror.clear_status();
  mirror.mutable_status()->set_phase("Pending");
  auto& metadata = *mirror.mutable_metadata();
  (*metadata.mutable_annotations())["kubernetes.io/config.mirror"] = static_hash(static_pod);
  metadata.clear_ownerreferences();
  auto& owner = *metadata.add_ownerreferences();
  owner.set_apiversion("v1");
  owner.set_kind("Node");
  owner.set_name(node.metadata().name());
  owner.set_uid(node.metadata().uid());
  owner.set_controller(true);
  return mirror;
}

MirrorStep mirror_step(const MirrorView& view) {
  if (view.wanted == nullptr) {
    return view.mirror != nullptr && view.sources_ready ? MirrorStep::remove_orphan : MirrorStep::none;
  }
  if (view.ending) return MirrorStep::none;
  if (view.mirror == nullptr) return view.node_known ? MirrorStep::create : MirrorStep::none;
  const bool stays = !view.mirror->metadata().has_deletiontimestamp();
  const bool same = mirror_hash(*view.mirror) == static_hash(*view.wanted);
  const bool outlived = view.status != nullptr && !contradiction(*view.mirror, *view.wanted, *view.status).empty();
  return stays && same && !outlived ? MirrorStep::none : MirrorStep::replace;
}

struct MirrorPods::Slot {
  explicit Slot(std::string name) : full_name(std::move(name)) {}

  std::string full_name;
  api::PodPtr wanted;
  bool ending = false;
  std::optional<api::core::PodStatus> status;  // of `wanted`
  api::PodPtr next;                            // takes the name when `wanted` has finished
  std::string removed_uid;                     // what we deleted: events about it are old news
  bool busy = false;
  std::uint64_t naps = 0;
  bool napping = false;
  base::Backoff backoff{std::chrono::seconds(1), std::chrono::seconds(60), 2.0, 0.2};
};

MirrorPods::MirrorPods(base::Loop& loop, base::Clock& clock, base::Random& random, PodApi& api, base::Logger log)
    : clock_(clock), random_(random), api_(api), log_(std::move(log)), gate_(loop) {}

MirrorPods::~MirrorPods() = default;

base::Task<void> MirrorPods::stop() { co_await gate_.stop(); }

// --- events ---

void MirrorPods::static_pod_added(const api::PodPtr& pod) {
  const SlotPtr slot = slot_of(full_name(*pod));
  if (slot->wanted != nullptr) {
    if (slot->wanted->metadata().uid() != pod->metadata().uid()) slot->next = pod;
    return;
  }
  slot->wanted = pod;
  slot->ending = true;  // no mirror is made before it runs
}

void MirrorPods::static_pod(const api::PodPtr& pod, const api::core::PodStatus& status) {
  const SlotPtr slot = slot_of(full_name(*pod));
  // Another manifest may well succeed where the last one did not.
  if (slot->wanted == nullptr || slot->wanted->metadata().uid() != pod->metadata().uid()) slot->backoff.reset();
  slot->wanted = pod;
  slot->status = status;
  slot->ending = false;
  if (slot->next != nullptr && slot->next->metadata().uid() == pod->metadata().uid()) slot->next = nullptr;
  wake(slot);
}

void MirrorPods::static_pod_ended(const api::PodPtr& pod, const api::core::PodStatus& status) {
  if (const SlotPtr slot = slot_of_static(pod->metadata().uid())) slot->status = status;
}

void MirrorPods::static_pod_removed(const std::string& uid) {
  if (const SlotPtr slot = slot_of_static(uid)) slot->ending = true;
  for (const auto& [name, slot] : slots_) {
    if (slot->next != nullptr && slot->next->metadata().uid() == uid) slot->next = nullptr;
  }
}

void MirrorPods::static_pod_finished(const std::string& uid) {
  const SlotPtr slot = slot_of_static(uid);
  if (slot == nullptr) return;
  slot->wanted = std::exchange(slot->next, nullptr);
  slot->ending = slot->wanted != nullptr;
  slot->status.reset();
  wake(slot);
}

void MirrorPods::sources_ready() {
  sources_ready_ = true;
  wake_all();
}

void MirrorPods::on_api_pod(const api::PodPtr& pod) {
  if (!is_mirror(*pod)) return;
  const SlotPtr slot = slot_of(full_name(*pod));
  if (slot->removed_uid == pod->metadata().uid()) return;
  if (copies_.learn(pod)) wake(slot);
}

void MirrorPods::on_api_pod_removed(const std::string& uid) {
  for (const auto& [name, slot] : slots_) {
    if (slot->removed_uid != uid) continue;
    slot->removed_uid.clear();
    // Its name is free now, which is what the next try waited for.
    if (std::exchange(slot->napping, false)) ++slot->naps;
    wake(SlotPtr(slot));
    return;
  }
  const api::PodPtr mirror = copies_.find(uid);
  if (mirror == nullptr) return;
  copies_.forget(uid);
  wake(slot_of(full_name(*mirror)));
}

void MirrorPods::pods_synced() {
  synced_ = true;
  wake_all();
}

void MirrorPods::on_node(NodePtr node) {
  node_ = std::move(node);
  wake_all();
}

void MirrorPods::api_is_back() {
  for (const auto& [name, slot] : slots_) {
    if (std::exchange(slot->napping, false)) ++slot->naps;
  }
  wake_all();
}

// --- decisions ---

MirrorPods::SlotPtr MirrorPods::slot_of(const std::string& full_name) {
  SlotPtr& slot = slots_[full_name];
  if (slot == nullptr) slot = std::make_shared<Slot>(full_name);
  return slot;
}

MirrorPods::SlotPtr MirrorPods::slot_of_static(const std::string& uid) {
  for (const auto& [name, slot] : slots_) {
    if (slot->wanted != nullptr && slot->wanted->metadata().uid() == uid) return slot;
  }
  return nullptr;
}

MirrorView MirrorPods::view(const Slot& slot) const {
  const bool node_known =
      node_ != nullptr && !node_->metadata().uid().empty() && !node_->metadata().has_deletiontimestamp();
  const api::core::PodStatus* status = slot.status ? &*slot.status : nullptr;
  return {slot.wanted, slot.ending, copies_.mirror_named(slot.full_name), node_known, sources_ready_, status};
}

void MirrorPods::wake(const SlotPtr& slot) {
  if (!synced_ || slot->busy || slot->napping) return;
  if (mirror_step(view(*slot)) == MirrorStep::none) {
    settle(slot);
    return;
  }
  slot->busy = true;
  base::spawn(gate_, "mirror " + slot->full_name, run(slot));
}

void MirrorPods::wake_all() {
  std::vector<SlotPtr> all;
  for (const auto& [name, slot] : slots_) all.push_back(slot);
  for (const SlotPtr& slot : all) wake(slot);
}

// All is as it should be; a name that nobody uses any more goes.
void MirrorPods::settle(const SlotPtr& slot) {
  slot->backoff.reset();
  const bool used = slot->wanted != nullptr || copies_.mirror_named(slot->full_name) != nullptr;
  // Until the informer has seen it go, what was removed must stay known as such.
  if (!used && slot->removed_uid.empty()) slots_.erase(slot->full_name);
}

// --- requests ---

base::Task<void> MirrorPods::run(SlotPtr slot) {
  while (true) {
    const MirrorStep step = mirror_step(view(*slot));
    if (step == MirrorStep::none) break;
    const Status status = co_await act(slot, step);
    if (status.ok()) continue;
    log_.warning("Failed to keep a mirror pod, will try again", {{"pod", slot->full_name}, {"err", status.error()}});
    slot->busy = false;
    slot->napping = true;
    base::spawn(gate_, "mirror nap " + slot->full_name, run_after(slot, ++slot->naps, slot->backoff.next(random_)));
    co_return;
  }
  slot->busy = false;
  settle(slot);
}

base::Task<void> MirrorPods::run_after(SlotPtr slot, std::uint64_t nap, base::Duration delay) {
  co_await clock_.sleep_for(delay);
  if (slot->naps != nap) co_return;
  slot->napping = false;
  wake(slot);
}

base::Task<Status> MirrorPods::act(SlotPtr slot, MirrorStep step) {
  if (step == MirrorStep::create) {
    Status status = co_await create(slot);
    co_return status;
  }
  Status status = co_await remove(slot, step == MirrorStep::replace);
  co_return status;
}

base::Task<Status> MirrorPods::create(SlotPtr slot) {
  api::Pod body = mirror_pod(*slot->wanted, *node_);
  const std::string ns = body.metadata().namespace_();
  const std::string name = body.metadata().name();
  auto answer = co_await api_.create(std::move(body));
  const bool there = !answer.ok() && answer.error().kind() == ErrorKind::already_exists;
  if (there) {
    // The same manifest is success, as the next look will tell; another one is replaced.
    auto seen = co_await api_.get(ns, name);
    answer = std::move(seen);
  }
  if (!answer.ok()) co_return std::move(answer).error().wrap("while creating it");
  if (!is_mirror(*answer)) co_return Error(ErrorKind::already_exists, "a pod of that name is no mirror");
  const bool gone = answer->metadata().uid() == slot->removed_uid;
  if (gone) co_return Error(ErrorKind::already_exists, "the one before it is still being deleted");
  auto mirror = std::make_shared<const api::Pod>(std::move(*answer));
  copies_.learn(std::move(mirror));
  if (!there) log_.info("Created a mirror pod", {{"pod", slot->full_name}});
  co_return Status();
}

base::Task<Status> MirrorPods::remove(SlotPtr slot, bool only_this) {
  const api::PodPtr mirror = copies_.mirror_named(slot->full_name);
  const std::string uid = mirror->metadata().uid();
  std::string ns = mirror->metadata().namespace_();
  std::string name = mirror->metadata().name();
  std::string precondition = only_this ? uid : "";
  const Status status = co_await api_.remove(ns, name, std::move(precondition));
  bool gone = status.ok() || status.error().kind() == ErrorKind::not_found;
  if (!gone && status.error().kind() == ErrorKind::conflict) {
    // Another one by now, or a conflict of writers: only a look tells.
    auto seen = co_await api_.get(ns, name);
    gone = seen.ok() ? seen->metadata().uid() != uid : seen.error().kind() == ErrorKind::not_found;
  }
  if (!gone) co_return Error(status.error()).wrap("while deleting it");
  slot->removed_uid = uid;
  slot->status.reset();  // whatever the next one shows, it is judged by what is told after this
  copies_.forget(uid);
  log_.info("Deleted a mirror pod", {{"pod", slot->full_name}, {"uid", uid}});
  co_return Status();
}

}  // namespace keelson::agent
