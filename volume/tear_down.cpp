#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/file.hpp"
#include "base/tree_walk.hpp"
#include "volume/fc.hpp"
#include "volume/iscsi.hpp"
#include "volume/local.hpp"
#include "volume/local_volume.hpp"
#include "volume/mount_point.hpp"
#include "volume/nfs.hpp"
#include "volume/paths.hpp"
#include "volume/sub_path.hpp"

namespace keelson::volume {
namespace {

constexpr std::string_view kCsiPlugin = "kubernetes.io/csi";

Error left_alone(const std::string& path, const std::string& why) {
  return Error(ErrorKind::unavailable, path + " stays: " + why, EBUSY);
}

Result<std::vector<std::string>> names_in(const std::string& path) {
  if (!base::path_exists(path)) return std::vector<std::string>();
  return base::list_directory(path);
}

bool is_own_type(const std::string& type) { return type == "tmpfs" || type == "hugetlbfs"; }

// Takes our own tmpfs off; anything else that is mounted there is not ours to touch.
Status unmount_own(const std::string& directory, Mounts& mounts) {
  // Mostly there is one, with nothing inside, and the long table need not be read: the kernel refuses where there is
  // more.
  const auto type = mounts.type_at(directory);
  if (type.ok() && *type && is_own_type(**type) && mounts.unmount(directory).ok()) {
    const auto below = mounts.type_at(directory);
    if (below.ok() && !*below) return {};
  }
  auto found = mounts.at_or_below(directory);
  if (!found.ok()) return std::move(found).error();
  for (const auto& mount : *found) {
    if (mount.path != directory) return left_alone(directory, mount.path + " is still mounted inside it");
    if (!is_own_type(mount.type)) {
      return left_alone(directory, "a file system of type " + mount.type + " is mounted on it");
    }
  }
  for (std::size_t i = 0; i < found->size(); ++i) KEELSON_TRY(mounts.unmount(directory));
  return {};
}

// An emptyDir, or a volume of our own files, which is one underneath.
Status tear_down_own(const std::string& root, const std::string& uid, const std::string& plugin,
                     const std::string& name, Mounts& mounts) {
  const std::string marker = plugin == escape_plugin(empty_dir_plugin) ? name : "wrapped_" + name;
  // The marker first: a tear-down cut short must not look like a volume that is ready.
  KEELSON_TRY(base::remove_tree(marker_dir(root, uid, marker)));
  const std::string directory = pod_dir(root, uid) + "/volumes/" + plugin + "/" + name;
  KEELSON_TRY(unmount_own(directory, mounts));
  return base::remove_tree(directory);
}

template <std::size_t N>
bool is_one_of(const std::string& escaped_plugin, const std::array<std::string_view, N>& plugins) {
  return std::any_of(plugins.begin(), plugins.end(),
                     [&](std::string_view plugin) { return escaped_plugin == escape_plugin(plugin); });
}

constexpr std::array kOwn{empty_dir_plugin, config_map_plugin, secret_plugin, downward_api_plugin, projected_plugin};
// What is at the volume's directory is a mount; what it shows is not ours.
constexpr std::array kMounted{nfs_plugin, iscsi_plugin, fc_plugin, local_plugin};

// Its driver takes a CSI volume off; here goes only what is empty then.
Status tear_down_csi(const std::string& directory, Mounts& mounts) {
  auto found = mounts.at_or_below(directory);
  if (!found.ok()) return std::move(found).error();
  if (!found->empty()) return left_alone(directory, "its driver has not unpublished it yet");
  KEELSON_TRY(remove_empty_directory(directory + "/mount"));
  return remove_empty_directory(directory);
}

Status tear_down_one(const std::string& root, const std::string& uid, const std::string& plugin,
                     const std::string& name, Mounts& mounts) {
  if (is_one_of(plugin, kOwn)) return tear_down_own(root, uid, plugin, name, mounts);
  const std::string directory = pod_dir(root, uid) + "/volumes/" + plugin + "/" + name;
  if (is_one_of(plugin, kMounted)) return clean_up_mount_point(directory, mounts);
  if (plugin == escape_plugin(kCsiPlugin)) return tear_down_csi(directory, mounts);
  return left_alone(directory, "its driver has not taken it off");
}

Status no_mounts_below(const std::string& path, Mounts& mounts) {
  auto found = mounts.at_or_below(path);
  if (!found.ok()) return std::move(found).error();
  if (!found->empty()) return left_alone(path, found->front().path + " is still mounted");
  return {};
}

// A device that is bound under the pod's UID belongs to a link in its directory.
Status no_device_of(const std::string& root, const std::string& uid, Mounts& mounts) {
  auto found = mounts.at_or_below(root + "/plugins");
  if (!found.ok()) return std::move(found).error();
  for (const auto& mount : *found) {
    if (mount.path.ends_with("/" + uid)) {
      return left_alone(pod_dir(root, uid), "its block device is still mapped at " + mount.path);
    }
  }
  return {};
}

base::UniqueFd open_within(int dir_fd, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return base::UniqueFd(static_cast<int>(::syscall(SYS_openat2, dir_fd, name.c_str(), &how, sizeof how)));
}

// Takes a tree of nothing but directories away, from the deepest up, by rmdir alone; anything else in it is somebody's
// data, which stays, with the directories above it.
class DirectoryRemoval final : public base::TreeVisitor {
 public:
  explicit DirectoryRemoval(std::string path) : path_(std::move(path)) {}

