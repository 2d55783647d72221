#include "agent/wiring/volumes_adapter.hpp"

#include "agent/pod_config/qos.hpp"
#include "volume/local.hpp"

namespace keelson::agent {
namespace {

constexpr auto kMountLimit = std::chrono::seconds(123);  // contract 02 §5.1 step 7: 2 min 3 s
constexpr auto kSubPathLimit = std::chrono::seconds(30);
constexpr auto kUnmountLimit = std::chrono::seconds(60);

Error failure_of(const volume::VolumeFailure& failure) {
  return Error(failure.error.kind(), failure.event_message(), failure.error.code());
}

void resolve(const volume::HostVolume& ready, ResolvedVolumes& out) {
  ResolvedVolume& entry = out[ready.name];
  entry.host_path = ready.host_path;
  entry.read_only = ready.read_only;
  entry.selinux_relabel = ready.relabel;
}

Result<ResolvedVolumes> mount_all(const api::PodPtr& pod, const std::vector<volume::Projection>& projections,
                                  const volume::LocalVolumeOptions& options, volume::Mounts& mounts) {
  const volume::SetUpResult result = volume::set_up(*pod, options, mounts);
  std::optional<Error> first;
  if (!result.failures.empty()) first = failure_of(result.failures.front());
  ResolvedVolumes resolved;
  for (const volume::HostVolume& ready : result.volumes) resolve(ready, resolved);
  for (const volume::Projection& projection : projections) {
    auto ready = volume::set_up_projection(pod->metadata().uid(), projection, options, mounts);
    if (ready.ok()) {
      resolve(*ready, resolved);
    } else if (!first) {
      first = failure_of({projection.name, ready.error()});
    }
  }
  if (first) return *first;
  return resolved;
}

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

Error still_busy() {
  return Error(ErrorKind::exhausted, "an earlier attempt at this pod's volumes still hangs in the kernel");
}
base::Task<Result<ResolvedVolumes>> mount_still_busy() { co_return still_busy(); }
base::Task<Status> unmount_still_busy() { co_return still_busy(); }
base::Task<Result<std::optional<volume::SubPathFailure>>> sub_path_still_busy() { co_return still_busy(); }

}  // namespace

base::Task<Result<ResolvedVolumes>> VolumesAdapter::mount(api::PodPtr pod) {
  if (pod->spec().volumes().empty()) co_return ResolvedVolumes{};
  Wanted wanted = co_await projections_of(pod);
  std::vector<std::pair<std::string, std::size_t>> hashes;
  for (const auto& projection : wanted.projections) hashes.emplace_back(projection.name, hash_of(projection.payload));
  // One volume that cannot be mounted keeps the pod waiting, but not its other volumes.
  auto mounted = co_await set_up(pod, std::move(wanted.projections));
  if (!mounted.ok()) co_return mounted;
  auto& written = written_[pod->metadata().uid()];
  for (const auto& [name, hash] : hashes) written[name] = {hash, (*mounted)[name].host_path};
  if (wanted.failure) co_return *wanted.failure;
  for (const auto& [name, known] : written) {
    ResolvedVolume& entry = (*mounted)[name];
    entry.host_path = known.host_path;
    entry.read_only = true;
    entry.selinux_relabel = true;
  }
  co_return mounted;
}

base::Task<VolumesAdapter::Wanted> VolumesAdapter::projections_of(api::PodPtr pod) {
  Wanted out;
  const std::string uid = pod->metadata().uid();
  const auto& volumes = pod->spec().volumes();
  for (int i = 0; i < volumes.size(); ++i) {
    const auto& wanted = volumes[i];
    const auto kind = payload_kind(wanted.volumesource());
    if (!kind || !volume::is_used(pod->spec(), wanted.name())) continue;
    const PayloadObjects objects = co_await fetch(pod, payload_needs(wanted.volumesource()));
    auto payload = make_payload(*pod, wanted.volumesource(), objects, facts_.info.allocatable);
    const auto known = written_[uid].find(wanted.name());
    const bool mounted = known != written_[uid].end();
    if (!payload.ok()) {
      const Error failure = failure_of({wanted.name(), payload.error()});
      if (mounted) {
        // What is there serves on: a missing object must not keep containers from being restarted.
        events_.record(*pod, {true, "FailedMount", failure.to_string(), ""});
      } else if (!out.failure) {
        out.failure = failure;
      }
      continue;
    }
    if (mounted && known->second.payload == hash_of(*payload)) continue;
    volume::Projection projection;
    projection.plugin = kind->plugin;
    projection.name = wanted.name();
    projection.payload = std::move(*payload);
    projection.in_memory = kind->in_memory;
    if (pod->spec().securitycontext().has_fsgroup()) projection.fs_group = pod->spec().securitycontext().fsgroup();
    out.projections.push_back(std::move(projection));
  }
  co_return out;
}

base::Task<PayloadObjects> VolumesAdapter::fetch(api::PodPtr pod, PayloadNeeds needs) {
  PayloadObjects out;
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
  co_return out;
}

// Not a coroutine: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<ResolvedVolumes>> VolumesAdapter::set_up(api::PodPtr pod, Projections projections) {
  auto token = in_flight_.enter(pod->metadata().uid());
  if (!token) return mount_still_busy();
  volume::LocalVolumeOptions options;
  options.root = facts_.paths.root;
  options.node_allocatable_memory = facts_.info.memory_bytes;
  const auto allocatable = facts_.info.allocatable.find("memory");
  if (allocatable != facts_.info.allocatable.end()) options.node_allocatable_memory = allocatable->second.value();
  const ResourceList limits = effective_limits(*pod);
  if (const auto memory = limits.find("memory"); memory != limits.end())
    options.pod_memory_limit = memory->second.value();
  auto shared = std::make_shared<Projections>(std::move(projections));
  return pool_.run<ResolvedVolumes>("set up volumes", kMountLimit, [pod, shared, options, token, mounts = mounts_] {
    return mount_all(pod, *shared, options, *mounts);
  });
}

