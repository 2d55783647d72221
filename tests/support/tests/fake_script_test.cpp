#include "tests/support/fake_script.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace keelson::fakes {
namespace {

TEST(FakeScript, ReadsEveryField) {
  const auto script = parse_script(R"(
runtime: {name: containerd, version: 1.6.20, events: false, networkReady: false, journalLimit: 5}
images: [busybox, {name: app:1, size: 7, user: nobody, pinned: true}]
pullable:
  - {name: "*", latency: 150ms}
  - {name: broken, error: {code: Unavailable, message: RegistryUnavailable}, errorTimes: 2, password: secret}
behaviours:
  - {image: app:1, container: main, pod: web, command: serve, times: 3, exitAfter: 1s, exitCode: 4, ignoreTerm: true,
     stopAfter: 2s, stopCode: 0, failStart: no such device, log: [one, two], terminationMessage: bye,
     exec: [{command: check, exitCode: 1, stdout: o, stderr: e, after: 1ms, hang: false, times: 2}]}
  - {container: refused, failCreate: {code: ResourceExhausted, message: full}, oom: true}
faults:
  - {rpc: CreateContainer, match: web, times: 2, skip: 1, latency: 1ms, applied: true, clear: [container_id]}
  - {rpc: "*", hang: true}
)");
  ASSERT_TRUE(script.ok()) << script.error().to_string();
  EXPECT_EQ(script->runtime.name, "containerd");
  EXPECT_FALSE(script->runtime.events);
  EXPECT_EQ(script->runtime.journal_limit, 5u);
  ASSERT_EQ(script->images.size(), 2u);
  EXPECT_EQ(script->images[0].name, "busybox");
  EXPECT_EQ(script->images[1].user, "nobody");
  ASSERT_EQ(script->pullable.size(), 2u);
  EXPECT_EQ(script->pullable[0].latency, std::chrono::milliseconds(150));
  EXPECT_EQ(script->pullable[1].error->error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(script->pullable[1].error_times, 2);
  ASSERT_EQ(script->behaviours.size(), 2u);
  const auto& rule = script->behaviours[0];
  EXPECT_EQ(rule.times, 3);
  EXPECT_EQ(rule.behaviour.exit_after, std::chrono::seconds(1));
  EXPECT_EQ(rule.behaviour.stop_code, 0);
  EXPECT_EQ(rule.behaviour.log.size(), 2u);
  ASSERT_EQ(rule.behaviour.exec.size(), 1u);
  EXPECT_EQ(rule.behaviour.exec[0].err, "e");
  EXPECT_EQ(script->behaviours[1].behaviour.fail_create->error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_EQ(script->faults.size(), 2u);
  EXPECT_TRUE(script->faults[0].applied);
  EXPECT_EQ(script->faults[0].clear, std::vector<std::string>{"container_id"});
  EXPECT_TRUE(script->faults[1].hang);
}

TEST(FakeScript, ReadsTheExampleOfTheReadme) {
  std::ifstream in(KEELSON_SOURCE_DIR "/tests/support/README.md");
  std::ostringstream text;
  text << in.rdbuf();
  const std::string readme = text.str();
  const auto begin = readme.find("```yaml\n");
  ASSERT_NE(begin, std::string::npos);
  const auto end = readme.find("```", begin + 3);
  const auto script = parse_script(readme.substr(begin + 8, end - begin - 8));
  ASSERT_TRUE(script.ok()) << script.error().to_string();
  EXPECT_EQ(script->behaviours.size(), 6u);
  EXPECT_EQ(script->faults.size(), 5u);
}

TEST(FakeScript, IsEmptyWhenTheTextIs) {
  EXPECT_TRUE(parse_script("").ok());
  EXPECT_TRUE(parse_script("{}").ok());
}

TEST(FakeScript, SaysLineAndFieldOfAMistake) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"behaviours:\n- {container: a, exitCod: 1}", "line 2: behaviours: unknown field \"exitCod\""},
      {"behaviours:\n- {exitAfter: soon}", "line 2: behaviours.exitAfter: expected a duration"},
      {"faults:\n- {rpc: Version, error: {code: Nope}}", "unknown gRPC code \"Nope\""},
      {"faults:\n- {hang: true}", "line 2: faults.rpc: required"},
      {"images: busybox", "script.images: expected a list"},
      {"runtime: {events: maybe}", "runtime.events: wrong type"},
      {"- a", "script: expected a mapping"},
      {"images: [", "line 1"}};
  for (const auto& [text, expected] : rows) {
    SCOPED_TRACE(text);
    const auto script = parse_script(text);
    ASSERT_FALSE(script.ok());
    EXPECT_NE(script.error().to_string().find(expected), std::string::npos) << script.error().to_string();
  }
}

}  // namespace
}  // namespace keelson::fakes
