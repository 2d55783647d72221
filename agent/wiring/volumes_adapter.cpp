#include "agent/wiring/volumes_adapter.hpp"

#include "agent/pod_config/qos.hpp"
#include "volume/local.hpp"

namespace keelson::agent {
namespace {

constexpr auto kMountLimit = std::chrono::seconds(123);  // contract 02 §5.1 step 7: 2 min 3 s
constexpr auto kUnmountLimit = std::chrono::seconds(60);

Result<ResolvedVolumes> mount_all(const api::PodPtr& pod, const volume::LocalVolumeOptions& options,
                                  volume::Mounts& mounts) {
  const volume::SetUpResult result = volume::set_up(*pod, options, mounts);
  if (!result.failures.empty()) {
    const volume::VolumeFailure& first = result.failures.front();
    return Error(first.error.kind(), first.event_message(), first.error.code());
  }
  ResolvedVolumes resolved;
  for (const volume::HostVolume& ready : result.volumes) {
    ResolvedVolume& entry = resolved[ready.name];
    entry.host_path = ready.host_path;
    entry.read_only = ready.read_only;
    entry.selinux_relabel = ready.relabel;
  }
  return resolved;
}

base::Task<Result<ResolvedVolumes>> no_volumes() { co_return ResolvedVolumes{}; }

Error still_busy() {
  return Error(ErrorKind::exhausted, "an earlier attempt at this pod's volumes still hangs in the kernel");
}
base::Task<Result<ResolvedVolumes>> mount_still_busy() { co_return still_busy(); }
base::Task<Status> unmount_still_busy() { co_return still_busy(); }

}  // namespace

// Not a coroutine: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<ResolvedVolumes>> VolumesAdapter::mount(api::PodPtr pod) {
  if (pod->spec().volumes().empty()) return no_volumes();
  auto token = in_flight_.enter(pod->metadata().uid());
  if (!token) return mount_still_busy();
  volume::LocalVolumeOptions options;
  options.root = facts_.paths.root;
  options.node_allocatable_memory = facts_.info.memory_bytes;
  const ResourceList limits = effective_limits(*pod);
  if (const auto memory = limits.find("memory"); memory != limits.end())
    options.pod_memory_limit = memory->second.value();
  return pool_.run<ResolvedVolumes>("set up volumes", kMountLimit, [pod, options, token, mounts = mounts_] {
    return mount_all(pod, options, *mounts);
  });
}

base::Task<Status> VolumesAdapter::unmount(std::string uid) {
  auto token = in_flight_.enter(uid);
  if (!token) return unmount_still_busy();
  return pool_.run<void>(
      "tear down volumes of pod " + uid, kUnmountLimit,
      [root = facts_.paths.root, uid, token, mounts = mounts_] { return volume::tear_down(root, uid, *mounts); });
}

}  // namespace keelson::agent
