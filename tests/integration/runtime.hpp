// Runtime: the containerd that all tests of one program share, and what it says itself, past the agent.
//
// Made with the first test that asks for it; the test program then lives in its network namespace, so that the agents
// it starts and the connections it makes are where the pods are. Owner: a gtest environment, which removes it. Thread:
// the main one. What fails aborts the test by an exception, since no test can go on without it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/containerd_fixture.hpp"

namespace keelson::integration {

struct RuntimeContainer {
  std::string id;  // without containerd://
  std::string name;
  std::string pod;  // name of its pod
  std::string sandbox;
  unsigned attempt = 0;
  bool running = false;
};

struct RuntimeSandbox {
  std::string id;
  std::string pod;
  bool ready = false;
};

class Runtime {
 public:
  // Null, with the reason, where there can be none: not root, containerd not installed.
  static Runtime* get(std::string& why_not);
  ~Runtime();

  fakes::ContainerdFixture& fixture() { return *fixture_; }
  std::string socket() const { return fixture_->endpoint().substr(7); }

  std::vector<RuntimeContainer> containers();  // dead ones too
  std::vector<RuntimeSandbox> sandboxes();
  // Of one pod.
  std::vector<RuntimeContainer> containers_of(const std::string& pod);
  std::vector<RuntimeSandbox> sandboxes_of(const std::string& pod);
  // id -> process, of all running containers.
  std::map<std::string, int> processes();
  int process_of(const std::string& id);
  // Everything but images.
  void remove_all();

 private:
  struct Stubs;
  void remove_all_once();
  void kill_tasks();
  explicit Runtime(std::unique_ptr<fakes::ContainerdFixture> fixture);

  std::unique_ptr<fakes::ContainerdFixture> fixture_;
  std::unique_ptr<Stubs> stubs_;
  int own_netns_ = -1;
};

}  // namespace keelson::integration
