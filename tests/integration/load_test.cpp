// Many clients of the node's port at once, and many that mean no good: 200 followers of a log, 50 commands that carry
// data both ways, slow ones, ones that speak nonsense. All get what is theirs, pods go on being started, and nothing
// stays. What the loop's answers take meanwhile is printed (microseconds, and of a quiet time for comparison).
//
// KEELSON_LOAD_MB says how many megabytes each command carries each way (4). Source: contract 05 §1, §5, §8, §9.
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

#include "base/file.hpp"
#include "tests/integration/streams_node.hpp"

namespace keelson::integration {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kReadOnlyPort = 10255;
constexpr int kFollowers = 200;
constexpr int kCommands = 50;
constexpr std::size_t kOthers = 5;  // descriptors that come and go by themselves
constexpr int kLines = 4000;
constexpr int kSlow = 200;  // connections that never say all of it
constexpr int kSlowHeads = 10;
constexpr int kNonsense = 200;  // connections of random bytes

// How long the loop takes to answer, asked again and again on the read-only port.
class LoopWatch {
 public:
  LoopWatch() : thread_([this] { watch(); }) {}
  ~LoopWatch() { end(); }

  void end() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    bell_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  // After end().
  int failures() const { return failures_; }
  std::string text() {
    std::sort(took_.begin(), took_.end());
    const auto at = [&](double part) {
      if (took_.empty()) return std::string("-");
      const auto index = static_cast<std::size_t>(part * static_cast<double>(took_.size() - 1));
      return std::to_string(took_[index].count());
    };
    return std::to_string(took_.size()) + " answers, p50 " + at(.5) + " p99 " + at(.99) + " most " + at(1);
  }
  std::size_t answers() const { return count_; }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    while (!ended_) {
      lock.unlock();
      const auto begun = Clock::now();
      const HttpAnswer answer = http_get(kNodeIp, kReadOnlyPort, "/healthz");
      took_.push_back(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun));
      if (answer.status != 200) ++failures_;
      ++count_;
      lock.lock();
      // Not to be a load itself.
      bell_.wait_until(lock, begun + std::chrono::milliseconds(5), [this] { return ended_; });
    }
  }

  std::vector<std::chrono::microseconds> took_;
  int failures_ = 0;
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::condition_variable bell_;
  bool ended_ = false;
  std::thread thread_;
};

// They end with the test at the latest.
struct Children {
  ~Children() { end(); }
  void end() {
    for (const pid_t pid : pids) ::kill(pid, SIGTERM);
    for (const pid_t pid : pids) ::waitpid(pid, nullptr, 0);
    pids.clear();
  }
  std::vector<pid_t> pids;
};

class LoadTest : public StreamsTest {
 protected:
  void prepare() override {
    StreamsTest::prepare();
    settings["readOnlyPort"] = std::to_string(kReadOnlyPort);
  }
  static int megabytes() {
    const char* text = std::getenv("KEELSON_LOAD_MB");
    return text == nullptr ? 4 : std::atoi(text);
  }
  std::string curl() { return "curl -sS -N -k --http1.1" + credentials(); }
  static std::string url(const std::string& path) {
    return " 'https://" + std::string(kNodeIp) + ":" + std::to_string(kNodePort) + path + "'";
  }
  static base::UniqueFd connect() {
    base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kNodePort);
    ::inet_pton(AF_INET, kNodeIp, &to.sin_addr);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fd.reset();
    return fd;
  }
  static void send(const base::UniqueFd& fd, const std::string& bytes) {
    (void)!::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  std::string quiet_time() {
    LoopWatch watch;
    EXPECT_TRUE(eventually("a hundred answers", [&] { return watch.answers() >= 100; }));
    watch.end();
    EXPECT_EQ(watch.failures(), 0);
    return watch.text();
  }
  void tell(const std::string& what, const std::string& text) const {
    RecordProperty(what, text);
    std::printf("             the loop, %s: %s\n", what.c_str(), text.c_str());
  }
};

TEST_F(LoadTest, ManyFollowersAndCommandsAtOnceGetAllThatIsTheirs) {
  run_pod("web", kSleep);
  apply(pod("talks",
            {shell("main", "until [ -e /tmp/go ]; do sleep 0.1; done; i=0; while [ $i -lt " + std::to_string(kLines) +
                               " ]; do echo line $i; i=$((i+1)); done")},
            {{"restartPolicy", "Never"}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("talks"); }));
  ASSERT_EQ(bash("$KUBECTL exec web -- true").exit_code, 0);
  const std::size_t before = descriptors();
  tell("quiet", quiet_time());

  LoopWatch watch;
  const pid_t followers =
      bash_beside("cd $DIR; for i in $(seq " + std::to_string(kFollowers) + "); do " + curl() +
                      url("/containerLogs/default/talks/main?follow=true") + " -o followed.$i & done; wait",
                  "followers.log");
  ASSERT_TRUE(eventually("the followers", [&] { return descriptors() + kOthers >= before + 2 * kFollowers; }))
      << read_text(directory + "/followers.log");
  tell("with " + std::to_string(kFollowers) + " followers", quiet_time());
  const std::string bytes = std::to_string(megabytes()) + "000000";
  const pid_t commands =
      bash_beside("cd $DIR; head -c " + bytes + " /dev/urandom > blob; for i in $(seq " + std::to_string(kCommands) +
                      "); do ($KUBECTL exec -i web -- cat < blob | md5sum > sum.$i) & done; wait; echo all",
                  "commands.log");
  ASSERT_EQ(bash("$KUBECTL exec talks -- touch /tmp/go").exit_code, 0);
  // Pods go on being started.
  run_pod("another", kSleep);
  const auto limit = std::chrono::seconds(240);
  EXPECT_TRUE(eventually(
      "the commands' end", [&] { return exit_code_of(commands) >= 0; }, limit));
  EXPECT_TRUE(eventually(
      "the followers' end", [&] { return exit_code_of(followers) >= 0; }, limit));
  watch.end();
  tell("with " + std::to_string(kCommands) + " commands of " + std::to_string(megabytes()) + " MB", watch.text());
  EXPECT_EQ(watch.failures(), 0);

  const std::string lines = bash("seq -f 'line %.0f' 0 " + std::to_string(kLines - 1) + " | md5sum").out;
  EXPECT_EQ(bash("cat followed.* | wc -l").out, std::to_string(kFollowers * kLines) + "\n");
  EXPECT_EQ(bash("for f in followed.*; do md5sum < $f; done | sort -u").out, lines);
  EXPECT_EQ(bash("cat sum.* | sort | uniq -c | sed 's/^ *//'").out,
            std::to_string(kCommands) + " " + bash("md5sum < blob").out);
  EXPECT_TRUE(eventually("all connections to go", [&] { return descriptors() <= before + kOthers; })) << descriptors();
}

