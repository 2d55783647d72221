// What the service manager and its administrator rely on: readiness, watchdog, a quick end, one agent per socket.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

// The service manager's end of NOTIFY_SOCKET.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    good_ = ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool good() const { return good_; }
  // All assignments that came until now, one per line.
  const std::string& received() {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
      text_.append(buffer, static_cast<std::size_t>(got));
      text_ += '\n';
    }
    return text_;
  }
  bool has(const std::string& line) { return ("\n" + received()).find("\n" + line) != std::string::npos; }
  int count(const std::string& line) {
    int found = 0;
    const std::string& text = received();
    for (auto at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) ++found;
    return found;
  }

 private:
  base::UniqueFd fd_;
  bool good_ = false;
  std::string text_;
};

class ServiceTest : public NodeTest {};

TEST_F(ServiceTest, TellsTheServiceManagerHowItIs) {
  NotifySocket manager(directory + "/notify.sock");
  ASSERT_TRUE(manager.good());
  keelson->environment = {{"NOTIFY_SOCKET", directory + "/notify.sock"}, {"WATCHDOG_USEC", "2000000"}};
  place(pod("one", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("READY=1", [&] { return manager.has("READY=1"); }));
  EXPECT_TRUE(manager.has("STATUS=1 pod, containerd ")) << manager.received();
  ASSERT_TRUE(eventually("three pings of the watchdog", [&] { return manager.count("WATCHDOG=1") >= 3; }));
  keelson->signal(SIGHUP);
  ASSERT_TRUE(eventually("the reload", [&] { return manager.has("RELOADING=1") && manager.count("READY=1") == 2; }));
  EXPECT_TRUE(manager.has("MONOTONIC_USEC="));
  EXPECT_FALSE(manager.has("STOPPING=1"));
  ASSERT_TRUE(keelson->stop());
  EXPECT_TRUE(manager.has("STOPPING=1")) << manager.received();
}

TEST_F(ServiceTest, EndsWithinTwoSecondsAndLeavesPodsRunning) {
  place(pod("stays", {shell("main", kSleep)}));
  place(pod("waits", {shell("main", "exit 1")}));
  place(pod("ending", {shell("main", "trap '' TERM; while true; do sleep 1; done")},
            {{"terminationGracePeriodSeconds", 30}}));
  start();
  ASSERT_TRUE(eventually("the pods to run", [&] { return runs("stays") && runs("ending"); }));
  // One of them is in the middle of being ended: the call to the runtime must not keep the agent.
  const int process = runtime->process_of(id_of("stays", "main"));
  withdraw("ending.yaml");
  ASSERT_TRUE(eventually("the pod to be ending", [&] {
    const json pod = seen("ending");
    return pod.is_object() && pod.contains("deletionAt");
  }));
  const auto began = std::chrono::steady_clock::now();
  keelson->signal(SIGTERM);
  ASSERT_TRUE(keelson->wait_for_end(std::chrono::seconds(10)));
  EXPECT_LE(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
  EXPECT_EQ(keelson->exit_code(), 0);
  EXPECT_EQ(::kill(process, 0), 0);
  EXPECT_FALSE(exists(keelson->control_socket()));

  const auto ps = KeelsonProcess::run({"ps", "--socket=" + keelson->control_socket()});
  EXPECT_NE(ps.exit_code, 0);
  EXPECT_NE(ps.err.find(keelson->control_socket()), std::string::npos) << ps.err;
}

TEST_F(ServiceTest, RefusesASecondAgentOnItsControlSocket) {
  place(pod("one", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("one"); }));
  const std::string id = id_of("one", "main");
  settings["healthzPort"] = "10249";
  const auto second = KeelsonProcess::run({"--config=" + write_config(), "--root-dir=" + directory + "/root2",
                                           "--cert-dir=" + directory + "/pki2", "--hostname-override=node",
                                           "--control-socket=" + keelson->control_socket()});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.err.find("another keelson runs on the control socket " + keelson->control_socket()),
            std::string::npos)
      << second.err;
  EXPECT_TRUE(runs("one"));
  EXPECT_EQ(id_of("one", "main"), id);
}

TEST_F(ServiceTest, RefusesAHealthPortThatIsTaken) {
  start();
  const auto second = KeelsonProcess::run({"--config=" + write_config(), "--root-dir=" + directory + "/root2",
                                           "--cert-dir=" + directory + "/pki2", "--hostname-override=node",
                                           "--control-socket=" + directory + "/second.sock"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.err.find("10248"), std::string::npos) << second.err;
  EXPECT_EQ(keelson->healthz().status, 200);
}

TEST_F(ServiceTest, AnswersItsHealthChecks) {
  start();
  EXPECT_EQ(keelson->healthz().status, 200);
  EXPECT_EQ(keelson->healthz().body, "ok");
  const auto verbose = keelson->healthz("/healthz?verbose");
  for (const char* check : {"[+]ping ok", "[+]syncloop ok", "[+]pleg ok", "[+]runtime ok", "healthz check passed"}) {
    EXPECT_NE(verbose.body.find(check), std::string::npos) << verbose.body;
  }
  EXPECT_EQ(keelson->healthz("/healthz/syncloop").status, 200);
  EXPECT_EQ(keelson->healthz("/healthz/nonsense").status, 404);
}

}  // namespace
}  // namespace keelson::integration
