// ManagerTest: a volume manager over a plugin, a disk and a cluster that are scripted, on virtual time.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/tests/tasks.hpp"
#include "volume/manager/manager.hpp"

namespace keelson::volume {

// Does what it is told; `story` has each call. Serves every source but hostPath.
class FakePlugin final : public VolumePlugin {
 public:
  FakePlugin(base::Loop& loop, std::vector<std::string>& story) : story_(story), go_(loop) {}

  std::string name() const override { return "test/disk"; }
  bool serves(const VolumeSpec& spec) const override { return !spec.volume().volumesource().has_hostpath(); }
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec spec) override {
    if (manner_fails) co_return *manner_fails;
    VolumeManner out = manner_;
    if (!out.device.empty()) out.device += "/" + spec.name;
    co_return out;
  }
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume found) override {
    if (found.name == "unknown") co_return Error(ErrorKind::invalid, "no vol_data.json");
    FoundManner out;
    out.manner = manner_;
    if (!out.manner.device.empty()) out.manner.device += "/" + found.name;
    out.place = found.global_dir;
    co_return out;
  }
  base::Task<Result<std::vector<DeviceOrder>>> found_devices() override { co_return on_node; }

  base::Task<VolumeStatus> check_attached(MountOrder order) override { return visit("check " + order.spec.name); }
  base::Task<VolumeResult<std::string>> mount_device(MountOrder order) override {
    auto done = co_await visit("stage " + order.spec.name);
    if (!done.ok()) co_return std::move(done).error();
    co_return "/global/" + order.spec.name;
  }
  base::Task<VolumeStatus> unmount_device(DeviceOrder order) override {
    places.push_back(order.place);
    return visit("unstage " + order.name);
  }
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override {
    note(order);
    const std::string uid = order.spec.pod->metadata().uid();
    auto done = co_await visit("mount " + order.spec.name + " for " + uid);
    if (!done.ok()) co_return std::move(done).error();
    MountedVolume out;
    out.path = "/pods/" + uid + "/" + order.spec.name;
    out.grouped = grouped;
    co_return out;
  }
  base::Task<VolumeStatus> tear_down(TearDownOrder order) override {
    return visit("unmount " + order.name + " for " + order.uid);
  }

  base::Task<ExpandResult> expand(ExpandOrder order) override {
    paths.push_back(order.path);
    const std::string call = "expand " + order.spec.name + " to " + std::to_string(order.size);
    auto done = co_await visit(call);
    ExpandResult out;
    if (done.ok()) co_return out;
    out.outcome = expands;
    out.error = done.error().error;
    co_return out;
  }
  base::Task<bool> is_node_full(MountOrder order) override {
    story_.push_back("is the node full for " + order.spec.name);
    co_return node_full;
  }

  // The next call of that name (as in the story) fails; several: one after another.
  void fail(const std::string& call, VolumeError error) { fails_[call].push_back(std::move(error)); }
  // Until release() the call does not come back.
  void hang(const std::string& call) { hanging_.insert(call); }
  void release() {
    hanging_.clear();
    go_.notify();
  }

  VolumeManner manner_;
  std::optional<VolumeError> manner_fails;
  std::vector<DeviceOrder> on_node;
  std::vector<MountOrder> orders;
  std::vector<std::string> places;
  std::vector<std::string> paths;                                 // of expansions
  ExpandResult::Outcome expands = ExpandResult::Outcome::failed;  // how those end that fail
  bool node_full = false;
  bool grouped = false;
  int cancelled = 0;

 private:
  // Not in the coroutine: GCC 12 frees a closure twice that is made inside one.
  void note(const MountOrder& order) {
    orders.push_back(order);
    order.progress->cancel = [this] { ++cancelled; };
  }
  base::Task<VolumeStatus> visit(std::string call) {
    story_.push_back(call);
    while (hanging_.count(call) > 0) co_await go_.wait();
    auto planned = fails_.find(call);
    if (planned == fails_.end() || planned->second.empty()) co_return VolumeStatus();
    VolumeError error = std::move(planned->second.front());
    planned->second.pop_front();
    co_return error;
  }

  std::vector<std::string>& story_;
  std::map<std::string, std::deque<VolumeError>> fails_;
  std::set<std::string> hanging_;
  base::Notification go_;
};

class FakeVolumeDisk final : public VolumeDisk {
 public:
  explicit FakeVolumeDisk(std::vector<std::string>& story) : story_(story) {}
  base::Task<Result<FoundVolumes>> find() override {
    if (find_fails > 0)
      co_return Error(ErrorKind::unavailable, "no mount table (" + std::to_string(find_fails--) + ")");
    co_return found;
  }
  int find_fails = 0;  // so often
  base::Task<Status> clear_sub_paths(std::string uid) override {
    story_.push_back("clear " + uid);
    co_return clear_fails;
  }
  base::Task<Status> sweep(std::string uid) override {
    story_.push_back("sweep " + uid);
    co_return sweep_fails;
  }
  FoundVolumes found;
  Status clear_fails;
  Status sweep_fails;