TEST_F(LoadTest, ClientsThatMeanNoGoodKeepNobodyWaitingAndLeaveNothing) {
  run_pod("web", kSleep);
  ASSERT_EQ(bash("$KUBECTL exec web -- true").exit_code, 0);
  const std::size_t before = descriptors();
  const std::string ask = curl();
  tell("quiet", quiet_time());

  LoopWatch watch;
  std::vector<base::UniqueFd> slow;
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00", 7);  // of a greeting that never goes on
  for (int i = 0; i < kSlow; ++i) {
    slow.push_back(connect());
    send(slow.back(), hello.substr(0, static_cast<std::size_t>(i) % 8));
  }
  EXPECT_TRUE(eventually("all of them to be there", [&] { return descriptors() + kOthers >= before + kSlow; }));
  Children slow_heads;
  for (int i = 0; i < kSlowHeads; ++i) {
    const std::string pipe = "slow." + std::to_string(i);
    slow_heads.pids.push_back(bash_beside("cd $DIR; mkfifo " + pipe + "; exec 3<> " + pipe +
                                              "; printf 'GET /pods HTTP/1.1\\r\\nHost: x\\r\\nX-Slow: ' "
                                              ">&3; exec openssl s_client -quiet -connect " +
                                              kNodeIp + ":" + std::to_string(kNodePort) + " <&3",
                                          "slow.log"));
  }
  std::minstd_rand random(1);
  for (int i = 0; i < kNonsense; ++i) {
    const base::UniqueFd fd = connect();
    std::string bytes(1 + random() % 3000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Some as TLS would begin.
    if (i % 3 == 0) bytes.replace(0, std::min(bytes.size(), hello.size()), hello.substr(0, bytes.size()));
    send(fd, bytes);
  }
  const auto status_of = [&](const std::string& more, const std::string& path) {
    const auto result = bash(ask + "-o answer -w '%{http_code}' --max-time 30 " + more + url(path));
    return result.out + (result.exit_code == 0 ? "" : " " + result.err);
  };
  ASSERT_EQ(
      bash("head -c 1100000 /dev/zero | tr '\\0' x > long; for i in $(seq 10001); do echo \"X-$i: y\"; done > headers")
          .exit_code,
      0);
  const auto oversized = bash(
      "(printf 'GET /pods HTTP/1.1\\r\\nHost: x\\r\\nX-Long: '; cat long; printf '\\r\\n\\r\\n') | openssl s_client "
      "-quiet -connect " +
      std::string(kNodeIp) + ":" + std::to_string(kNodePort) + " 2> /dev/null | head -1");
  EXPECT_TRUE(has(oversized.out, "HTTP/1.1 431 ")) << oversized.out;
  EXPECT_EQ(status_of("-H @headers", "/pods"), "431");
  EXPECT_EQ(status_of("-X POST -H 'Content-Length: 99999999' --data-binary @long", "/run/default/web/main?cmd=true"),
            "413");
  const std::string exec = "/exec/default/web/main?command=true&output=1";
  EXPECT_EQ(status_of("-X POST", exec), "500") << "no upgrade";
  EXPECT_EQ(status_of("-X POST -H 'Connection: Upgrade'", exec), "400") << "in the runtime's words";
  EXPECT_EQ(status_of("-X POST -H 'Connection: Upgrade' -H 'Upgrade: nonsense/1.0'", exec).substr(0, 1), "4");
  EXPECT_EQ(status_of("-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 99' "
                      "-H 'Sec-WebSocket-Key: x'",
                      exec)
                .substr(0, 1),
            "4");
  EXPECT_EQ(status_of("-X POST -H 'Connection: Upgrade' -H 'Upgrade: SPDY/3.1'", "/exec/default/web/none?command=a"),
            "400");
  EXPECT_EQ(status_of("-X POST -H 'Transfer-Encoding: gzip'", "/pods"), "501");

  // Whoever means well is served meanwhile.
  EXPECT_EQ(bash("$KUBECTL exec web -- echo through").out, "through\n");
  EXPECT_EQ(status_of("", "/healthz"), "200");
  run_pod("another", kSleep);
  watch.end();
  tell("with clients that mean no good", watch.text());
  EXPECT_EQ(watch.failures(), 0);
  slow.clear();
  slow_heads.end();
  EXPECT_TRUE(eventually("all connections to go", [&] { return descriptors() <= before + kOthers; })) << descriptors();
  EXPECT_TRUE(keelson->runs());
}

}  // namespace
}  // namespace keelson::integration
