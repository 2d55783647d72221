#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/base64.hpp"
#include "api/document.hpp"
#include "api/time.hpp"
#include "base/tests/tasks.hpp"
#include "kube-client/configured_credentials.hpp"
#include "kube-client/exec_credentials.hpp"
#include "kube-client/tests/cert_support.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using base::testing::drain;
using base::testing::pump_until;
using base::testing::stop_now;
using Header = std::optional<Result<std::string>>;

constexpr const char* kV1 = "client.authentication.k8s.io/v1";

class CredentialsTest : public ::testing::Test {
 protected:
  ~CredentialsTest() override {
    EXPECT_TRUE(pump_until(loop, [this] { return stop_now(loop, gate); }));
  }

  std::string header(Credentials& credentials) {
    Header answer;
    base::spawn(gate, "ask", keep_answer(credentials.authorization(), &answer));
    EXPECT_TRUE(pump_until(loop, [&] { return answer.has_value(); }));
    return answer->ok() ? **answer : "(" + answer->error().to_string() + ")";
  }
  Identity pair() { return ca.issue(node_names("n1"), clock.now(), 1h); }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Gate gate{loop};
  TestCa ca;
  TempDir dir;
};

TEST_F(CredentialsTest, TextIsSentAsItIs) {
  UserConfig bearer;
  bearer.token = "abc";
  UserConfig basic;
  basic.username = "me";
  basic.password = "p:w";
  EXPECT_EQ(header(*make_credentials(loop, clock, bearer, {}, {})), "Bearer abc");
  EXPECT_EQ(header(*make_credentials(loop, clock, basic, {}, {})), "Basic " + api::base64_encode("me:p:w"));
  EXPECT_EQ(header(*make_credentials(loop, clock, {}, {}, {})), "");
}

TEST_F(CredentialsTest, ATokenFileIsReadAgainWhenItChanges) {
  UserConfig user;
  user.token = "first";
  user.token_file = dir / "token";
  ConfiguredCredentials credentials(clock, user, {});
  EXPECT_EQ(header(credentials), "Bearer first") << "until the file is there";
  dir.write("token", " one \n");
  EXPECT_EQ(header(credentials), "Bearer one");
  dir.write("token", "twotwo");
  EXPECT_EQ(header(credentials), "Bearer twotwo");
  dir.write("token", "\n");
  EXPECT_EQ(header(credentials), "Bearer twotwo") << "an empty file is no token";
  ::unlink((dir / "token").c_str());
  EXPECT_EQ(header(credentials), "Bearer twotwo") << "the last good one";
}

TEST_F(CredentialsTest, ATokenFileThatNeverHeldATokenIsAnError) {
  UserConfig user;
  user.token_file = dir.write("token", "");
  ConfiguredCredentials credentials(clock, user, {});
  EXPECT_EQ(header(credentials), "(token file " + user.token_file + " is empty)");
}

TEST_F(CredentialsTest, ReplacedCertificateFilesAreToldWithinTenSeconds) {
  const Identity first = pair();
  const Identity second = pair();
  UserConfig user;
  user.certificate_file = dir.write("tls.crt", first.certificate_pem);
  user.key_file = dir.write("tls.key", first.key_pem);
  ConfiguredCredentials credentials(clock, user, {});
  int told = 0;
  credentials.on_identity_change([&] { ++told; });
  credentials.start(gate);
  EXPECT_EQ(credentials.identity(), first);
  clock.advance(30s);
  EXPECT_EQ(told, 0);

  dir.write("tls.crt", second.certificate_pem + " ");
  clock.advance(10s);
  EXPECT_EQ(credentials.identity(), first) << "half replaced: the last good pair stays";
  EXPECT_EQ(told, 0);
  dir.write("tls.key", second.key_pem);
  EXPECT_EQ(credentials.identity(), second) << "a new connection has it at once";
  clock.advance(10s);
  EXPECT_EQ(told, 1) << "and the old connections are told";
  ::unlink((dir / "tls.crt").c_str());
  clock.advance(10s);
  EXPECT_EQ(credentials.identity(), second);
  EXPECT_EQ(told, 1);
}