 private:
  std::vector<std::string>& story_;
};

class FakeVolumeCluster final : public VolumeCluster {
 public:
  base::Task<Result<VolumeSpec::ClaimPtr>> claim(std::string ns, std::string name) override {
    ++reads;
    if (const auto held = holds.find(name); held != holds.end()) co_await held->second->wait();
    const auto found = claims.find(ns + "/" + name);
    if (found == claims.end())
      co_return Error(ErrorKind::not_found, "persistentvolumeclaims \"" + name + "\" not found");
    co_return std::make_shared<const api::core::PersistentVolumeClaim>(found->second);
  }
  base::Task<Result<VolumeSpec::PvPtr>> persistent_volume(std::string name) override {
    const auto found = volumes.find(name);
    if (found == volumes.end()) co_return Error(ErrorKind::not_found, "persistentvolumes \"" + name + "\" not found");
    co_return std::make_shared<const api::core::PersistentVolume>(found->second);
  }
  base::Task<Result<VolumeSpec::ClaimPtr>> patch_claim_status(VolumeSpec::ClaimPtr now,
                                                              api::core::PersistentVolumeClaim wanted,
                                                              bool only_unchanged) override {
    if (!patch_fails.ok()) co_return patch_fails.error();
    auto& kept = claims[now->metadata().namespace_() + "/" + now->metadata().name()];
    if (only_unchanged && kept.metadata().resourceversion() != now->metadata().resourceversion()) {
      co_return Error(ErrorKind::conflict, "the claim has been modified");
    }
    *kept.mutable_status() = wanted.status();
    kept.mutable_metadata()->set_resourceversion(kept.metadata().resourceversion() + "1");
    const auto& statuses = kept.status().allocatedresourcestatuses();
    const auto status = statuses.find("storage");
    patches.push_back(kept.status().capacity().at("storage").string() +
                      (status == statuses.end() ? "" : " " + status->second));
    co_return std::make_shared<const api::core::PersistentVolumeClaim>(kept);
  }
  // The volume has grown, and it is this node's turn.
  void grow(const std::string& name, const std::string& from, const std::string& to,
            const std::string& status = "NodeResizePending") {
    auto& claim = claims.at("ns/" + name);
    (*volumes.at("pv-" + name).mutable_spec()->mutable_capacity())["storage"].set_string(to);
    (*claim.mutable_spec()->mutable_resources()->mutable_requests())["storage"].set_string(to);
    (*claim.mutable_status()->mutable_capacity())["storage"].set_string(from);
    if (status.empty()) return;
    (*claim.mutable_status()->mutable_allocatedresources())["storage"].set_string(to);
    (*claim.mutable_status()->mutable_allocatedresourcestatuses())["storage"] = status;
  }
  base::Task<Result<NodePtr>> read_node() override {
    if (!node_fails.ok()) co_return node_fails.error();
    co_return std::make_shared<const api::core::Node>(live);
  }
  NodePtr node() const override { return std::make_shared<const api::core::Node>(cached); }

  // A claim `name` in "ns", bound to the volume "pv-NAME".
  api::core::PersistentVolume& bind(const std::string& name, const std::string& access = "ReadWriteOnce") {
    auto& claim = claims["ns/" + name];
    claim.mutable_metadata()->set_name(name);
    claim.mutable_metadata()->set_namespace_("ns");
    claim.mutable_metadata()->set_uid("uid-of-" + name);
    claim.mutable_spec()->set_volumename("pv-" + name);
    claim.mutable_status()->set_phase("Bound");
    auto& pv = volumes["pv-" + name];
    pv.mutable_metadata()->set_name("pv-" + name);
    pv.mutable_spec()->mutable_claimref()->set_uid("uid-of-" + name);
    pv.mutable_spec()->set_volumemode("Filesystem");
    pv.mutable_spec()->add_accessmodes(access);
    return pv;
  }
  void attach(api::core::Node& node, const std::string& name, const std::string& path = "") {
    auto& volume = *node.mutable_status()->add_volumesattached();
    volume.set_name(name);
    volume.set_devicepath(path);
  }

  std::map<std::string, api::core::PersistentVolumeClaim> claims;  // by "ns/name"
  std::map<std::string, api::core::PersistentVolume> volumes;
  api::core::Node cached;
  api::core::Node live;
  Status node_fails;
  Status patch_fails;
  std::vector<std::string> patches;                  // of claims: "CAPACITY[ STATUS]"
  std::map<std::string, base::Notification*> holds;  // by claim: its answer waits for that
  int reads = 0;
};

