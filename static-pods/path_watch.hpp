// PathWatch: inotify on the manifest path, which may be a file, a directory, a link, or not there yet.
//
// Owner: DirectorySource. Thread: the loop. Watches the path itself when it is a directory, and its nearest existing
// ancestor, so that the path is noticed when it appears or is replaced. arm() is cheap and is called before every scan;
// whatever happens after it will ring. Without inotify (no more instances, say) available() is false and only the
// periodic rescan is left. Stops: destroy it once nobody awaits readable(). Source: inotify(7).
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::static_pods {

struct PathEvent {
  enum class Kind {
    writing,   // the file was created or written to and is not closed yet
    complete,  // it was closed after writing, moved here or linked
    touched,   // its attributes changed
    gone,      // it was removed or moved away
    path,      // something happened to the path itself or above it
    lost,      // events were lost
  };
  Kind kind = Kind::path;
  std::string file;  // whole path; empty for path and lost
};

class PathWatch {
 public:
  PathWatch(base::Loop& loop, std::string path);

  bool available() const { return descriptor_.has_value(); }
  // Why not, when not available.
  const std::optional<Error>& error() const { return error_; }

  void arm();
  // What has happened so far, without waiting.
  std::vector<PathEvent> drain();
  base::Task<void> readable();

 private:
  struct Target {
    std::string directory;
    std::string name;  // only this entry matters; empty: all do
  };
  void watch(const std::string& directory, const std::string& name, std::uint32_t mask,
             std::map<int, std::vector<Target>>& wanted);

  std::string path_;
  std::optional<boost::asio::posix::stream_descriptor> descriptor_;
  std::optional<Error> error_;
  std::map<int, std::vector<Target>> targets_;  // by watch descriptor: two names of one directory share one
};

}  // namespace keelson::static_pods
