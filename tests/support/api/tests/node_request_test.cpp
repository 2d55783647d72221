#include "tests/support/api/node_request.hpp"

#include <gtest/gtest.h>

namespace keelson::fakes {
namespace {

using nlohmann::json;

const json kPod = {
    {"spec",
     {{"containers", {{{"name", "main"}}, {{"name", "side"}}}}, {"ephemeralContainers", {{{"name", "debug"}}}}}}};

std::string shown(const std::string& target, const json& pod = kPod) {
  const auto at_node = node_target(parse_node_request(target), pod);
  return at_node.ok() ? *at_node : at_node.error().message();
}

TEST(NodeRequest, SaysAtTheNodeWhatTheApiWasAsked) {
  struct Row {
    const char* api;
    const char* node;
  };
  const Row rows[] = {
      {"/api/v1/namespaces/ns/pods/web/"
       "exec?container=main&command=sh&command=-c&command=a+b&stdin=true&stdout=true&tty=false",
       "/exec/ns/web/main?command=sh&command=-c&command=a%20b&input=1&output=1"},
      {"/api/v1/namespaces/ns/pods/web/attach?container=debug&stdin=true&stdout=true&stderr=false&tty=true",
       "/attach/ns/web/debug?input=1&output=1&tty=1"},
      {"/api/v1/namespaces/ns/pods/web/portforward", "/portForward/ns/web"},
      {"/api/v1/namespaces/ns/pods/web/portforward?ports=80&ports=81", "/portForward/ns/web?port=80&port=81"},
      {"/api/v1/namespaces/ns/pods/web/log?container=side&follow=true&tailLines=5&sinceTime=2026-01-01T00%3A00%3A00Z",
       "/containerLogs/ns/web/side?follow=true&sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=5"},
      {"/api/v1/nodes/n1/proxy/stats/summary?only_cpu_and_memory=true", "/stats/summary?only_cpu_and_memory=true"},
      {"/api/v1/nodes/n1/proxy", "/"},
      {"/api/v1/namespaces/ns/pods/web/log",
       "a container name must be specified for pod web, choose one of: [main side]"},
      {"/api/v1/namespaces/ns/pods/web/log?container=nope", "container nope is not valid for pod web"},
      {"/api/v1/namespaces/ns/pods/web/proxy?container=main", "this server knows no proxy of a pod"},
  };
  for (const auto& row : rows) EXPECT_EQ(shown(row.api), row.node) << row.api;
}

TEST(NodeRequest, TakesTheOnlyContainerWhenNoneIsNamed) {
  const json single = {{"spec", {{"containers", {{{"name", "only"}}}}}}};
  EXPECT_EQ(shown("/api/v1/namespaces/ns/pods/web/log", single), "/containerLogs/ns/web/only");
}

TEST(NodeRequest, FindsTheNodesPort) {
  const json node = {
      {"status",
       {{"addresses", {{{"type", "Hostname"}, {"address", "n1"}}, {{"type", "InternalIP"}, {"address", "fd00::1"}}}},
        {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", 12345}}}}}}}};
  EXPECT_EQ(*node_url(node), "https://[fd00::1]:12345");
  json other = node;
  other["status"]["addresses"].erase(1);
  other["status"].erase("daemonEndpoints");
  EXPECT_EQ(*node_url(other), "https://n1:10250");
  EXPECT_FALSE(node_url(json::object()).ok());
}

}  // namespace
}  // namespace keelson::fakes
