// kubectl logs, exec, attach, cp, port-forward and debug, through the API server to the node's port and a real
// containerd.
//
// Source: contract 05 §6, §8, §9.
#include <signal.h>

#include "base/file.hpp"
#include "tests/integration/streams_node.hpp"

namespace keelson::integration {
namespace {

constexpr char kServe[] = "mkdir -p /www && head -c 20000000 /dev/urandom > /www/blob && exec httpd -f -p 8080 -h /www";

TEST_F(StreamsTest, LogsAreReadAndFollowed) {
  apply(pod("talks", {shell("main", "echo one; echo two >&2; until [ -e /tmp/go ]; do sleep 0.1; done; echo three")},
            {{"restartPolicy", "Never"}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("talks"); }));
  ASSERT_TRUE(eventually("its lines", [&] { return bash("$KUBECTL logs talks").out == "one\ntwo\n"; }));
  EXPECT_EQ(bash("$KUBECTL logs talks --tail=1").out, "two\n");
  EXPECT_EQ(bash("$KUBECTL logs talks --limit-bytes=6").out, "one\ntw");
  const auto stamped = bash("$KUBECTL logs talks --timestamps --tail=1").out;
  EXPECT_TRUE(has(stamped, "Z two\n")) << stamped;
  const auto nobody = bash("$KUBECTL logs talks --previous");
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_TRUE(has(nobody.err, "previous terminated container \"main\" in pod \"talks\" not found")) << nobody.err;

  const pid_t follower = bash_beside("exec $KUBECTL logs -f talks", "follow.log");
  ASSERT_TRUE(eventually("the follower", [&] { return has(read_text(directory + "/follow.log"), "two\n"); }));
  EXPECT_EQ(bash("$KUBECTL exec talks -- touch /tmp/go").exit_code, 0);
  ASSERT_TRUE(eventually("the follower's end", [&] { return exit_code_of(follower) == 0; }));
  EXPECT_EQ(read_text(directory + "/follow.log"), "one\ntwo\nthree\n");
}

TEST_F(StreamsTest, ExecCarriesItsStreamsAndItsExitCode) {
  run_pod("web", kSleep);
  const auto result = bash("$KUBECTL exec web -- sh -c 'echo out; echo err >&2; exit 7'");
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_TRUE(has(result.err, "err\n")) << result.err;
  EXPECT_TRUE(has(result.err, "command terminated with exit code 7")) << result.err;

  const auto absent = bash("$KUBECTL exec web -- /no/such");
  EXPECT_NE(absent.exit_code, 0);
  EXPECT_TRUE(has(absent.err, "no such file or directory")) << absent.err;

  // Standard input ends, which the command hears.
  const std::string sum = bash("head -c 20000000 /dev/urandom > blob && md5sum < blob").out;
  ASSERT_NE(sum, "");
  EXPECT_EQ(bash("$KUBECTL exec -i web -- md5sum < blob").out, sum);
  EXPECT_EQ(bash("$KUBECTL exec -i web -- cat < blob | md5sum").out, sum);
  EXPECT_EQ(bash("printf 'a\\nb\\n' | $KUBECTL exec -i web -- sort -r").out, "b\na\n");
}

TEST_F(StreamsTest, ExecHasATerminalOfTheClientsSize) {
  run_pod("web", kSleep);
  // The window changes once the command has seen its first size, which comes soon after it has begun.
  const auto result = bash(R"(script -qec "stty rows 33 cols 77; terminal=\$(tty); )"
                           R"((until grep -q '33 77' seen; do sleep 0.1; done; stty rows 44 cols 88 < \$terminal) & )"
                           R"($KUBECTL exec -it web -- sh -c 'until stty size 2>&1 | tee /dev/tty | grep -q 44; )"
                           R"(do sleep 0.1; done'" /dev/null | tee seen)");
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_TRUE(has(result.out, "33 77")) << result.out << result.err;
  EXPECT_TRUE(has(result.out, "44 88")) << result.out << result.err;
}

TEST_F(StreamsTest, AttachSpeaksWithTheMainProcess) {
  apply(pod("asks",
            {shell("main", "echo ready; read line; echo \"got $line\"", {{"stdin", true}, {"stdinOnce", true}})},
            {{"restartPolicy", "Never"}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("asks"); }));
  const auto result = bash("printf 'hello\\n' | $KUBECTL attach -i asks");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.out, "got hello\n")) << result.out << result.err;
}

TEST_F(StreamsTest, CopiesFilesBothWays) {
  run_pod("web", kSleep);
  const auto result = bash(
      "mkdir tree && head -c 5000000 /dev/urandom > tree/blob && echo text > 'tree/a b' && "
      "$KUBECTL cp tree web:/tmp/tree && $KUBECTL cp web:/tmp/tree back && diff -r tree back && echo same");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.out, "same\n")) << result.out << result.err;
}

