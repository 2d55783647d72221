// The runtime that the conformance suite asks: one per test program, made by make_target() of target_*.cpp.
//
// The suite itself knows no runtime; what may differ between runtimes, and which the agent copes with, is declared
// here.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

namespace keelson::conformance {

// Facts in which runtimes differ.
struct Traits {
  bool events = false;          // GetContainerEvents is served (containerd: since 1.7)
  bool runtime_config = false;  // RuntimeConfig is served (containerd: since 2.0)
  bool image_ids = false;       // image_id in Container and ContainerStatus (containerd: since 2.0)
};

class Target {
 public:
  virtual ~Target() = default;

  virtual std::string endpoint() const = 0;
  virtual Traits traits() const = 0;
  // Below which pods' groups may be made; empty = the runtime's own place.
  virtual std::string cgroup_root() const = 0;
  // Stops serving and serves again; containers go on.
  virtual void restart() = 0;
  // Makes the next container called `name` end by the OOM killer, as far as its command alone does not.
  virtual void expect_oom(const std::string& name) = 0;
  // Another target, alike but without a pod network.
  virtual std::unique_ptr<Target> without_network() = 0;
  // What to look at when a test fails.
  virtual std::string log_tail() const { return ""; }
};

// nullptr when this machine cannot have it; `why` says what is missing.
std::unique_ptr<Target> make_target(std::string& why);

}  // namespace keelson::conformance
