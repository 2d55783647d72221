// LogCursor: a place in a container's log, from which the log is read on, over to the files that follow by rotation.
//
// All here are plain calls that may wait for the disk: they belong on the blocking pool, but for peek(), which takes
// only what the page cache holds, and look(), which asks for facts of files that are open. One step gives out about
// `most_out` bytes and reads at most `most_read`, so that a client that has gone costs no more than that. Owner:
// LogReader's task and the call it has on the pool; one at a time. What fails: the file, with the kubelet's texts.
// Source: contract 05 §8.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "agent/logs/log_options.hpp"
#include "agent/logs/log_tail.hpp"
#include "agent/logs/log_text.hpp"
#include "base/file.hpp"
#include "base/result.hpp"

namespace keelson::logs {

class LogCursor {
 public:
  static constexpr std::size_t most_out = 64 * 1024;
  static constexpr std::size_t most_read = 8u << 20;

  struct Step {
    enum class End {
      more,     // there is more to read
      drained,  // the file ends here, for now
      done,     // nothing more is to be shown
      blocked,  // the disk would have to be waited for
    };
    std::string out;
    End end = End::more;
  };
  enum class Look {
    same,
    cut,       // the file has been emptied: the cursor is at its beginning now
    replaced,  // another file has its name
  };

  // Links in the path are resolved.
  static Result<std::shared_ptr<LogCursor>> open(const std::string& path, const LogOptions& options);
  const std::string& path() const { return path_; }

  // Goes to where the tail begins. True when it is there, else again; read() and peek() come after that.
  Result<bool> seek();
  Result<Step> read();
  // `blocked` when the disk, or this file system in general, cannot answer at once.
  Result<Step> peek();
  // The last record without a newline, once the file has been drained.
  Result<Step> finish();

  Look look();
  // Goes over to the file that was written after this one. False when there is none yet.
  Result<bool> next_file();

 private:
  LogCursor(std::string path, base::UniqueFd fd, const LogOptions& options, std::int64_t size);
  Result<bool> take(Step& step, std::string_view bytes);
  std::string successor(const struct stat& mine) const;
  base::UniqueFd open_successor() const;

  std::string path_;
  base::UniqueFd fd_;
  LogOptions options_;
  LogText text_;
  TailSearch tail_;
  std::int64_t offset_ = 0;
  bool can_peek_ = true;
};

using LogCursorPtr = std::shared_ptr<LogCursor>;

}  // namespace keelson::logs
