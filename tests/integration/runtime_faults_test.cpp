// The runtime's socket absent, refusing, hanging, answering garbage; the runtime restarted while pods run.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

// Something that listens where a runtime should.
class Impostor {
 public:
  enum class Manner { silent, garbage };

  Impostor(std::string path, Manner manner)
      : path_(std::move(path)), manner_(manner), fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    good_ = ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
            ::listen(fd_.get(), 16) == 0;
    thread_ = std::thread([this] { serve(); });
  }
  ~Impostor() {
    stopping_ = true;
    thread_.join();
    ::unlink(path_.c_str());
  }
  bool good() const { return good_; }
  bool was_asked() const { return asked_; }

 private:
  void serve() {
    std::vector<base::UniqueFd> open;
    while (!stopping_) {
      pollfd waiting{fd_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 50) <= 0) continue;
      base::UniqueFd peer(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) continue;
      asked_ = true;
      constexpr char kGarbage[] = "HTTP/1.0 418 teapot\r\n\r\n\x01\x02\xff\xfe nothing that anybody could use\n";
      if (manner_ == Manner::garbage) {
        static_cast<void>(::send(peer.get(), kGarbage, sizeof kGarbage, MSG_NOSIGNAL));
        continue;  // and closes
      }
      open.push_back(std::move(peer));
    }
  }

  std::string path_;
  Manner manner_;
  base::UniqueFd fd_;
  bool good_ = false;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> asked_{false};
  std::thread thread_;
};

class RuntimeFaultsTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (runtime == nullptr) return;
    socket = directory + "/cri.sock";
    settings["containerRuntimeEndpoint"] = "unix://" + socket;
    settings["runtimeRequestTimeout"] = "2s";
    place(pod("one", {shell("main", kSleep)}));
  }
  void runtime_appears() { std::filesystem::create_symlink(runtime->socket(), socket); }
  // Waits until the agent says so, in the log once, in the health checks, and to doctor; then lets the runtime come.
  void expect_waits_saying(const std::string& text) {
    ASSERT_TRUE(eventually("the line in the log", [&] {
      return keelson->lines_with({"Waiting for the container runtime", text}) > 0;
    }));
    EXPECT_EQ(keelson->healthz().status, 500);
    const auto check = keelson->healthz("/healthz/runtime");
    EXPECT_EQ(check.status, 500);
    EXPECT_NE(check.body.find(text), std::string::npos) << check.body;
    const json doctor = keelson->doctor();
    EXPECT_NE(doctor.dump().find(socket), std::string::npos) << doctor.dump(1);
    // The pod is known meanwhile.
    ASSERT_TRUE(eventually("the pod to be shown", [&] { return seen("one").value("phase", "") == "Pending"; }));
  }
  void expect_recovers() {
    ASSERT_TRUE(eventually("the pod to run", [&] { return runs("one"); }));
    ASSERT_TRUE(eventually("health", [&] { return keelson->healthz().status == 200; }));
  }

  std::string socket;
};

TEST_F(RuntimeFaultsTest, AbsentAtStartIsSaidOnceAndWaitedFor) {
  launch();
  expect_waits_saying("there is no socket at " + socket);
  // Several more tries go by.
  const auto later = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  ASSERT_TRUE(eventually("time for more tries", [&] { return std::chrono::steady_clock::now() > later; }));
  EXPECT_EQ(keelson->lines_with({"Waiting for the container runtime"}), 1);
  runtime_appears();
  expect_recovers();
}

TEST_F(RuntimeFaultsTest, RefusingAtStartIsSaidAndWaitedFor) {
  {
    // A socket that nobody listens on any more, as a killed runtime leaves it.
    const base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  launch();
  expect_waits_saying(socket + " refuses connections");
  ::unlink(socket.c_str());
  runtime_appears();
  expect_recovers();
}

TEST_F(RuntimeFaultsTest, ThatNeverAnswersIsSaidAndWaitedFor) {
  {
    Impostor impostor(socket, Impostor::Manner::silent);
    ASSERT_TRUE(impostor.good());
    launch();
    expect_waits_saying("does not answer as a container runtime");
    EXPECT_TRUE(impostor.was_asked());
  }
  runtime_appears();
  expect_recovers();
}

TEST_F(RuntimeFaultsTest, ThatAnswersGarbageIsSaidAndWaitedFor) {
  {
    Impostor impostor(socket, Impostor::Manner::garbage);
    ASSERT_TRUE(impostor.good());
    launch();
    expect_waits_saying("does not answer as a container runtime");
    EXPECT_TRUE(impostor.was_asked());
  }
  runtime_appears();
  expect_recovers();
}

TEST_F(RuntimeFaultsTest, RestartedWhilePodsRunChangesNothingForThem) {
  place(pod("two", {shell("main", kSleep), shell("beside", kSleep)}));
  runtime_appears();
  start();
  ASSERT_TRUE(eventually("the pods to run", [&] { return runs("one") && runs("two"); }));
  const auto processes = runtime->processes();
  ASSERT_EQ(processes.size(), 3u);

  ASSERT_TRUE(runtime->fixture().restart().ok());
  place(pod("three", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("a new pod to run", [&] { return runs("three"); }));
  auto after = runtime->processes();
  for (const auto& [id, process] : processes) EXPECT_EQ(after[id], process) << id;
  EXPECT_EQ(after.size(), 4u);
  for (const char* name : {"one", "two"}) EXPECT_EQ(seen(name, "main")["restarts"], 0) << name;
  EXPECT_TRUE(runs("one"));
  EXPECT_EQ(keelson->healthz().status, 200);

  // Its end is noticed through the new connection, too.
  const std::string id = id_of("one", "main");
  ASSERT_EQ(::kill(runtime->process_of(id), SIGKILL), 0);
  ASSERT_TRUE(eventually("its restart", [&] { return runs("one") && id_of("one", "main") != id; }));
}

}  // namespace
}  // namespace keelson::integration
