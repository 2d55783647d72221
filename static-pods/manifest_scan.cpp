#include "static-pods/manifest_scan.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"

namespace keelson::static_pods {
namespace {

std::int64_t nanos(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

Fingerprint fingerprint_of(const struct stat& info) {
  Fingerprint print;
  print.device = info.st_dev;
  print.inode = info.st_ino;
  print.size = info.st_size;
  print.modified_ns = nanos(info.st_mtim);
  print.changed_ns = nanos(info.st_ctim);
  return print;
}

Manifest failed(std::string message) {
  Manifest manifest;
  manifest.errors.push_back({{}, std::move(message)});
  return manifest;
}

std::string errno_text(int error) { return errno_error("", error).message().substr(2); }

// At most one byte more than a manifest may have: enough to know that it is too large.
Result<std::string> read_at_most(int fd) {
  std::string bytes;
  char buffer[1 << 16];
  while (bytes.size() <= kMaxManifestBytes) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return bytes;
    if (got < 0 && errno != EINTR) return errno_error("read", errno);
    if (got > 0) bytes.append(buffer, static_cast<std::size_t>(got));
  }
  return bytes;
}

void read_file(const std::string& path, const std::string& node_name, ScannedFile& file) {
  // Not blocking: the entry may have become a pipe since it was looked at.
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    // Gone between two looks: as good as never seen, the next scan will not list it.
    if (errno == ENOENT) file.torn = true;
    file.manifest = failed("cannot be opened: " + errno_text(errno));
    return;
  }
  const auto bytes = read_at_most(fd.get());
  struct stat after {};
  if (::fstat(fd.get(), &after) != 0 || fingerprint_of(after) != file.fingerprint) file.torn = true;
  if (!bytes.ok()) {
    file.manifest = failed(bytes.error().to_string());
  } else if (bytes->size() > kMaxManifestBytes) {
    file.manifest = failed("larger than 10 MiB, the most a manifest may be");
  } else {
    file.manifest = read_manifest(*bytes, {Origin::Kind::file, path, node_name});
  }
}

// False for what is none of our business.
bool look_at(const std::string& path, const std::string& node_name, const KnownFiles& known, ScannedFile& file) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const int error = errno;
    struct stat link {};
    if (error == ENOENT && ::lstat(path.c_str(), &link) != 0) return false;  // gone meanwhile
    file.fingerprint.error = error;
  } else if (!S_ISREG(info.st_mode)) {
    return false;
  } else {
    file.fingerprint = fingerprint_of(info);
  }
  const auto it = known.find(path);
  if (it != known.end() && it->second == file.fingerprint) return true;
  if (file.fingerprint.error == ENOENT) {
    file.manifest = failed("a link to a file that does not exist");
  } else if (file.fingerprint.error != 0) {
    file.manifest = failed("cannot be looked at: " + errno_text(file.fingerprint.error));
  } else {
    read_file(path, node_name, file);
  }
  return true;
}

}  // namespace

ManifestScan scan_manifests(const std::string& path, const std::string& node_name, const KnownFiles& known) {
  ManifestScan scan;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const int error = errno;
    const bool gone = error == ENOENT || error == ENOTDIR;
    scan.outcome = gone ? ManifestScan::Outcome::missing : ManifestScan::Outcome::failed;
    scan.error = errno_error("look at " + path, error);
    return scan;
  }
  std::vector<std::string> paths;
  if (S_ISREG(info.st_mode)) {
    paths.push_back(path);
  } else if (S_ISDIR(info.st_mode)) {
    auto names = base::list_directory(path);
    if (!names.ok()) {
      const bool gone = names.error().kind() == ErrorKind::not_found;
      scan.outcome = gone ? ManifestScan::Outcome::missing : ManifestScan::Outcome::failed;
      scan.error = names.error();
      return scan;
    }
    for (const auto& name : *names) {
      if (name.front() != '.') paths.push_back(path + (path.back() == '/' ? "" : "/") + name);
    }
  } else {
    scan.outcome = ManifestScan::Outcome::failed;
    scan.error = Error(ErrorKind::invalid, path + ": neither a directory nor a regular file");
    return scan;
  }
  for (const auto& file_path : paths) {
    ScannedFile file;
    if (look_at(file_path, node_name, known, file)) scan.files.emplace(file_path, std::move(file));
  }
  return scan;
}

}  // namespace keelson::static_pods
