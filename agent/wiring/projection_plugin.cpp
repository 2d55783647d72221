#include "agent/wiring/projection_plugin.hpp"

#include <algorithm>
#include <array>

#include "volume/projection.hpp"

namespace keelson::agent {
namespace {

constexpr auto kLimit = std::chrono::minutes(2);

std::size_t hash_of(const volume::Payload& payload) {
  const auto mix = [](std::size_t seed, std::size_t more) { return seed * 1'000'003 ^ more; };
  std::size_t hash = payload.size();
  for (const auto& [path, file] : payload) {
    hash = mix(hash, std::hash<std::string>()(path));
    hash = mix(hash, std::hash<std::string>()(file.content));
    hash = mix(hash, file.mode);
    hash = mix(hash, file.owner ? static_cast<std::size_t>(*file.owner) + 1 : 0);
  }
  return hash;
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<volume::HostVolume>> write(volume::DiskWork& work, const std::string& uid,
                                             volume::Projection projection, volume::LocalVolumeOptions options) {
  const std::string name = projection.name;
  auto shared = std::make_shared<const volume::Projection>(std::move(projection));
  return work.on_own_volume<volume::HostVolume>("write volume " + name + " of pod " + uid, uid, name, kLimit,
                                                [uid, shared, options = std::move(options)](volume::Mounts& mounts) {
                                                  return volume::set_up_projection(uid, *shared, options, mounts);
                                                });
}

}  // namespace

bool ProjectionPlugin::is_called(const std::string& plugin) const {
  constexpr std::array kNames{volume::config_map_plugin, volume::secret_plugin, volume::downward_api_plugin,
                              volume::projected_plugin};
  return std::find(kNames.begin(), kNames.end(), plugin) != kNames.end();
}

bool ProjectionPlugin::serves(const volume::VolumeSpec& spec) const {
  return spec.pv == nullptr && payload_kind(spec.volume().volumesource()).has_value();
}

base::Task<volume::VolumeResult<volume::VolumeManner>> ProjectionPlugin::manner(volume::VolumeSpec spec) {
  volume::VolumeManner manner = swept();
  manner.repeats = true;
  if (const auto kind = payload_kind(spec.volume().volumesource())) manner.label = kind->plugin;
  co_return manner;
}

base::Task<volume::VolumeResult<volume::MountedVolume>> ProjectionPlugin::set_up(volume::MountOrder order) {
  const api::PodPtr pod = order.spec.pod;
  const std::string uid = pod->metadata().uid();
  const std::string name = order.spec.name;
  const auto& source = order.spec.volume().volumesource();
  const auto kind = payload_kind(source);
  if (!kind) co_return volume::final_error(Error(ErrorKind::internal, "not a volume of files"));
  const PayloadObjects objects = co_await fetch(order.spec, payload_needs(source));
  auto payload = make_payload(*pod, source, objects, facts_.info.allocatable);
  if (!payload.ok()) co_return volume::final_error(std::move(payload).error());
  const std::size_t hash = hash_of(*payload);
  if (order.mounted) {
    const Written& known = written_[uid][name];
    if (!known.shown.path.empty() && known.payload == hash) co_return known.shown;
  }
  volume::Projection projection;
  projection.plugin = kind->plugin;
  projection.name = name;
  projection.payload = std::move(*payload);
  projection.in_memory = kind->in_memory;
  projection.fs_group = volume::fs_group_of(*pod);
  projection.nested = volume::nested_mount_points(pod->spec(), order.spec.outer);
  volume::LocalVolumeOptions options = options_(*pod);
  auto ready = co_await write(work_, uid, std::move(projection), std::move(options));
  if (!ready.ok()) {
    written_[uid].erase(name);
    const bool late = ready.error().kind() == ErrorKind::deadline_exceeded;
    co_return late ? volume::uncertain_error(std::move(ready).error()) : volume::final_error(std::move(ready).error());
  }
  Written now;
  now.payload = hash;
  now.shown.path = ready->host_path;
  now.shown.read_only = true;
  now.shown.relabel = true;
  written_[uid][name] = now;
  now.shown.grouped = volume::fs_group_of(*pod).has_value();
  co_return now.shown;
}

// The sweep takes it off.
base::Task<volume::VolumeStatus> ProjectionPlugin::tear_down(volume::TearDownOrder order) {
  forget(order.uid);
  co_return volume::VolumeStatus();
}

base::Task<PayloadObjects> ProjectionPlugin::fetch(volume::VolumeSpec spec, PayloadNeeds needs) {
  PayloadObjects out;
  const api::PodPtr pod = spec.pod;
  for (auto name = needs.config_maps.begin(); name != needs.config_maps.end(); ++name) {
    auto object = co_await objects_.config_map(pod, *name);
    out.config_maps.emplace(*name, std::move(object));
  }
  for (auto name = needs.secrets.begin(); name != needs.secrets.end(); ++name) {
    auto object = co_await objects_.secret(pod, *name);
    out.secrets.emplace(*name, std::move(object));
  }
  for (auto need = needs.tokens.begin(); need != needs.tokens.end(); ++need) {
    auto token = co_await objects_.token(pod, need->audience, need->expiration_seconds);
    out.tokens.emplace(*need, std::move(token));
  }
  const auto& sources = spec.volume().volumesource().projected().sources();
  for (std::size_t i = 0; i < needs.trust_bundles.size(); ++i) {
    const int number = needs.trust_bundles[i];
    auto anchors = co_await objects_.trust_anchors(pod, sources.Get(number).clustertrustbundle());
    out.trust_anchors.emplace(number, std::move(anchors));
  }
  for (const int number : needs.certificates) {
    out.credentials.emplace(number, objects_.credential(*pod, spec.outer, number));
  }
  co_return out;
}

}  // namespace keelson::agent
