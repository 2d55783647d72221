#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <random>
#include <set>
#include <vector>

#include "base/file.hpp"
#include "volume/projection.hpp"

namespace keelson::volume {
namespace {

constexpr std::string_view kData = "..data";
constexpr std::size_t kMaxElement = 255;
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxFile = 16u << 20;

std::vector<std::string_view> elements_of(std::string_view path) {
  std::vector<std::string_view> out;
  while (true) {
    const auto slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

std::string first_element(const std::string& path) { return path.substr(0, path.find('/')); }

// "..2026_01_31_23_59_59.1234567890"
std::string dated_name() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "..%Y_%m_%d_%H_%M_%S.", &parts);
  return text + std::to_string(std::random_device{}());
}

// Paths of all files below `directory`.
Status collect_files(const std::string& directory, const std::string& prefix, std::set<std::string>& out) {
  auto names = base::list_directory(directory);
  if (!names.ok()) return names.error();
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    if (base::is_directory(path)) {
      KEELSON_TRY(collect_files(path, prefix + name + "/", out));
    } else {
      out.insert(prefix + name);
    }
  }
  return {};
}

// The directory that `..data` points at; empty when there is none yet.
Result<std::string> current_directory(const std::string& directory) {
  std::string target(kMaxPath, '\0');
  const std::string link = directory + "/" + std::string(kData);
  const auto length = readlink(link.c_str(), target.data(), target.size());
  if (length < 0 && errno == ENOENT) return std::string();
  if (length < 0) return errno_error("readlink " + link, errno);
  target.resize(static_cast<std::size_t>(length));
  return directory + "/" + target;
}

bool same_files(const std::string& directory, const std::set<std::string>& present, const Payload& payload) {
  if (present.size() != payload.size()) return false;
  for (const auto& [path, file] : payload) {
    if (present.count(path) == 0) return false;
    auto content = base::read_file(directory + "/" + path, kMaxFile);
    if (!content.ok() || *content != file.content) return false;
  }
  return true;
}

Status write_files(const std::string& directory, const Payload& payload) {
  if (mkdir(directory.c_str(), 0755) != 0) return errno_error("mkdir " + directory, errno);
  if (chmod(directory.c_str(), 0755) != 0) return errno_error("chmod " + directory, errno);
  for (const auto& [path, file] : payload) {
    const std::string full = directory + "/" + path;
    KEELSON_TRY(base::make_directories(full.substr(0, full.find_last_of('/')), 0755));
    KEELSON_TRY(base::write_file(full, file.content, static_cast<mode_t>(file.mode)));
    if (file.owner && lchown(full.c_str(), static_cast<uid_t>(*file.owner), static_cast<gid_t>(-1)) != 0) {
      return errno_error("chown " + full, errno);
    }
  }
  return {};
}

Status replace_link(const std::string& directory, const std::string& target) {
  const std::string temporary = directory + "/..data_tmp";
  const std::string link = directory + "/" + std::string(kData);
  if (unlink(temporary.c_str()) != 0 && errno != ENOENT) return errno_error("unlink " + temporary, errno);
  if (symlink(target.c_str(), temporary.c_str()) != 0) return errno_error("symlink " + temporary, errno);
  if (rename(temporary.c_str(), link.c_str()) != 0) return errno_error("rename " + temporary, errno);
  return {};
}

// What users see: one link for each first path element.
Status make_links(const std::string& directory, const Payload& payload) {
  for (const auto& [path, file] : payload) {
    const std::string name = first_element(path);
    const std::string link = directory + "/" + name;
    struct stat info {};
    if (lstat(link.c_str(), &info) == 0) continue;
    if (symlink((std::string(kData) + "/" + name).c_str(), link.c_str()) != 0 && errno != EEXIST) {
      return errno_error("symlink " + link, errno);
    }
    if (file.owner && lchown(link.c_str(), static_cast<uid_t>(*file.owner), static_cast<gid_t>(-1)) != 0) {
      return errno_error("chown " + link, errno);
    }
  }
  return {};
}

Status remove_stale_links(const std::string& directory, const std::set<std::string>& before, const Payload& payload) {
  std::set<std::string> wanted;
  for (const auto& [path, file] : payload) wanted.insert(first_element(path));
  for (const std::string& path : before) {
    const std::string name = first_element(path);
    if (wanted.count(name) > 0) continue;
    const std::string link = directory + "/" + name;
    if (unlink(link.c_str()) != 0 && errno != ENOENT) return errno_error("unlink " + link, errno);
  }
  return {};
}

}  // namespace

Status check_payload_path(std::string_view path) {
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorKind::invalid, "invalid path \"" + std::string(path.substr(0, 100)) + "\": " + why);
  };
  if (path.empty()) return refuse("must not be empty");
  if (path.front() == '/') return refuse("must be relative");
  if (path.size() > kMaxPath) return refuse("must be no longer than 4096 bytes");
  const auto elements = elements_of(path);
  for (const auto element : elements) {
    if (element == "..") return refuse("must not contain \"..\"");
    if (element.empty() || element == ".") return refuse("must not have empty elements");
    if (element.size() > kMaxElement) return refuse("no element may be longer than 255 bytes");
  }
  if (elements.front().starts_with("..")) return refuse("must not start with \"..\"");
  return {};
}

Result<bool> write_payload(const std::string& directory, const Payload& payload, std::optional<std::int64_t> fs_group) {
  for (const auto& [path, file] : payload) KEELSON_TRY(check_payload_path(path));
  auto current = current_directory(directory);
  if (!current.ok()) return current.error();
  std::set<std::string> before;
  const bool there = !current->empty() && base::is_directory(*current);
  if (there) KEELSON_TRY(collect_files(*current, "", before));
  if (there && same_files(*current, before, payload)) {
    KEELSON_TRY(make_links(directory, payload));
    return false;
  }
  const std::string fresh = dated_name();
  Status shown = write_files(directory + "/" + fresh, payload);
  if (shown.ok() && fs_group) shown = apply_fs_group(directory, *fs_group, FsGroupAccess::read_only);
  if (shown.ok()) shown = replace_link(directory, fresh);
  if (!shown.ok()) {
    (void)base::remove_tree(directory + "/" + fresh);
    return std::move(shown).error();
  }
  KEELSON_TRY(make_links(directory, payload));
  KEELSON_TRY(remove_stale_links(directory, before, payload));
  if (there) KEELSON_TRY(base::remove_tree(*current));
  return true;
}

}  // namespace keelson::volume