// A pod of namespace "ns" whose one container mounts all its volumes.
inline std::shared_ptr<api::Pod> make_pod(const std::string& uid) {
  auto pod = std::make_shared<api::Pod>();
  pod->mutable_metadata()->set_name("pod-" + uid);
  pod->mutable_metadata()->set_namespace_("ns");
  pod->mutable_metadata()->set_uid(uid);
  pod->mutable_spec()->add_containers()->set_name("main");
  return pod;
}
inline api::core::VolumeSource& add_volume(api::Pod& pod, const std::string& name, bool device = false) {
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  if (device) {
    container.add_volumedevices()->set_name(name);
  } else {
    container.add_volumemounts()->set_name(name);
  }
  auto& volume = *pod.mutable_spec()->add_volumes();
  volume.set_name(name);
  return *volume.mutable_volumesource();
}
inline std::shared_ptr<api::Pod> pod_with_claim(const std::string& uid, const std::string& claim) {
  auto pod = make_pod(uid);
  add_volume(*pod, "data").mutable_persistentvolumeclaim()->set_claimname(claim);
  return pod;
}

class ManagerTest : public ::testing::Test {
 protected:
  using Mounted = Result<std::map<std::string, MountedVolume>>;

  void SetUp() override { begin(); }
  ~ManagerTest() override {
    KEELSON_CHECK(base::testing::stop_now(loop_, gate_));
    end();
  }

  // As after a (re)start of the agent, with what is on the disk.
  void begin() {
    VolumeManager::Hooks hooks;
    hooks.event = [this](const api::Pod& pod, bool, std::string reason, std::string message) {
      events_.push_back(pod.metadata().uid() + " " + reason + ": " + message);
    };
    hooks.object_event = [this](const api::Pod&, api::core::ObjectReference object, bool, std::string reason,
                                std::string message) {
      events_.push_back(object.kind() + " " + object.name() + " " + reason + ": " + message);
    };
    hooks.waits = [this](const std::string& uid, std::string text) { waits_[uid] = std::move(text); };
    hooks.in_use_changed = [this] { in_use_.push_back(manager_->in_use()); };
    ClaimSources claims;
    claims.cluster = &cluster_;
    auto plugin = std::make_unique<FakePlugin>(loop_, story_);
    plugin->manner_ = manner_;
    plugin->on_node = on_node_;
    plugin_ = plugin.get();
    manager_.emplace(VolumeManager::Base{loop_, clock_, random_, disk_, std::move(claims), true, std::move(hooks), log_,
                                         selinux_, &metrics_});
    manager_->add_plugin(std::move(plugin));
    if (!restores_) return;
    base::spawn(gate_, "restore", manager_->restore());
    settle();
    manager_->pods_known();
  }
  void end() {
    base::Gate ending(loop_);
    base::spawn(ending, "stop", manager_->stop());
    KEELSON_CHECK(base::testing::pump_until(loop_, [&] { return ending.tasks() == 0; }));
    KEELSON_CHECK(base::testing::stop_now(loop_, ending));
    manager_.reset();
  }
  void settle() { clock_.advance(std::chrono::milliseconds(1)); }

  // The answer once it is there.
  std::shared_ptr<std::optional<Mounted>> mount(const api::PodPtr& pod) {
    auto place = std::make_shared<std::optional<Mounted>>();
    base::spawn(gate_, "mount", base::internal::keep_result<Mounted>(manager_->mount(pod), place));
    settle();
    return place;
  }
  std::shared_ptr<std::optional<Status>> unmount(const std::string& uid) {
    auto place = std::make_shared<std::optional<Status>>();
    base::spawn(gate_, "unmount", base::internal::keep_result<Status>(manager_->unmount(uid), place));
    settle();
    return place;
  }
  std::vector<std::string> told() { return std::exchange(story_, {}); }
  static VolumeError error(VolumeError::Outcome outcome, const std::string& text) {
    return {Error(ErrorKind::unavailable, text), outcome};
  }

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::Random random_{1};
  base::Gate gate_{loop_};
  std::vector<std::string> story_;
  FakeVolumeDisk disk_{story_};
  FakeVolumeCluster cluster_;
  std::vector<std::string> events_;
  std::map<std::string, std::string> waits_;
  std::vector<std::optional<std::vector<std::string>>> in_use_;
  std::vector<std::string> lines_;
  base::Logger log_{std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                                    [this](std::string_view line) { lines_.emplace_back(line); })};
  std::optional<VolumeManager> manager_;
  FakePlugin* plugin_ = nullptr;
  VolumeMetrics metrics_;
  // Of the next begin().
  SELinuxHost selinux_;
  VolumeManner manner_;
  std::vector<DeviceOrder> on_node_;
  bool restores_ = true;
};

}  // namespace keelson::volume
