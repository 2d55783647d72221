// LogWatch: tells those who follow log files that something happened to them. One inotify for all of them.
//
// A follower has an Ear for its file, which watches the file's directory: the bell rings when the file, or one that it
// has become by rotation, changes, comes, goes or is closed. Followers of one directory share its watch, and a bell
// that rings many times wakes its follower once. Owner: LogReader. Thread: the loop. Stops: stop(), after the last Ear
// has gone or before. What fails: without inotify (no more instances or watches) no bell rings, and followers are left
// to their forced looks. Source: contract 05 §8 (follow); inotify(7).
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/loop.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"

namespace keelson::logs {

class LogWatch {
 public:
  class Ear {
   public:
    ~Ear();
    Ear(const Ear&) = delete;
    Ear& operator=(const Ear&) = delete;

    // Since it was asked last: who wrote the file has closed it under its own name, as at a container's end, or under
    // the name that rotation gave it.
    bool take_closed() { return std::exchange(closed_, false); }
    bool take_rotated_closed() { return std::exchange(rotated_closed_, false); }

   private:
    friend class LogWatch;
    Ear(LogWatch& watch, std::string name, base::Notification& bell)
        : watch_(watch), name_(std::move(name)), bell_(bell) {}
    void hear(std::uint32_t mask, std::string_view name);

    LogWatch& watch_;
    std::string name_;
    base::Notification& bell_;
    int descriptor_ = -1;
    bool closed_ = false;
    bool rotated_closed_ = false;
  };

  LogWatch(base::Loop& loop, base::Logger log);
  base::Task<void> stop();

  // Both `bell` and the watch outlive the Ear. Not null.
  std::unique_ptr<Ear> listen(const std::string& file, base::Notification& bell);
  std::size_t directories() const { return ears_.size(); }

 private:
  base::Task<void> run();
  void drain();
  void tell(int descriptor, std::uint32_t mask, std::string_view name);
  void ring_all();
  void leave(Ear& ear);

  base::Logger log_;
  std::optional<boost::asio::posix::stream_descriptor> inotify_;
  std::map<int, std::set<Ear*>> ears_;  // by watch descriptor
  bool running_ = false;
  bool complained_ = false;
  base::Gate gate_;
};

}  // namespace keelson::logs
