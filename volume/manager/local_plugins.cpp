#include "volume/manager/local_plugins.hpp"

#include "volume/local.hpp"

namespace keelson::volume {
namespace {

constexpr auto kLimit = std::chrono::minutes(2);
constexpr auto kHostPathLimit = std::chrono::seconds(30);

MountedVolume mounted_volume(const HostVolume& ready) {
  MountedVolume out;
  out.path = ready.host_path;
  out.read_only = ready.read_only;
  out.relabel = ready.relabel;
  return out;
}

// A call that did not come back may still take effect; the sweep sees to that.
VolumeResult<MountedVolume> outcome_of(Result<HostVolume> ready) {
  if (ready.ok()) return mounted_volume(*ready);
  const bool late = ready.error().kind() == ErrorKind::deadline_exceeded;
  return late ? uncertain_error(std::move(ready).error()) : final_error(std::move(ready).error());
}

bool is_empty_source(const api::core::VolumeSource& source) { return source_type(source) == "emptyDir"; }

// Not a coroutine: closures are made outside of those.
base::Task<Result<HostVolume>> set_up_empty_dir(DiskWork& work, const MountOrder& order, LocalVolumeOptions options) {
  const VolumeSpec& spec = order.spec;
  const std::string& uid = spec.pod->metadata().uid();
  return work.on_own_volume<HostVolume>("set up emptyDir " + spec.name + " of pod " + uid, uid, spec.name, kLimit,
                                        [spec, options = std::move(options)](Mounts& mounts) {
                                          return set_up_volume(*spec.pod, spec.volume(), options, mounts);
                                        });
}

const api::core::HostPathVolumeSource& host_path_of(const VolumeSpec& spec) {
  return spec.pv == nullptr ? spec.volume().volumesource().hostpath()
                            : spec.pv->spec().persistentvolumesource().hostpath();
}

Result<HostVolume> set_up_host_path(const VolumeSpec& spec) {
  const auto& source = host_path_of(spec);
  if (Status there = check_host_path(source.path(), source.type()); !there.ok()) return std::move(there).error();
  HostVolume out;
  out.name = spec.name;
  out.host_path = source.path();
  out.read_only = spec.read_only;
  out.relabel = false;
  return out;
}

base::Task<Result<HostVolume>> set_up_host_path(DiskWork& work, const VolumeSpec& spec) {
  // It touches nothing of the pod's: a path that hangs keeps nothing of the pod from being taken off.
  const std::string key = "hostPath " + spec.name + " of pod " + spec.pod->metadata().uid();
  return work.on_device<HostVolume>("check " + key, key, kHostPathLimit,
                                    [spec](Mounts&) { return set_up_host_path(spec); });
}

}  // namespace

VolumeManner SweptPlugin::swept() {
  VolumeManner manner;
  manner.swept = true;
  return manner;
}

bool EmptyDirPlugin::serves(const VolumeSpec& spec) const {
  return spec.pv == nullptr && is_empty_source(spec.volume().volumesource());
}

base::Task<VolumeResult<MountedVolume>> EmptyDirPlugin::set_up(MountOrder order) {
  LocalVolumeOptions options = options_(*order.spec.pod);
  auto ready = co_await set_up_empty_dir(work_, order, std::move(options));
  auto done = outcome_of(std::move(ready));
  if (done.ok()) done->grouped = !order.mounted && fs_group_of(*order.spec.pod).has_value();
  co_return done;
}

bool HostPathPlugin::serves(const VolumeSpec& spec) const {
  return spec.pv == nullptr ? spec.volume().volumesource().has_hostpath()
                            : spec.pv->spec().persistentvolumesource().has_hostpath();
}

base::Task<VolumeResult<MountedVolume>> HostPathPlugin::set_up(MountOrder order) {
  auto ready = co_await set_up_host_path(work_, order.spec);
  co_return outcome_of(std::move(ready));
}

base::Task<VolumeResult<MountedVolume>> GitRepoPlugin::set_up(MountOrder) {
  co_return final_error(Error(ErrorKind::unimplemented,
                              "git-repo volume plugin has been disabled; its feature gate GitRepoVolumeDriver is "
                              "locked to false"));
}

}  // namespace keelson::volume
