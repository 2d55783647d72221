// MemoryImageFiles: ImageFiles without a disk, for tests and the simulation. What is in `files` outlives agents.
//
// Owner: a test. Thread: the loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/images/image_files.hpp"

namespace keelson::agent::testing {

class MemoryImageFiles final : public ImageFiles {
 public:
  std::map<std::string, std::string> files;  // by path
  std::vector<std::string> log;              // "write PATH", "remove PATH", "read PATH", in order
  std::optional<Error> write_fails;          // of writes and removals
  std::optional<Error> read_fails;

  base::Task<Result<std::string>> read(std::string path) override {
    log.push_back("read " + path);
    if (read_fails) co_return *read_fails;
    const auto found = files.find(path);
    if (found == files.end()) co_return Error(ErrorKind::not_found, "open " + path + ": No such file or directory");
    co_return found->second;
  }
  base::Task<Result<std::vector<Entry>>> read_all(std::string directory) override {
    log.push_back("read " + directory);
    if (read_fails) co_return *read_fails;
    std::vector<Entry> entries;
    for (const auto& [path, content] : files) {
      const auto slash = path.rfind('/');
      if (path.substr(0, slash) == directory) entries.push_back({path.substr(slash + 1), content});
    }
    co_return entries;
  }
  base::Task<Status> write(std::string path, std::string content) override {
    log.push_back("write " + path);
    if (write_fails) co_return *write_fails;
    files[path] = std::move(content);
    co_return Status();
  }
  base::Task<Status> remove(std::string path) override {
    log.push_back("remove " + path);
    if (write_fails) co_return *write_fails;
    files.erase(path);
    co_return Status();
  }
};

}  // namespace keelson::agent::testing
