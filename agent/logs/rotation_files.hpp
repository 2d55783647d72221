// What log rotation does on the disk, and GzipFile, which compresses a rotated file in steps.
//
// All here are plain calls that wait for the disk: they belong on the blocking pool. A crash between any two of them
// leaves a file of a kind that the next rotation knows: LOG.TIME.tmp is removed, LOG.TIME beside LOG.TIME.gz too, and a
// log that is missing is opened by the runtime when it is told to. Source: contract 02 §19, contract 05 §8; zlib(3).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/result.hpp"

namespace keelson::logs {

// Of each path its size, or nothing when there is no such file. One that cannot be looked at counts as empty.
std::vector<std::optional<std::int64_t>> log_sizes(const std::vector<std::string>& paths);

struct PutAside {
  bool done = false;                  // false: the new name is taken
  std::vector<std::string> compress;  // paths, oldest first
};

// Makes room among the rotated files of the log, then gives it the name `rotated`; does nothing when that is taken.
// `in_work`: the path of the rotated file that is being compressed right now, or nothing.
Result<PutAside> put_aside(const std::string& log, const std::string& rotated, int max_files,
                           const std::string& in_work);
// Undoes it, unless the runtime has made a new log meanwhile.
Status put_back(const std::string& rotated, const std::string& log);

// PATH becomes PATH.gz with the same mode, by way of PATH.tmp, which goes when the object does. Memory is a fixed 300
// KiB. Owner: the task that compresses and the call it has on the pool; one at a time. What fails: the disk, when it is
// full above all (PATH stays then); `cancelled` when PATH has been removed meanwhile.
class GzipFile {
 public:
  static Result<std::shared_ptr<GzipFile>> open(const std::string& path);
  ~GzipFile();
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  // Compresses `bytes` more. True when all is done and PATH is gone.
  Result<bool> step(std::size_t bytes);

 private:
  struct Stream;
  GzipFile(std::string path, base::UniqueFd in, base::UniqueFd out, mode_t mode);
  Result<bool> is_removed() const;
  bool is_ours() const;
  Result<std::size_t> read_some();
  Status deflate_some(std::size_t size, bool last);
  Status finish();

  std::string path_;
  std::string unfinished_;
  base::UniqueFd in_;
  base::UniqueFd out_;
  mode_t mode_;
  std::unique_ptr<Stream> stream_;
  bool finished_ = false;
};

}  // namespace keelson::logs
