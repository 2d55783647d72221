#include "volume/local.hpp"

#include <sys/stat.h>

#include <cerrno>

#include "api/quantity.hpp"
#include "base/file.hpp"
#include "volume/huge_pages.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

using api::core::VolumeSource;

// Where set-up of one volume needs to know more than the volume itself.
struct Context {
  const api::Pod& pod;
  const LocalVolumeOptions& options;
  Mounts& mounts;
};

Status make_exactly(const std::string& path, mode_t mode) {
  KEELSON_TRY(base::make_directories(path, mode));
  if (chmod(path.c_str(), mode) != 0) return errno_error("chmod " + path, errno);
  return {};
}

// ROOT/pods/UID with volumes/ and plugins/, then the plugin's own directory.
Status make_parents(const Context& context, std::string_view plugin, mode_t plugin_mode) {
  const std::string pod = pod_dir(context.options.root, context.pod.metadata().uid());
  for (const std::string& path : {pod, pod + "/volumes", pod + "/plugins"}) {
    KEELSON_TRY(base::make_directories(path, 0750));
  }
  return base::make_directories(pod + "/volumes/" + escape_plugin(plugin), plugin_mode);
}

Status mark_ready(const std::string& directory) {
  KEELSON_TRY(base::make_directories(directory, 0750));
  return base::write_file(directory + "/ready", "", 0644);
}

std::int64_t tmpfs_size(const Context& context, const api::core::EmptyDirVolumeSource& source) {
  const std::int64_t limit = source.has_sizelimit() ? api::Quantity::of(source.sizelimit()).value() : 0;
  return memory_volume_size(context.options.node_allocatable_memory, context.options.pod_memory_limit, limit);
}

Status mount_memory(const Context& context, const std::string& directory,
                    const api::core::EmptyDirVolumeSource& source) {
  const std::int64_t size = tmpfs_size(context, source);
  if (size <= 0)
    return Error(ErrorKind::invalid, "emptyDir on memory: the node's memory is not known, so it has no size");
  return context.mounts.mount_tmpfs(directory, size);
}

Status mount_huge_pages(const Context& context, const std::string& directory, const std::string& size) {
  return context.mounts.mount(
      {.source = "nodev", .target = directory, .type = "hugetlbfs", .options = {"pagesize=" + size}});
}

// What is mounted already must be what the volume wants.
Status check_mounted_pages(const Context& context, const std::string& directory, const std::string& size) {
  auto table = context.mounts.entries();
  if (!table.ok()) return std::move(table).error();
  const std::string real = context.mounts.real_path(directory).value_or(directory);
  const MountEntry* mounted = mount_of(*table, real);
  if (mounted == nullptr) return Error(ErrorKind::unavailable, directory + " is no longer mounted");
  return check_huge_pages(*mounted, size);
}

Result<HostVolume> set_up_empty_dir(const Context& context, const std::string& name,
                                    const api::core::EmptyDirVolumeSource& source) {
  const std::string& medium = source.medium();
  const bool memory = medium == "Memory";
  const bool huge_pages = is_huge_pages(medium);
  if (!memory && !huge_pages && !medium.empty()) {
    return Error(ErrorKind::invalid, "unknown storage medium \"" + medium + "\"");
  }
  std::string page_size;
  if (huge_pages) {
    auto size = huge_page_size(context.pod.spec(), medium);
    if (!size.ok()) return std::move(size).error();
    page_size = std::move(*size);
  }
  const std::string& uid = context.pod.metadata().uid();
  const std::string directory = volume_dir(context.options.root, uid, empty_dir_plugin, name);
  const std::string marker = marker_dir(context.options.root, uid, name);
  const HostVolume volume{.name = name, .host_path = directory};

  const auto type = context.mounts.type_at(directory);
  if (!type.ok()) return type.error();
  const bool mounted = type->has_value();
  if (huge_pages && mounted) KEELSON_TRY(check_mounted_pages(context, directory, page_size));
  const bool there = medium.empty() ? base::is_directory(directory) : mounted;
  if (there && base::path_exists(marker + "/ready")) return volume;

  KEELSON_TRY(make_parents(context, empty_dir_plugin, 0755));
  if (!mounted) {
    KEELSON_TRY(make_exactly(directory, 0777));
    if (memory) KEELSON_TRY(mount_memory(context, directory, source));
    if (huge_pages) KEELSON_TRY(mount_huge_pages(context, directory, page_size));
  }
  const auto& security = context.pod.spec().securitycontext();
  if (security.has_fsgroup()) KEELSON_TRY(apply_fs_group(directory, security.fsgroup()));
  KEELSON_TRY(mark_ready(marker));
  return volume;
}

Result<HostVolume> set_up_host_path(const std::string& name, const api::core::HostPathVolumeSource& source) {
  KEELSON_TRY(check_host_path(source.path(), source.type()));
  return HostVolume{.name = name, .host_path = source.path(), .relabel = false};
}

Result<HostVolume> set_up_one(const Context& context, const api::core::Volume& volume) {
  KEELSON_TRY(check_element("volume name", volume.name()));
  const VolumeSource& source = volume.volumesource();
  const std::string type = source_type(source);
  if (type == "emptyDir") return set_up_empty_dir(context, volume.name(), source.emptydir());
  if (type == "hostPath") return set_up_host_path(volume.name(), source.hostpath());
  return Error(ErrorKind::unimplemented, "volumes of type " + type + " are not set up here");
}

}  // namespace

std::string source_type(const VolumeSource& source) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  VolumeSource::GetReflection()->ListFields(source, &fields);
  return fields.empty() ? std::string("emptyDir") : fields.front()->name();
}

std::int64_t memory_volume_size(std::int64_t node_allocatable, std::int64_t pod_limit, std::int64_t size_limit) {
  std::int64_t size = node_allocatable;
  for (const std::int64_t bound : {pod_limit, size_limit}) {
    if (bound > 0 && bound <= size) size = bound;
  }
  return size;
}

Result<HostVolume> set_up_volume(const api::Pod& pod, const api::core::Volume& volume,
                                 const LocalVolumeOptions& options, Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", pod.metadata().uid()));
  return set_up_one({pod, options, mounts}, volume);
}

}  // namespace keelson::volume
