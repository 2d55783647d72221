#include "volume/pod_mount.hpp"

#include <sys/stat.h>

#include <cerrno>

#include "base/file.hpp"
#include "volume/mount_options.hpp"
#include "volume/mount_point.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

Status make_directory(const PodMount& wanted, const std::string& directory) {
  for (const std::string& path : {pod_dir(wanted.root, wanted.uid), pod_dir(wanted.root, wanted.uid) + "/volumes"}) {
    KEELSON_TRY(base::make_directories(path, 0750));
  }
  return base::make_directories(directory, 0750);
}

std::string already_mounted_text(const PodMount& wanted, std::int64_t found) {
  return "The requested fsGroup is " + std::to_string(*wanted.fs_group) + ", but the volume " + wanted.name +
         " has GID " + std::to_string(found) + ". The volume may not be shareable.";
}

Status mount_with_group(const PodMount& wanted, const std::string& directory, FsGroupProgress& progress, Mounts& mounts,
                        PodMounted& outcome) {
  const auto source = mounts.real_path(wanted.source);
  if (!source.ok()) return source.error();
  bool apply = wanted.fs_group.has_value() && !wanted.read_only;
  if (wanted.fs_group && wanted.fs_group_of_first_pod_only) {
    auto others = references_below(*source, wanted.root + "/pods", mounts);
    if (!others.ok()) return std::move(others).error();
    if (!others->empty()) {
      apply = false;
      struct stat info {};
      if (::stat(source->c_str(), &info) != 0)
        return errno_error("failed to check fsGroup for " + wanted.source, errno);
      if (info.st_gid != static_cast<gid_t>(*wanted.fs_group)) {
        outcome.already_mounted = already_mounted_text(wanted, info.st_gid);
      }
    }
  }
  if (apply) {
    auto changed =
        change_fs_group({*source, *wanted.fs_group, FsGroupAccess::read_write, wanted.fs_group_policy}, progress);
    if (!changed.ok()) return std::move(changed).error();
  }
  std::vector<std::string> options;
  if (wanted.read_only) options.emplace_back("ro");
  return mounts.bind_with(*source, directory, join_mount_options(options, wanted.options));
}

Status mount_at(const PodMount& wanted, FsGroupProgress& progress, Mounts& mounts, PodMounted& outcome) {
  KEELSON_TRY(check_element("pod uid", wanted.uid));
  KEELSON_TRY(check_element("volume name", wanted.name));
  const std::string directory = volume_dir(wanted.root, wanted.uid, wanted.plugin, wanted.name);
  const auto mounted = is_mount_point(directory, mounts);
  if (!mounted.ok()) return mounted.error();
  if (*mounted) return {};
  KEELSON_TRY(make_directory(wanted, directory));
  Status done = mount_with_group(wanted, directory, progress, mounts, outcome);
  // What is left of a failed attempt goes; what cannot go is told by the next one.
  if (!done.ok()) (void)clean_up_mount_point(directory, mounts);
  return done;
}

}  // namespace

PodMounted mount_for_pod(const PodMount& wanted, FsGroupProgress& progress, Mounts& mounts) {
  PodMounted outcome;
  if (Status done = mount_at(wanted, progress, mounts, outcome); !done.ok()) outcome.failure = std::move(done).error();
  return outcome;
}

}  // namespace keelson::volume
