#include "agent/cli/own_flags.hpp"

#include <gtest/gtest.h>

#include "agent/control/server.hpp"

namespace keelson::agent {
namespace {

TEST(OwnFlags, AreTakenOffAndTheRestIsLeftAsItIs) {
  struct Row {
    std::vector<std::string> args;
    std::string socket;
    std::vector<std::string> rest;
  };
  const Row rows[] = {
      {{}, default_control_socket, {}},
      {{"--config", "a"}, default_control_socket, {"--config", "a"}},
      {{"--control-socket", "/x", "-v", "2"}, "/x", {"-v", "2"}},
      {{"-v", "2", "--control-socket=/x"}, "/x", {"-v", "2"}},
      {{"--control_socket=/x"}, "/x", {}},
      // Without a value it is left for config to refuse.
      {{"--control-socket"}, default_control_socket, {"--control-socket"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.args.empty() ? "nothing" : row.args.front());
    auto args = row.args;
    EXPECT_EQ(take_own_flags(args).control_socket, row.socket);
    EXPECT_EQ(args, row.rest);
  }
}

}  // namespace
}  // namespace keelson::agent