TEST_F(StreamsTest, ForwardsPorts) {
  run_pod("serves", kServe);
  const pid_t forward = bash_beside("exec $KUBECTL port-forward pod/serves :8080 :9", "forward.log");
  const auto port_to = [&](const std::string& target) -> std::string {
    const std::string log = read_text(directory + "/forward.log");
    const auto end = log.find(" -> " + target + "\n");
    const auto begin = log.rfind("127.0.0.1:", end);
    return end == std::string::npos || begin == std::string::npos ? "" : log.substr(begin + 10, end - begin - 10);
  };
  ASSERT_TRUE(eventually("the forwarded ports", [&] { return !port_to("8080").empty() && !port_to("9").empty(); }));
  const std::string url = "http://127.0.0.1:" + port_to("8080") + "/blob";
  const std::string sum = bash("$KUBECTL exec serves -- md5sum /www/blob | cut -c1-32").out;
  EXPECT_EQ(bash("curl -sS " + url + " | md5sum | cut -c1-32").out, sum);
  const auto several = bash("for i in 1 2 3 4 5; do curl -sS " + url + " | md5sum | cut -c1-32 & done; wait");
  EXPECT_EQ(several.out, sum + sum + sum + sum + sum);
  // A port that nobody listens on breaks its own connection.
  EXPECT_NE(bash("curl -sS http://127.0.0.1:" + port_to("9") + "/").exit_code, 0);
  EXPECT_TRUE(eventually("its error", [&] { return has(read_text(directory + "/forward.log"), "refused"); }));
  ::kill(forward, SIGTERM);
  EXPECT_TRUE(eventually("its end", [&] { return exit_code_of(forward) >= 0; }));
}

TEST_F(StreamsTest, DebugsAPodThatRuns) {
  run_pod("web", kSleep);
  // Its standard input stays open: containerd ends an attached stream's output with its input.
  const auto result = bash(std::string("mkfifo in && { $KUBECTL debug -i web --image ") + kBusybox +
                           " --container helper --profile general --target main -- sh -c "
                           "'read line; echo \"got $line\"; tr \"\\0\" \" \" < /proc/1/cmdline' < in & } && "
                           "exec 3> in && echo hello >&3 && wait $!");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.out, "got hello\n")) << result.out << result.err;
  EXPECT_TRUE(has(result.out, "sh -c trap")) << result.out << result.err;
}

TEST_F(StreamsTest, RunsACommandByTheNodesOwnApi) {
  run_pod("web", kSleep);
  const std::string raw =
      ": > empty; $KUBECTL create -f empty --raw '/api/v1/nodes/node/proxy/run/default/web/main?cmd=";
  EXPECT_EQ(bash(raw + "echo%20hello'").out, "hello\n");
  const auto failed = bash(raw + "ls%20/no/such'");
  EXPECT_NE(failed.exit_code, 0);
  EXPECT_TRUE(has(failed.err, "command 'ls /no/such' exited with 1")) << failed.err << failed.out;
}

// A WebSocket of the protocol that the runtime speaks itself goes through byte for byte.
TEST_F(StreamsTest, HandsOnWebSockets) {
  run_pod("web", kSleep);
  const auto result =
      bash("curl -sS --http1.1 -N -k --max-time 20" + credentials() +
           "-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' "
           "-H 'Sec-WebSocket-Key: a2VlbHNvbi1rZWVsc29uIQ==' "
           "-H 'Sec-WebSocket-Protocol: v4.channel.k8s.io' --output - "
           "'https://" +
           server->address() + "/api/v1/namespaces/default/pods/web/exec?command=echo&command=through&stdout=true'");
  EXPECT_TRUE(has(result.out, "\x01through\n")) << result.out << result.err;
  EXPECT_TRUE(has(result.out, "\"status\":\"Success\"")) << result.out << result.err;
}

TEST_F(StreamsTest, CarriesAGigabyteWithFlatMemory) {
  run_pod("web", kSleep);
  ASSERT_EQ(bash("$KUBECTL exec web -- true").exit_code, 0);
  const long before = memory();
  ASSERT_GT(before, 0);
  const auto out = bash("$KUBECTL exec web -- head -c 1000000000 /dev/zero | wc -c", std::chrono::seconds(300));
  EXPECT_EQ(std::atoll(out.out.c_str()), 1'000'000'000) << out.err;
  const auto in = bash("head -c 1000000000 /dev/zero | $KUBECTL exec -i web -- wc -c", std::chrono::seconds(300));
  EXPECT_EQ(std::atoll(in.out.c_str()), 1'000'000'000) << in.err;
  EXPECT_LT(memory(), before + 4096) << "KiB, from " << before;
}

TEST_F(StreamsTest, NothingStaysOpenWhenClientOrRuntimeDies) {
  run_pod("web", kSleep);
  ASSERT_EQ(bash("$KUBECTL exec web -- true").exit_code, 0);
  ASSERT_TRUE(eventually("quiet", [&] { return runtime->processes().size() == 1; }));
  const std::size_t before = descriptors();
  const auto begin = [&](const std::string& log) {
    const pid_t pid = bash_beside("exec $KUBECTL exec web -- sh -c 'echo begun; exec sleep 1000'", log);
    EXPECT_TRUE(eventually("the command", [&] { return has(read_text(directory + "/" + log), "begun"); }));
    return pid;
  };
  const pid_t client = begin("client.log");
  EXPECT_GT(descriptors(), before);
  ::kill(client, SIGKILL);
  EXPECT_TRUE(eventually("the client's connections to go", [&] { return descriptors() <= before; }));
  EXPECT_GE(exit_code_of(client), 0);

  const pid_t bereft = begin("bereft.log");
  ASSERT_TRUE(runtime->fixture().kill().ok());
  EXPECT_TRUE(eventually("the client to hear of it", [&] { return exit_code_of(bereft) >= 0; }));
  EXPECT_TRUE(eventually("the connections to go", [&] { return descriptors() <= before; }));
  ASSERT_TRUE(runtime->fixture().restart().ok());
  EXPECT_TRUE(
      eventually("the runtime's return", [&] { return bash("$KUBECTL exec web -- echo back").out == "back\n"; }));
}

}  // namespace
}  // namespace keelson::integration
