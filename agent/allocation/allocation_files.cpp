#include "agent/allocation/allocation_files.hpp"

#include <cstdio>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

constexpr auto kLimit = std::chrono::seconds(30);
constexpr std::size_t kMostBytes = 64u << 20;

}  // namespace

Result<std::string> DiskAllocationFiles::load(const std::string& name) {
  return base::read_file(root_ + "/" + name, kMostBytes);
}

void DiskAllocationFiles::set_aside(const std::string& name) {
  const std::string path = root_ + "/" + name;
  // A copy that stays is no reason not to start; the next save replaces the file itself.
  (void)std::rename(path.c_str(), (path + ".unreadable").c_str());
}

// No coroutine: GCC 12 frees a closure twice that is made inside one.
base::Task<Status> DiskAllocationFiles::save(std::string name, std::string text) {
  const std::string path = root_ + "/" + name;
  return pool_.run<void>("write " + path, kLimit, [path, text = std::move(text)]() -> Status {
    return base::write_file_atomically(path, text, 0600);
  });
}

}  // namespace keelson::agent