base::Task<Status> VolumesAdapter::prepare_sub_path(api::PodPtr pod, SubPathRequest request) {
  volume::SubPath wanted;
  wanted.volume_path = request.volume_path;
  wanted.path = request.sub_path;
  wanted.target = request.target;
  wanted.volume = request.volume;
  wanted.container = request.container;
  auto done = co_await bind_sub_path(pod->metadata().uid(), std::move(wanted));
  if (!done.ok()) co_return done.error();
  if (!*done) co_return Status();
  // The reason may tell of the host, so only people on the node are shown it.
  log_.error("A sub-path cannot be mounted", {{"uid", pod->metadata().uid()}, {"err", (*done)->reason}});
  co_return Error(ErrorKind::invalid, (*done)->shown);
}

base::Task<Result<VolumesAdapter::SubPathOutcome>> VolumesAdapter::bind_sub_path(std::string uid,
                                                                                 volume::SubPath wanted) {
  auto token = in_flight_.enter(uid);
  if (!token) return sub_path_still_busy();
  return pool_.run<SubPathOutcome>("bind sub-path", kSubPathLimit, [wanted, token, mounts = mounts_] {
    return Result<SubPathOutcome>(volume::prepare_sub_path(wanted, *mounts));
  });
}

base::Task<Status> VolumesAdapter::unmount(std::string uid) {
  written_.erase(uid);
  auto token = in_flight_.enter(uid);
  if (!token) return unmount_still_busy();
  return pool_.run<void>(
      "tear down volumes of pod " + uid, kUnmountLimit,
      [root = facts_.paths.root, uid, token, mounts = mounts_] { return volume::tear_down(root, uid, *mounts); });
}

}  // namespace keelson::agent
