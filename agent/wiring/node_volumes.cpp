#include "agent/wiring/node_volumes.hpp"

#include "volume/csi/volume_plugin.hpp"
#include "volume/manager/disk_plugins.hpp"
#include "volume/manager/flex_plugin.hpp"

namespace keelson::agent {

namespace {

// Each dead server takes threads; beyond this the volumes of such types wait for one another.
constexpr std::size_t kSlowThreads = 64;
// Measuring has pools of its own: it takes no thread by which volumes are mounted and dead servers pulled off, and no
// dead server keeps the emptyDirs from being measured.
constexpr std::size_t kTreeThreads = 8;
constexpr std::size_t kLookThreads = 16;

}  // namespace

NodeVolumes::NodeVolumes(const Base& base)
    : slow_pool_(base.loop, base.clock, kSlowThreads),
      tree_pool_(base.loop, base.clock, kTreeThreads),
      look_pool_(base.loop, base.clock, kLookThreads),
      gate_(base.loop),
      cluster_(base.cluster),
      mounts_(std::make_shared<volume::LinuxMounts>()),
      measuring_({tree_pool_, look_pool_}, mounts_, base.facts.paths.root) {
  VolumesAdapter::Base own{base.loop,    base.clock,  base.random, base.pool, base.facts,
                           base.objects, base.events, base.log,    mounts_};
  own.waits_for_attach = base.configuration.kubelet.enable_controller_attach_detach;
  own.waits = base.waits;
  own.slow_pool = &slow_pool_;
  own.metrics = &metrics_;
  own.selinux = volume::read_selinux("/etc/selinux", "/sys/fs/selinux");
  own.selinux.all_access_modes = base.configuration.gates.enabled("SELinuxMount");
  own.unmounting = [this](const std::string& uid) { usage_->forget(uid); };
  if (cluster_ != nullptr) {
    claims_ = std::make_unique<ClusterVolumes>(cluster_->client(), base.facts.node_name,
                                               [cluster = cluster_] { return cluster->cached_node(); });
    own.cluster = claims_.get();
    own.in_use_changed = [cluster = cluster_] { cluster->report_soon(); };
  }
  adapter_ = std::make_unique<VolumesAdapter>(std::move(own));
  add_plugins(base);
  add_meter(base);
  if (cluster_ == nullptr) return;
  Cluster::VolumeHooks hooks;
  hooks.in_use = [this] { return manager().in_use(); };
  hooks.node_changed = [this] { manager().node_changed(); };
  hooks.joined = [this] { csi_->start(gate_); };
  hooks.objects_changed = [this](const std::string& uid) { manager().look_again(uid); };
  cluster_->attach_volumes(std::move(hooks));
}

void NodeVolumes::add_plugins(const Base& base) {
  adapter_->add_plugin(std::make_unique<volume::NfsPlugin>(adapter_->work()));
  auto loops = std::make_shared<volume::HostLoopDevices>();
  volume::DiskHost host{base.clock,
                        adapter_->work(),
                        std::make_shared<volume::HostPrograms>(),
                        std::make_shared<const volume::ScsiDevices>(),
                        loops,
                        volume_events(base.events),
                        nullptr,
                        volume_object_events(base.events)};
  if (cluster_ != nullptr) {
    host.secret = [this](std::string ns, std::string name) {
      return csi_->cluster().secret(std::move(ns), std::move(name));
    };
  }
  adapter_->add_plugin(std::make_unique<volume::LocalVolumePlugin>(host));
  adapter_->add_plugin(std::make_unique<volume::IscsiPlugin>(host));
  adapter_->add_plugin(std::make_unique<volume::FcPlugin>(host));
  adapter_->add_plugin(std::make_unique<volume::FlexPlugin>(host, base.configuration.kubelet.volume_plugin_dir));
  if (cluster_ == nullptr) return;
  CsiService::Base csi{base.loop,          base.clock, base.random,           slow_pool_,           cluster_->client(),
                       cluster_->tokens(), mounts_,    base.facts.paths.root, base.facts.node_name, base.log,
                       &metrics_};
  csi_ = std::make_unique<CsiService>(csi);
  csi_->on_driver([this] { manager().look_again_all(); });
  adapter_->add_plugin(std::make_unique<volume::CsiVolumePlugin>(csi_->plugin(), host));
}

void NodeVolumes::add_meter(const Base& base) {
  if (csi_ != nullptr) csi_gauge_ = std::make_unique<volume::CsiGauge>(csi_->plugin(), base.facts.paths.root);
  gauge_ = std::make_unique<volume::NodeGauge>(measuring_, csi_gauge_.get());
  const auto each = [this](const volume::VolumeManager::SeeMounted& see) { adapter_->manager().each_mounted(see); };
  usage_ = std::make_unique<volume::UsageMeter>(
      volume::UsageMeter::Base{base.loop, base.clock, base.random, *gauge_, each,
                               base.configuration.kubelet.volume_stats_agg_period, base.log, &metrics_});
}

void NodeVolumes::start() {
  adapter_->start(gate_);
  usage_->start();
}

base::Task<void> NodeVolumes::stop() {
  co_await usage_->stop();
  co_await adapter_->stop();
  co_await gate_.stop();
}

}  // namespace keelson::agent
