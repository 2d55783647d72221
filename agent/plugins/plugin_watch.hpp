// PluginWatch: the sockets below a directory, as they come, go and are made anew.
//
// inotify on the directory and all below it; names that begin with a dot, links and all that is no socket do not count.
// A socket has a number that is another one each time it is made. Owner: PluginRegistrations. Thread: the loop. Stops:
// destroy it once nobody awaits readable(). What fails: without inotify, or while the directory is missing, armed() is
// false and only scan() finds anything. Source: contract 04 §19; inotify(7).
#pragma once

#include <sys/stat.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

class PluginWatch {
 public:
  PluginWatch(base::Loop& loop, std::string directory);

  // By path: a number that tells one socket of that path from the next.
  std::map<std::string, std::uint64_t> sockets() const;

  // Looks at all of it, and sees to it that changes are told from now on.
  void scan();
  bool armed() const { return armed_; }
  bool available() const { return descriptor_.has_value(); }
  // Why not all is watched; nothing when it is.
  const std::optional<Error>& error() const { return error_; }

  // Takes in what has happened so far, without waiting.
  void drain();
  base::Task<void> readable();

 private:
  struct Socket {
    std::uint64_t number = 0;
    dev_t device{};
    ino_t inode{};
  };

  void scan_tree(const std::string& directory, int depth);
  void note(const std::string& path, int depth);
  void forget_below(const std::string& path);
  void handle(std::uint32_t mask, const std::string& directory, const std::string& name);

  std::string directory_;
  std::optional<boost::asio::posix::stream_descriptor> descriptor_;
  std::optional<Error> error_;
  bool armed_ = false;
  std::map<int, std::string> directories_;  // by watch descriptor
  std::map<std::string, Socket> sockets_;
  std::uint64_t last_number_ = 0;
};

}  // namespace keelson::agent
