// ContainerdFixture: a real containerd for tests, private and short-lived, made by tools/runtime-env.
//
// It lives in a network namespace of its own with a bridge network, a root and a state directory below a temporary
// directory. Owner: a test suite (it takes about a second to make). Thread: the one that made it; start() and
// destruction block. The destructor removes everything; what a killed test leaves is removed by the next start(),
// which runs `tools/runtime-env gc`. Failures: start() answers the script's own message; `permission_denied` when not
// root and `not_found` when a needed program is missing, so that a test can skip.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"

namespace keelson::fakes {

struct ContainerdOptions {
  bool network = true;
  bool registry = false;  // tools/test-registry as registry.keelson.test
};

class ContainerdFixture {
 public:
  static Result<std::unique_ptr<ContainerdFixture>> start(ContainerdOptions options = {});
  ~ContainerdFixture();
  ContainerdFixture(const ContainerdFixture&) = delete;
  ContainerdFixture& operator=(const ContainerdFixture&) = delete;

  const std::string& directory() const { return directory_; }
  const std::string& endpoint() const { return endpoint_; }        // unix:///...
  const std::string& netns() const { return netns_; }              // path, for nsenter or setns
  const std::string& cgroup_root() const { return cgroup_root_; }  // a group that disappears with the fixture
  // The end of containerd's log.
  std::string log_tail() const;

  // Stops containerd, leaving containers running, and starts it again.
  Status restart();
  // Kills it with SIGKILL, leaving containers running; restart() starts it again.
  Status kill();

 private:
  ContainerdFixture() = default;

  std::string directory_;
  std::string endpoint_;
  std::string netns_;
  std::string cgroup_root_;
};

}  // namespace keelson::fakes
