// NodeFiles: the files and directories below one directory of the node, read on the blocking pool.
//
// A path is taken from the root and cannot leave it by "..". Links are followed wherever they lead, as they are by the
// kubelet: containers/*.log leads to /var/log/pods, and with some runtimes on to their own directories. What a link
// must not do here: lead through /proc's own links to what another process has open, or to a device or pipe, whose
// opening alone may have an effect. Owner: the agent's wiring or a test; the pool outlives it. Thread: the loop. Stops:
// nothing runs of its own. What fails: Error::code() is the errno; a hung file system costs one thread of the pool and
// is `deadline_exceeded`. Source: contract 05 §7; openat2(2).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/node_api/file_answer.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::node_api {

struct NodeFile {
  std::shared_ptr<base::UniqueFd> fd;
  bool directory = false;
  std::int64_t size = 0;
  base::SystemTime modified{};
};

class NodeFiles {
 public:
  NodeFiles(base::BlockingPool& pool, std::string root) : pool_(pool), root_(std::move(root)) {}

  const std::string& root() const { return root_; }

  base::Task<Result<NodeFile>> open(std::string path);
  // At most `count` bytes; fewer only at the end. It holds the file by itself.
  base::Task<Result<std::string>> read(const NodeFile& file, std::int64_t offset, std::size_t count);
  base::Task<Result<std::vector<ListedName>>> list(const NodeFile& directory);

 private:
  base::BlockingPool& pool_;
  std::string root_;
};

}  // namespace keelson::node_api