class ExecTest : public CredentialsTest {
 protected:
  std::unique_ptr<ExecCredentials> plugin(const std::string& script, ExecPlugin exec = {}) {
    exec.command = dir.write("plugin.sh", "#!/bin/sh\necho run >> " + (dir / "runs") + "\n" + script, 0755);
    if (exec.api_version.empty()) exec.api_version = kV1;
    auto credentials = std::make_unique<ExecCredentials>(loop, clock, exec, process_environment(), base::Logger());
    credentials->start(gate);
    return credentials;
  }
  static std::string answer(const std::string& status) {
    return "cat <<'END'\n{\"kind\":\"ExecCredential\",\"apiVersion\":\"" + std::string(kV1) + "\",\"status\":{" +
           status + "}}\nEND\n";
  }
  std::string expires_in(base::Duration duration) const {
    return api::format_time(api::make_time(clock.now() + duration));
  }
  std::size_t runs() const {
    const std::string text = read(dir / "runs");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
};

TEST_F(ExecTest, ATokenIsAskedForOnceAndKept) {
  auto credentials = plugin(answer(R"("token":"t1")"));
  EXPECT_EQ(header(*credentials), "Bearer t1");
  clock.advance(24h);
  EXPECT_EQ(header(*credentials), "Bearer t1");
  EXPECT_EQ(runs(), 1u);
}

TEST_F(ExecTest, AnExpiredOrRefusedTokenIsAskedForAgain) {
  auto credentials = plugin(answer(R"("token":"t1","expirationTimestamp":")" + expires_in(1h) + "\""));
  EXPECT_EQ(header(*credentials), "Bearer t1");
  clock.advance(59min);
  header(*credentials);
  EXPECT_EQ(runs(), 1u);
  clock.advance(2min);
  header(*credentials);
  EXPECT_EQ(runs(), 2u);
  credentials = plugin(answer(R"("token":"t2")"));
  EXPECT_EQ(header(*credentials), "Bearer t2");
  credentials->rejected();
  EXPECT_EQ(header(*credentials), "Bearer t2");
  EXPECT_EQ(runs(), 4u);
}

TEST_F(ExecTest, ThoseWhoAskTogetherShareOneRun) {
  auto credentials = plugin(answer(R"("token":"t1")"));
  std::vector<Header> answers(5);
  for (auto& place : answers) base::spawn(gate, "ask", keep_answer(credentials->authorization(), &place));
  EXPECT_TRUE(pump_until(loop, [&] {
    return std::all_of(answers.begin(), answers.end(), [](const Header& one) { return one.has_value(); });
  }));
  for (const auto& place : answers) EXPECT_EQ(**place, "Bearer t1");
  EXPECT_EQ(runs(), 1u);
}

TEST_F(ExecTest, ACallerThatGivesUpDoesNotTakeTheRunAlong) {
  const std::string fifo = dir / "go";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const int go = ::open(fifo.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(go, 0);
  auto credentials = plugin("read -r line < " + fifo + "\n" + answer(R"("token":"t1")"));
  Header given_up;
  Header patient;
  base::spawn(gate, "impatient", keep_answer(credentials->authorization(), &given_up));
  base::spawn(gate, "patient", keep_answer(credentials->authorization(), &patient));
  drain(loop);
  gate.cancel("impatient");
  EXPECT_EQ(::write(go, "\n", 1), 1);
  EXPECT_TRUE(pump_until(loop, [&] { return patient.has_value(); }));
  EXPECT_EQ(**patient, "Bearer t1");
  EXPECT_FALSE(given_up.has_value());
  ::close(go);
}

TEST_F(ExecTest, ACertificateBecomesTheIdentityAndIsTold) {
  const Identity identity = pair();
  const auto escaped = [](std::string text) {
    for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at))
      text.replace(at, 1, "\\n");
    return text;
  };
  auto credentials = plugin(answer("\"clientCertificateData\":\"" + escaped(identity.certificate_pem) +
                                   "\",\"clientKeyData\":\"" + escaped(identity.key_pem) + "\""));
  int told = 0;
  credentials->on_identity_change([&] { ++told; });
  EXPECT_EQ(credentials->identity(), std::nullopt);
  EXPECT_EQ(header(*credentials), "");
  EXPECT_EQ(credentials->identity(), identity);
  EXPECT_EQ(told, 1);
  credentials->rejected();
  header(*credentials);
  EXPECT_EQ(told, 1) << "the same certificate again is no change";
}

TEST_F(ExecTest, ThePluginGetsArgumentsEnvironmentAndInfo) {
  ExecPlugin exec;
  exec.args = {"a b", "c"};
  exec.env = {{"MINE", "x y"}};
  exec.cluster_json = R"({"server":"https://h"})";
  auto credentials =
      plugin("printf '%s\\n' \"$#\" \"$1\" \"$2\" \"$MINE\" \"$KUBERNETES_EXEC_INFO\" \"${PATH:+path}\" > " +
                 (dir / "seen") + "\n" + answer(R"("token":"t")"),
             exec);
  EXPECT_EQ(header(*credentials), "Bearer t");
  EXPECT_EQ(read(dir / "seen"),
            "2\na b\nc\nx y\n"
            R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"cluster":)"
            R"({"server":"https://h"},"interactive":false}})"
            "\npath\n");
}

