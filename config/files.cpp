#include "config/files.hpp"

#include <sys/stat.h>

#include <filesystem>

#include "base/file.hpp"

namespace keelson::config {

Result<std::string> RealFiles::read(const std::string& path) const { return base::read_file(path); }

Result<std::vector<Files::Entry>> RealFiles::list(const std::string& path) const {
  auto names = base::list_directory(path);
  if (!names.ok()) return names.error();
  std::vector<Entry> entries;
  for (std::string& name : *names) {
    struct stat info {};
    const bool known = ::lstat((path + "/" + name).c_str(), &info) == 0;
    entries.push_back({std::move(name), known && S_ISDIR(info.st_mode)});
  }
  return entries;
}

bool RealFiles::is_directory(const std::string& path) const { return base::is_directory(path); }

std::string RealFiles::working_directory() const {
  std::error_code error;
  const auto path = std::filesystem::current_path(error);
  return error ? "/" : path.string();
}

}  // namespace keelson::config
