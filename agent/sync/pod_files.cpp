#include "agent/sync/pod_files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <deque>
#include <set>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

constexpr auto kLimit = std::chrono::seconds(30);  // for one small piece of disk work
constexpr std::size_t kTerminationBytes = 4096;
constexpr std::size_t kLogTailLines = 80;
constexpr std::size_t kLogTailBytes = 2048;
constexpr std::time_t kFreshSeconds = 3;
constexpr std::size_t kMostPodFile = 64 * 1024;
constexpr std::size_t kMostEnvFile = 10u << 20;
constexpr std::size_t kLogWindow = 512 * 1024;  // of a log's end that is looked at

// The last `count` bytes of a file, empty when it is missing.
std::string end_of_file(const std::string& path, std::size_t count) {
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  const auto size = static_cast<std::size_t>(info.st_size);
  std::string out(std::min(size, count), '\0');
  const ssize_t got = ::pread(fd.get(), out.data(), out.size(), static_cast<off_t>(size - out.size()));
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

// "TIME STREAM TAGS CONTENT". Tag P is a part of a line: the next record goes on, or the program ended without a
// newline.
std::string words_of_cri_line(std::string_view line) {
  const auto stream = line.find(' ');
  const auto tags = stream == std::string_view::npos ? stream : line.find(' ', stream + 1);
  const auto content = tags == std::string_view::npos ? tags : line.find(' ', tags + 1);
  if (content == std::string_view::npos) return "";
  const std::string_view tag = line.substr(tags + 1, content - tags - 1);
  const bool part = tag.substr(0, tag.find(':')) == "P";
  return std::string(line.substr(content + 1)) + (part ? "" : "\n");
}

Status prepare_container_on_disk(const Paths& paths, const ContainerFiles& files) {
  // Other containers of the pod have the file mounted: an equal one is left alone, so that a full disk cannot empty it.
  if (files.write_hosts && base::read_file(paths.pod_hosts(files.uid)).value_or("") != files.hosts) {
    KEELSON_TRY(base::write_file(paths.pod_hosts(files.uid), files.hosts, 0644).wrap("while writing the hosts file"));
  }
  const std::string directory = paths.container(files.uid, files.container);
  KEELSON_TRY(base::make_directories(directory, 0750));
  if (!files.log_directory.empty()) KEELSON_TRY(base::make_directories(files.log_directory, 0755));
  if (files.termination_name.empty()) return {};
  return base::write_file(directory + "/" + files.termination_name, "", 0666);
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) return errno_error("unlink " + path, errno);
  return {};
}

// Every level of a volume directory is removed by rmdir alone: what is still inside is somebody's data.
Status remove_empty_volumes(const std::string& volumes) {
  auto plugins = base::list_directory(volumes);
  if (!plugins.ok()) return plugins.error().kind() == ErrorKind::not_found ? Status() : Status(plugins.error());
  for (const auto& plugin : *plugins) {
    const std::string plugin_path = volumes + "/" + plugin;
    auto names = base::list_directory(plugin_path);
    if (!names.ok()) return names.error();
    for (const auto& name : *names) {
      const std::string volume = plugin_path + "/" + name;
      if (::rmdir(volume.c_str()) != 0 && errno != ENOENT) return errno_error("rmdir " + volume, errno);
    }
    if (::rmdir(plugin_path.c_str()) != 0 && errno != ENOENT) return errno_error("rmdir " + plugin_path, errno);
  }
  return {};
}

Status remove_pod_on_disk(const std::string& directory) {
  KEELSON_TRY(remove_empty_volumes(directory + "/volumes"));
  // Bind mounts of volumes: a tree that is removed must not reach into one.
  const std::string sub_paths = directory + "/volume-subpaths";
  if (base::path_exists(sub_paths)) {
    return Error(ErrorKind::unavailable, sub_paths + " stays: sub-paths of volumes are still mounted there", EBUSY);
  }
  return base::remove_tree(directory);
}

Status remove_container_logs_on_disk(const std::string& log_path, const std::string& link) {
  const auto slash = log_path.find_last_of('/');
  if (slash == std::string::npos) return {};
  const std::string directory = log_path.substr(0, slash);
  const std::string stem = log_path.substr(slash + 1);
  auto names = base::list_directory(directory);
  if (names.ok()) {
    for (const auto& name : *names) {
      if (name == stem || name.rfind(stem + ".", 0) == 0) KEELSON_TRY(remove_file(directory + "/" + name));
    }
  }
  return link.empty() ? Status() : remove_file(link);
}