TEST_F(ExecTest, AFailureTellsWhatThePluginSaidAndIsTriedAgainLater) {
  auto credentials = plugin("echo 'no login' >&2; echo 'go away' >&2; exit 3\n");
  const std::string expected =
      "(getting credentials from exec plugin " + (dir / "plugin.sh") + ": it exited with status 3: no login go away)";
  EXPECT_EQ(header(*credentials), expected);
  EXPECT_EQ(header(*credentials), expected);
  EXPECT_EQ(runs(), 1u) << "not at once again";
  clock.advance(3s);
  EXPECT_EQ(header(*credentials), expected);
  EXPECT_EQ(runs(), 2u);
}

TEST_F(ExecTest, AFailureLeavesNothingOfTheOldToken) {
  auto credentials = plugin("test -e " + (dir / "broken") + " && exit 1\n" + answer(R"("token":"t1")"));
  EXPECT_EQ(header(*credentials), "Bearer t1");
  dir.write("broken", "");
  credentials->rejected();
  EXPECT_TRUE(header(*credentials).starts_with("(getting credentials")) << header(*credentials);
  ::unlink((dir / "broken").c_str());
  clock.advance(3s);
  EXPECT_EQ(header(*credentials), "Bearer t1");
}

TEST_F(ExecTest, APluginThatHangsIsKilledAfterAMinute) {
  auto credentials = plugin("echo $$ > " + (dir / "pid") + "\nsleep 1000 & wait\n");
  Header answer;
  base::spawn(gate, "ask", keep_answer(credentials->authorization(), &answer));
  ASSERT_TRUE(pump_until(loop, [&] { return read(dir / "pid").ends_with("\n"); }));
  clock.advance(59s);
  EXPECT_FALSE(answer.has_value());
  clock.advance(2s);
  ASSERT_TRUE(pump_until(loop, [&] { return answer.has_value(); }));
  EXPECT_NE(answer->error().to_string().find("did not end within 60s"), std::string::npos);
  EXPECT_EQ(answer->error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_NE(::kill(std::stoi(read(dir / "pid")), 0), 0) << "it is gone";
}

TEST_F(ExecTest, StoppingKillsThePlugin) {
  auto credentials = plugin("echo $$ > " + (dir / "pid") + "\nexec sleep 1000\n");
  Header answer;
  base::spawn(gate, "ask", keep_answer(credentials->authorization(), &answer));
  ASSERT_TRUE(pump_until(loop, [&] { return read(dir / "pid").ends_with("\n"); }));
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_FALSE(answer.has_value());
  const std::string status = "/proc/" + std::to_string(std::stoi(read(dir / "pid"))) + "/stat";
  EXPECT_TRUE(pump_until(loop, [&] {
    const std::string text = read(status);
    return text.find(") Z ") != std::string::npos || text.starts_with("(");
  }));
}

TEST_F(ExecTest, AMissingPluginTellsTheHint) {
  ExecPlugin exec;
  exec.command = "/none/plugin";
  exec.api_version = kV1;
  exec.install_hint = "apt install plugin";
  ExecCredentials credentials(loop, clock, exec, {}, {});
  credentials.start(gate);
  EXPECT_EQ(header(credentials),
            "(getting credentials from exec plugin /none/plugin: start /none/plugin: No such file or directory: apt "
            "install plugin)");
}

TEST(ExecAnswer, WhatDoesNotFitIsRefused) {
  struct Row {
    std::string text, problem;
  };
  const std::string head = R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1")";
  const std::vector<Row> rows = {
      {"", "expected an object of kind ExecCredential"},
      {"nonsense", "expected an object of kind ExecCredential"},
      {"{", "line"},
      {R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"t"}})",
       "expected apiVersion client.authentication.k8s.io/v1, found client.authentication.k8s.io/v1beta1"},
      {head + "}", "there is no status in it"},
      {head + R"(,"status":{}})", "there is neither token nor certificate in status"},
      {head + R"(,"status":{"token":5}})", "status.token: expected a string"},
      {head + R"(,"status":{"clientCertificateData":"x"}})",
       "expected clientCertificateData and clientKeyData together"},
      {head + R"(,"status":{"clientCertificateData":"x","clientKeyData":"y"}})", "no certificate in PEM form"},
      {head + R"(,"status":{"token":"t","expirationTimestamp":"soon"}})", "status.expirationTimestamp"},
  };
  for (const auto& row : rows) {
    const auto answer = parse_exec_answer(row.text, kV1);
    ASSERT_FALSE(answer.ok()) << row.text;
    EXPECT_NE(answer.error().to_string().find(row.problem), std::string::npos) << answer.error().to_string();
  }
}

}  // namespace
}  // namespace keelson::kube
