#include "agent/stats/small_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

constexpr std::size_t kFirstSize = 16 * 1024;
constexpr std::size_t kLargest = 16 * 1024 * 1024;  // what is larger is not what we asked for

ssize_t read_some(int fd, char* into, std::size_t room) {
  ssize_t got = -1;
  do {
    got = ::read(fd, into, room);
  } while (got < 0 && errno == EINTR);
  return got;
}

base::UniqueFd open_file(int directory, const std::string& name) {
  return base::UniqueFd(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

}  // namespace

base::UniqueFd hold_directory(int at, const std::string& path) {
  return base::UniqueFd(::openat(at, path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

SmallFiles::SmallFiles() : buffer_(kFirstSize) {}

std::optional<std::string_view> SmallFiles::read(int directory, const std::string& name) {
  const base::UniqueFd file = open_file(directory, name);
  if (!file) return std::nullopt;
  const ssize_t got = read_some(file.get(), buffer_.data(), buffer_.size());
  if (got < 0) return std::nullopt;
  return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
}

std::optional<std::string_view> SmallFiles::read_to_end(int directory, const std::string& name) {
  const base::UniqueFd file = open_file(directory, name);
  if (!file) return std::nullopt;
  std::size_t size = 0;
  while (true) {
    if (size == buffer_.size()) {
      if (size >= kLargest) return std::nullopt;
      buffer_.resize(size * 2);
    }
    const ssize_t got = read_some(file.get(), buffer_.data() + size, buffer_.size() - size);
    if (got < 0) return std::nullopt;
    if (got == 0) return std::string_view(buffer_.data(), size);
    size += static_cast<std::size_t>(got);
  }
}

std::optional<std::uint64_t> SmallFiles::number(int directory, const std::string& name) {
  const auto text = read(directory, name);
  return text ? parse_value(*text) : std::nullopt;
}

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> names;
  // A descriptor that is only for paths cannot be read.
  const int readable = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (readable < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(readable), &::closedir);
  if (entries == nullptr) {
    ::close(readable);
    return names;
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

}  // namespace keelson::stats