bool is_fresh(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && ::time(nullptr) - info.st_mtime < kFreshSeconds;
}

// "ID" of "POD_NAMESPACE_CONTAINER-ID.log".
std::string container_of_link(const std::string& name) {
  const auto dash = name.find_last_of('-');
  const auto end = name.rfind(".log");
  if (dash == std::string::npos || end == std::string::npos || end < dash) return "";
  return name.substr(dash + 1, end - dash - 1);
}

Status remove_orphan_logs_on_disk(const Paths& paths, const LogsInUse& in_use) {
  auto pods = base::list_directory(paths.logs);
  if (pods.ok()) {
    for (const auto& name : *pods) {
      const auto underscore = name.find_last_of('_');
      if (underscore == std::string::npos || in_use.pods.count(name.substr(underscore + 1)) > 0) continue;
      // `in_use` may be older than a pod that has just begun.
      if (is_fresh(paths.logs + "/" + name)) continue;
      KEELSON_TRY(base::remove_tree(paths.logs + "/" + name));
    }
  }
  auto links = base::list_directory(paths.container_links);
  if (!links.ok()) return {};
  for (const auto& name : *links) {
    const std::string link = paths.container_links + "/" + name;
    struct stat info {};
    // Only links that lead nowhere are ours to remove; that of a log which is being rotated will lead somewhere again.
    if (in_use.containers.count(container_of_link(name)) > 0) continue;
    if (::lstat(link.c_str(), &info) != 0 || !S_ISLNK(info.st_mode) || ::stat(link.c_str(), &info) == 0) continue;
    KEELSON_TRY(remove_file(link));
  }
  return {};
}