  bool stopped() const override { return false; }
  void entry(int, const char* name) override {
    fail(left_alone(base::shown_path(path_), "it still holds data (" + std::string(name) + ")"));
  }
  bool enters(int, const char* name) override {
    (path_ += '/') += name;
    return true;
  }
  void directory(int) override {}
  void left(int dir_fd, const char* name) override {
    path_.resize(path_.find_last_of('/'));
    if (::unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    fail(errno == EBUSY ? left_alone(child(name), "something is mounted there")
                        : errno_error("rmdir " + child(name), errno));
  }
  void shut(int dir_fd, const char* name, int error) override {
    if (error == ENOENT) return;
    if (error == ENOTDIR || error == ELOOP) return entry(dir_fd, name);
    fail(error == EXDEV ? left_alone(child(name), "something is mounted there")
                        : errno_error("open " + child(name), error));
  }
  void unreadable(int error) override { fail(errno_error("reading " + base::shown_path(path_), error)); }

  // The first thing that was in the way.
  Status take_status() { return std::move(status_); }

 private:
  std::string child(const char* name) const { return base::shown_path(path_ + "/" + name); }
  void fail(Error error) {
    if (status_.ok()) status_ = std::move(error);
  }

  std::string path_;  // of the directory that the walk is in
  Status status_;
};

Status remove_volumes_tree(const std::string& pod) {
  const base::UniqueFd parent(::open(pod.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!parent) return errno_error("open " + pod, errno);
  DirectoryRemoval removal(pod);
  base::UniqueFd top = open_within(parent.get(), "volumes");
  if (!top) {
    removal.shut(parent.get(), "volumes", errno);
    return removal.take_status();
  }
  removal.enters(top.get(), "volumes");
  if (base::walk_tree(std::move(top), removal, base::LostDirectory::ends_the_walk) != base::TreeWalkEnd::done) {
    return left_alone(pod, "a directory of its volumes was moved away");
  }
  removal.left(parent.get(), "volumes");
  return removal.take_status();
}

}  // namespace

Status tear_down(const std::string& root, const std::string& uid, Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", uid));
  // They hold the volumes.
  KEELSON_TRY(clear_sub_paths(root, uid, mounts));
  const std::string volumes = pod_dir(root, uid) + "/volumes";
  auto plugins = names_in(volumes);
  if (!plugins.ok()) return std::move(plugins).error();
  Status first;
  const auto keep_first = [&first](Status status) {
    if (first.ok() && !status.ok()) first = std::move(status);
  };
  for (const auto& plugin : *plugins) {
    auto names = names_in(volumes + "/" + plugin);
    if (!names.ok()) {
      keep_first(std::move(names).error());
      continue;
    }
    for (const auto& name : *names) keep_first(tear_down_one(root, uid, plugin, name, mounts));
  }
  return first;
}

// The steps of the orphan sweep; the caller has made sure that no volume of the pod is in use any more.
Status remove_pod_dir(const std::string& root, const std::string& uid, Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", uid));
  const std::string pod = pod_dir(root, uid);
  if (!base::path_exists(pod)) return {};
  KEELSON_TRY(no_mounts_below(pod, mounts));
  KEELSON_TRY(no_device_of(root, uid, mounts));
  KEELSON_TRY(clear_sub_paths(root, uid, mounts));
  KEELSON_TRY(remove_volumes_tree(pod));
  auto rest = names_in(pod);
  if (!rest.ok()) return std::move(rest).error();
  for (const auto& name : *rest) {
    if (name == "volumes") return left_alone(pod, "volumes were found after they were removed");
    KEELSON_TRY(base::remove_tree(pod + "/" + name));
  }
  return remove_empty_directory(pod);
}

}  // namespace keelson::volume
