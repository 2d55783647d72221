// ClusterTest: the base of tests that need a node of a cluster: NodeTest with a fake API server that the agent has
// joined by a bootstrap token, and kubectl as the user. Skipped where no kubectl can be had. Thread: the main one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/api_server.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {

class ClusterTest : public NodeTest {
 protected:
  void SetUp() override;
  void TearDown() override;
  // Before the agent is started for the first time: further settings.
  virtual void prepare() {}

  // What it prints; empty when it fails, and then last_error says why.
  std::string kubectl(ProgramArguments arguments);
  std::string field(const std::string& kind, const std::string& name, const std::string& path);
  bool node_is_ready();
  bool pod_is_ready(const std::string& name);
  bool is_gone(const std::string& kind, const std::string& name);
  void apply(const json& object);
  json object(const std::string& kind, const std::string& name);  // null when it is not there
  void withdraw_all();

  std::unique_ptr<ApiServer> server;
  std::string last_error;
  std::vector<std::string> placed;
};

}  // namespace keelson::integration