Result<std::string> volume_file_on_disk(const std::string& volume, const std::string& path) {
  const auto failed = [&] { return errno_error("open " + path + " in volume " + volume, errno); };
  const base::UniqueFd root(::open(volume.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failed();
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const base::UniqueFd file(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
  if (!file) return failed();
  return base::read_file("/proc/self/fd/" + std::to_string(file.get()), kMostEnvFile)
      .wrap("while reading " + path + " of volume " + volume);
}

Result<PodFileTexts> pod_files_on_disk(const std::string& pods, const std::string& name) {
  auto uids = base::list_directory(pods);
  if (!uids.ok()) return uids.error();
  PodFileTexts texts;
  for (const auto& uid : *uids) {
    const std::string path = pods + "/" + uid + "/" + name;
    if (base::path_exists(path)) texts.emplace(uid, base::read_file(path, kMostPodFile));
  }
  return texts;
}

Status link_log_on_disk(const std::string& link, const std::string& target) {
  if (!base::path_exists(target)) return {};
  const auto slash = link.find_last_of('/');
  KEELSON_TRY(base::make_directories(link.substr(0, slash), 0755));
  KEELSON_TRY(remove_file(link));
  if (::symlink(target.c_str(), link.c_str()) != 0) return errno_error("symlink " + link, errno);
  return {};
}

}  // namespace

std::string tail_of_cri_log(std::string_view text) {
  std::deque<std::string> lines;
  while (!text.empty()) {
    const auto newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    lines.push_back(words_of_cri_line(line));
    if (lines.size() > kLogTailLines) lines.pop_front();
  }
  std::string out;
  for (const auto& line : lines) out += line;
  if (out.size() > kLogTailBytes) out.erase(0, out.size() - kLogTailBytes);
  return out;
}

Status make_root_directories(const Paths& paths) {
  KEELSON_TRY(base::make_directories(paths.root, 0750));
  KEELSON_TRY(base::make_directories(paths.pods(), 0750));
  KEELSON_TRY(base::make_directories(paths.root + "/plugins", 0750));
  KEELSON_TRY(base::make_directories(paths.root + "/plugins_registry", 0750));
  KEELSON_TRY(base::make_directories(paths.root + "/pod-resources", 0750));
  KEELSON_TRY(base::make_directories(paths.root + "/checkpoints", 0700));
  KEELSON_TRY(base::make_directories(paths.logs, 0750));
  return base::make_directories(paths.container_links, 0755);
}

base::Task<Status> DiskPodFiles::make_pod_directories(std::string uid) {
  const std::string pod = paths_.pod(uid);
  return pool_.run<void>("make pod directories " + pod, kLimit, [pod]() -> Status {
    for (const char* child : {"", "/volumes", "/plugins"}) KEELSON_TRY(base::make_directories(pod + child, 0750));
    return {};
  });
}

base::Task<Status> DiskPodFiles::make_log_directory(std::string path) {
  return pool_.run<void>("make log directory " + path, kLimit, [path] { return base::make_directories(path, 0755); });
}

base::Task<Status> DiskPodFiles::prepare_container(ContainerFiles files) {
  return pool_.run<void>("prepare files of container " + files.container, kLimit,
                         [paths = paths_, files] { return prepare_container_on_disk(paths, files); });
}

base::Task<std::vector<std::string>> DiskPodFiles::log_names(std::string directory) {
  auto names = co_await list(std::move(directory));
  if (!names.ok()) co_return std::vector<std::string>{};
  co_return std::move(*names);
}

base::Task<Status> DiskPodFiles::link_log(std::string link, std::string target) {
  return pool_.run<void>("link " + link, kLimit, [link, target] { return link_log_on_disk(link, target); });
}

base::Task<std::string> DiskPodFiles::termination_message(std::string path) {
  auto text = co_await read_end(std::move(path), kTerminationBytes);
  co_return text.value_or("");
}

base::Task<std::string> DiskPodFiles::log_tail(std::string path) {
  auto text = co_await read_end(std::move(path), kLogWindow);
  co_return tail_of_cri_log(text.value_or(""));
}

// Not coroutines, like most here: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<std::string>> DiskPodFiles::read_end(std::string path, std::size_t bytes) {
  return pool_.run<std::string>("read " + path, kLimit,
                                [path, bytes]() -> Result<std::string> { return end_of_file(path, bytes); });
}

base::Task<Result<std::vector<std::string>>> DiskPodFiles::list(std::string directory) {
  return pool_.run<std::vector<std::string>>("list " + directory, kLimit,
                                             [directory] { return base::list_directory(directory); });
}

base::Task<Result<std::string>> DiskPodFiles::read_host_file(std::string path) {
  return pool_.run<std::string>("read " + path, kLimit, [path] { return base::read_file(path, 10u << 20); });
}

base::Task<Result<std::string>> DiskPodFiles::read_volume_file(std::string volume, std::string path) {
  return pool_.run<std::string>("read " + path + " of " + volume, kLimit,
                                [volume, path] { return volume_file_on_disk(volume, path); });
}

base::Task<Status> DiskPodFiles::write_pod_file(std::string uid, std::string name, std::string content) {
  const std::string path = paths_.pod(uid) + "/" + name;
  return pool_.run<void>("write " + path, kLimit,
                         [path, content] { return base::write_file_atomically(path, content, 0600); });
}

base::Task<Status> DiskPodFiles::remove_pod_file(std::string uid, std::string name) {
  const std::string path = paths_.pod(uid) + "/" + name;
  return pool_.run<void>("remove " + path, kLimit, [path] { return remove_file(path); });
}

base::Task<Result<PodFileTexts>> DiskPodFiles::pod_files(std::string name) {
  return pool_.run<PodFileTexts>("read files of pods", kLimit,
                                 [pods = paths_.pods(), name] { return pod_files_on_disk(pods, name); });
}

base::Task<Status> DiskPodFiles::remove_pod_directory(std::string uid) {
  const std::string directory = paths_.pod(uid);
  return pool_.run<void>("remove " + directory, kLimit, [directory] { return remove_pod_on_disk(directory); });
}

base::Task<Result<std::vector<std::string>>> DiskPodFiles::pod_directories() { return list(paths_.pods()); }

base::Task<Status> DiskPodFiles::remove_container_logs(std::string log_path, std::string link) {
  return pool_.run<void>("remove logs " + log_path, kLimit,
                         [log_path, link] { return remove_container_logs_on_disk(log_path, link); });
}

base::Task<Status> DiskPodFiles::remove_orphan_logs(LogsInUse in_use) {
  return pool_.run<void>("remove orphan logs in " + paths_.logs, kLimit,
                         [paths = paths_, in_use] { return remove_orphan_logs_on_disk(paths, in_use); });
}

}  // namespace keelson::agent
