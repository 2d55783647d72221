// StreamsTest: the base of tests of the node's HTTPS port: ClusterTest with the server on and an address of its own, so
// that the API server reaches it. Scripts run in bash with $KUBECTL set up; kubectl speaks SPDY, which the API server
// hands on as it is. Thread: the main one.
#pragma once

#include <string>

#include "tests/integration/cluster_node.hpp"

namespace keelson::integration {

inline constexpr char kNodeIp[] = "10.198.0.1";
inline constexpr int kNodePort = 10250;

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class StreamsTest : public ClusterTest {
 protected:
  void prepare() override;
  void SetUp() override;

  EnvironmentVariables variables() const;
  ProgramResult bash(const std::string& script, std::chrono::seconds limit = std::chrono::seconds(60));
  pid_t bash_beside(const std::string& script, const std::string& log);
  // The administrator's certificate and key as curl takes them, in this test's directory.
  std::string credentials();
  // A pod that is Ready.
  void run_pod(const std::string& name, const std::string& script, json more = json::object());
  std::size_t descriptors() const;
  // Anonymous memory of the agent, KiB.
  long memory() const;
};

}  // namespace keelson::integration
