// What happens when the runtime is absent, refuses, hangs, talks rubbish, restarts, or when we stop.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/file.hpp"
#include "cri-client/handshake.hpp"
#include "cri-client/proto/cri.pb.h"
#include "cri-client/tests/fixture.hpp"
#include "cri-client/tests/test_server.hpp"

namespace keelson::cri {
namespace {

namespace pb = ::runtime::v1;
using namespace std::chrono_literals;
using Message = google::protobuf::Message;

TestServer::Handler hanging() {
  return [](const std::string&, const Message&, Message&) { return TestAnswer{TestServer::kHang, ""}; };
}

// Listens on a unix socket and answers each connection with `bytes`; with none it says nothing at all.
class RawServer {
 public:
  explicit RawServer(std::string bytes) : directory_(make_temporary_directory()), bytes_(std::move(bytes)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    listener_ = base::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
    if (listen(listener_.get(), 16) != 0) std::abort();
    thread_ = std::thread([this] {
      while (true) {
        base::UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!peer) return;
        if (!bytes_.empty()) (void)!send(peer.get(), bytes_.data(), bytes_.size(), MSG_NOSIGNAL);
        peers_.push_back(std::move(peer));
      }
    });
  }
  ~RawServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    remove_temporary_directory(directory_);
  }
  std::string path() const { return directory_ + "/raw.sock"; }
  std::string endpoint() const { return "unix://" + path(); }

 private:
  std::string directory_;
  std::string bytes_;
  base::UniqueFd listener_;
  std::vector<base::UniqueFd> peers_;
  std::thread thread_;
};

GrpcRuntimeOptions impatient() {
  GrpcRuntimeOptions options;
  options.request_timeout = 2s;
  options.limits.connect_timeout = 300ms;
  return options;
}

Result<Handshake> shake(RealLoop& real, GrpcRuntime& runtime) {
  return real.run(shake_hands(runtime, runtime, real.clock, runtime.runtime_path(), runtime.image_path()));
}

void expect_one_line(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(Trouble, AbsentSocketIsUnavailableAtOnce) {
  RealLoop real;
  auto runtime = connect_to(real, "/tmp/keelson-no-such-directory/x.sock");
  const auto started = std::chrono::steady_clock::now();
  const auto error = real.run(runtime->run_pod_sandbox({}, "")).error();
  EXPECT_EQ(error.kind(), ErrorKind::unavailable) << error.to_string() << ": it was never sent";
  EXPECT_EQ(error.to_string(),
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix "
            "/tmp/keelson-no-such-directory/x.sock: connect: no such file or directory\"");
  EXPECT_LT(std::chrono::steady_clock::now() - started, 2s);
}

TEST(Trouble, HandshakeNamesTheAbsentSocket) {
  RealLoop real;
  auto runtime = connect_to(real, "/tmp/keelson-no-such-directory/x.sock");
  const auto made = shake(real, *runtime);
  ASSERT_FALSE(made.ok());
  expect_one_line(
      made.error().to_string(),
      "cannot use the container runtime at unix:///tmp/keelson-no-such-directory/x.sock: there is no socket at ");
}

TEST(Trouble, HandshakeSaysThatNothingListens) {
  const std::string directory = make_temporary_directory();
  const std::string path = directory + "/stale.sock";
  {
    base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  RealLoop real;
  auto runtime = connect_to(real, path);
  const auto made = shake(real, *runtime);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind(), ErrorKind::unavailable);
  expect_one_line(made.error().to_string(), "refuses connections: nothing listens on it");
  remove_temporary_directory(directory);
}

TEST(Trouble, HandshakeSaysThatARegularFileIsNoSocket) {
  const std::string directory = make_temporary_directory();
  std::ofstream(directory + "/file") << "x";
  RealLoop real;
  auto runtime = connect_to(real, directory + "/file");
  const auto made = shake(real, *runtime);
  ASSERT_FALSE(made.ok());
  expect_one_line(made.error().to_string(), "/file is not a socket");
  remove_temporary_directory(directory);
}

TEST(Trouble, SilentListenerIsUnavailableAfterTheConnectTimeout) {
  RawServer server("");
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint(), impatient());
  const auto made = shake(real, *runtime);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind(), ErrorKind::unavailable) << made.error().to_string();
  expect_one_line(made.error().to_string(), "does not answer as a container runtime (gRPC) does");
}

TEST(Trouble, RubbishIsUnavailableAndNeverCrashes) {
  std::string binary;
  for (int i = 0; i < 4096; ++i) binary += static_cast<char>((i * 7919) >> 3);
  // An HTTP/2 SETTINGS frame, so that the connection counts as made, and rubbish behind it.
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string rubbish[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", binary,
                                 settings + binary, settings + std::string("\xff\xff\xff\0\0\0\0\0\1", 9) + binary};
  for (const std::string& bytes : rubbish) {
    SCOPED_TRACE(bytes.substr(0, 20));
    RawServer server(bytes);
    RealLoop real;
    auto runtime = connect_to(real, server.endpoint(), impatient());
    const auto made = shake(real, *runtime);
    ASSERT_FALSE(made.ok());
    EXPECT_TRUE(made.error().kind() == ErrorKind::unavailable || made.error().kind() == ErrorKind::internal ||
                made.error().kind() == ErrorKind::deadline_exceeded)
        << made.error().to_string();
    expect_one_line(made.error().to_string(), "cannot use the container runtime at unix://" + server.path());
  }
}

TestServer::Handler good_runtime(std::atomic<int>& config_failures, std::string version = "0.1.0") {
  return [&config_failures, version](const std::string& method, const Message&, Message& response) {
    if (method == "Version") {
      auto& answer = static_cast<pb::VersionResponse&>(response);
      answer.set_version(version);
      answer.set_runtime_name("containerd");
      answer.set_runtime_version("1.7");
      answer.set_runtime_api_version("v1");
    }
    if (method == "RuntimeConfig") {
      if (config_failures-- > 0) return TestAnswer{13, "not yet"};
      static_cast<pb::RuntimeConfigResponse&>(response).mutable_linux()->set_cgroup_driver(pb::CGROUPFS);
    }
    return TestAnswer{};
  };
}

TEST(Handshake, LearnsVersionAndCgroupDriver) {
  std::atomic<int> failures{0};
  TestServer server(good_runtime(failures));
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  const auto made = shake(real, *runtime);
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_EQ(made->version.runtime_name, "containerd");
  EXPECT_EQ(made->cgroup_driver, CgroupDriver::cgroupfs);
}

TEST(Handshake, RefusesAnotherRuntimeApiVersion) {
  std::atomic<int> failures{0};
  TestServer server(good_runtime(failures, "0.2.0"));
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  const auto made = shake(real, *runtime);
  ASSERT_FALSE(made.ok());
  expect_one_line(made.error().to_string(), "its runtime API version is \"0.2.0\", expected \"0.1.0\"");
}

TEST(Handshake, SaysThatCriIsSwitchedOff) {
  TestServer server([](const std::string&, const Message&, Message&) { return TestAnswer{12, "unknown service"}; });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  const auto made = shake(real, *runtime);
  ASSERT_FALSE(made.ok());
  expect_one_line(made.error().to_string(), "it does not serve CRI v1, is its CRI plugin switched off?");
}

// RuntimeConfig fails `failures` times; the pauses between tries are virtual.
void expect_config_tries(int failing, bool succeeds) {
  std::atomic<int> failures{failing};
  TestServer server(good_runtime(failures));
  RealLoop real;
  base::VirtualClock clock(real.loop);
  auto runtime = connect_to(real, server.endpoint());
  auto answer = real.start(shake_hands(*runtime, *runtime, clock, runtime->runtime_path(), runtime->image_path()));
  base::Duration slept{0};
  while (true) {
    ASSERT_TRUE(real.pump_until([&] { return answer->has_value() || clock.sleepers() > 0; }));
    if (answer->has_value()) break;
    slept += clock.next_deadline() - clock.steady_now();
    clock.advance(clock.next_deadline() - clock.steady_now());
  }
  EXPECT_EQ((*answer)->ok(), succeeds);
  EXPECT_EQ(slept, 4s) << "three tries, 2 s apart";
}

TEST(Handshake, AsksForTheConfigurationThreeTimes) { expect_config_tries(2, true); }
TEST(Handshake, GivesUpAfterTheThirdTry) { expect_config_tries(3, false); }

TEST(Trouble, HangingCallEndsAtItsDeadline) {
  TestServer server(hanging());
  RealLoop real;
  GrpcRuntimeOptions options;
  options.request_timeout = 200ms;
  auto runtime = connect_to(real, server.endpoint(), options);
  const auto error = real.run(runtime->list_containers({})).error();
  EXPECT_EQ(error.kind(), ErrorKind::deadline_exceeded);
  EXPECT_EQ(error.to_string(), "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
  EXPECT_EQ(real.run(runtime->exec_sync("c", {"sleep", "9"}, 1s)).error().to_string(), "command \"sleep 9\" timed out");
  EXPECT_EQ(runtime->metrics().by_operation().at("exec_sync").errors, 1u);
}

TEST(Trouble, CancellingTheTaskCancelsTheCall) {
  TestServer server(hanging());
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  auto answer = real.start(runtime->pull_image({}, std::nullopt, {}), "pull");
  ASSERT_TRUE(real.pump_until([&] { return server.hanging() == 1; }));
  real.gate.cancel("pull");
  ASSERT_TRUE(real.pump_until([&] { return real.gate.tasks() == 0; }));
  EXPECT_FALSE(answer->has_value());
  EXPECT_EQ(runtime->metrics().by_operation().at("pull_image").errors, 1u);
  ASSERT_TRUE(real.pump_until([&] { return server.cancelled() == 1 && runtime->running_calls() == 0; }));
}

TEST(Trouble, CancellingTheTaskEndsTheEventStream) {
  TestServer server(hanging());
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  auto answer = real.start(runtime->container_events([](ContainerEvent) {}), "events");
  ASSERT_TRUE(real.pump_until([&] { return server.hanging() == 1; }));
  real.gate.cancel("events");
  ASSERT_TRUE(real.pump_until([&] { return real.gate.tasks() == 0 && runtime->running_calls() == 0; }));
  ASSERT_TRUE(real.pump_until([&] { return server.cancelled() == 1; }));
}

TEST(Trouble, StopEndsCallsInFlightAndRefusesNewOnes) {
  TestServer server(hanging());
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  auto call = real.start(runtime->run_pod_sandbox({}, ""));
  auto stream = real.start(runtime->container_events([](ContainerEvent) {}));
  ASSERT_TRUE(real.pump_until([&] { return server.hanging() == 2; }));
  runtime->stop();
  EXPECT_EQ(runtime->running_calls(), 0u);
  ASSERT_TRUE(real.pump_until([&] { return call->has_value() && stream->has_value(); }));
  EXPECT_EQ((*call)->error().kind(), ErrorKind::cancelled) << (*call)->error().to_string();
  EXPECT_EQ((*stream)->error().kind(), ErrorKind::cancelled);
  EXPECT_EQ(real.run(runtime->status()).error().kind(), ErrorKind::cancelled);
}

TEST(Trouble, GoingAwayWithCallsInFlightLeavesNoCallbackBehind) {
  TestServer server(hanging());
  for (int round = 0; round < 20; ++round) {
    RealLoop real;
    auto runtime = connect_to(real, server.endpoint());
    auto call = real.start(runtime->start_container("c"));
    auto stream = real.start(runtime->container_events([](ContainerEvent) {}));
    if (round % 2 == 0) {
      ASSERT_TRUE(real.pump_until([&] { return server.hanging() >= 2; }));
    }
    real.loop.poll();
    real.stop_gate();
    runtime.reset();
  }
}

TEST(Trouble, RestartedRuntimeIsFoundAgain) {
  std::atomic<bool> hang{true};
  TestServer server([&](const std::string&, const Message&, Message&) {
    return TestAnswer{hang ? TestServer::kHang : 0, ""};
  });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint(), impatient());
  auto reading = real.start(runtime->list_containers({}));
  auto changing = real.start(runtime->start_container("c"));
  auto events = real.start(runtime->container_events([](ContainerEvent) {}));
  ASSERT_TRUE(real.pump_until([&] { return server.hanging() == 3; }));
  server.stop();
  ASSERT_TRUE(real.pump_until([&] { return reading->has_value() && changing->has_value() && events->has_value(); }));
  EXPECT_EQ((*reading)->error().kind(), ErrorKind::unavailable) << (*reading)->error().to_string();
  EXPECT_EQ((*changing)->error().kind(), ErrorKind::maybe_applied) << (*changing)->error().to_string();
  EXPECT_EQ((*events)->error().kind(), ErrorKind::unavailable) << (*events)->error().to_string();
  EXPECT_EQ(real.run(runtime->start_container("c")).error().kind(), ErrorKind::unavailable);

  hang = false;
  server.start();
  const auto started = std::chrono::steady_clock::now();
  while (!real.run(runtime->list_containers({})).ok()) {
    ASSERT_LT(std::chrono::steady_clock::now() - started, 10s);
  }
}

TEST(Trouble, KilledConnectionLeavesAChangeOpen) {
  // Accepts, lets the connection count as made, and hangs up as soon as the call has arrived.
  const std::string directory = make_temporary_directory();
  const std::string path = directory + "/x.sock";
  base::UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  std::thread server([&] {
    base::UniqueFd peer(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
    (void)!send(peer.get(), settings.data(), settings.size(), MSG_NOSIGNAL);
    std::string seen;
    char buffer[4096];
    while (seen.find("marker-of-the-call") == std::string::npos) {
      const auto got = recv(peer.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return;
      seen.append(buffer, static_cast<std::size_t>(got));
    }
  });
  RealLoop real;
  auto runtime = connect_to(real, path);
  const auto error = real.run(runtime->start_container("marker-of-the-call")).error();
  EXPECT_EQ(error.kind(), ErrorKind::maybe_applied) << error.to_string();
  server.join();
  remove_temporary_directory(directory);
}

}  // namespace
}  // namespace keelson::cri
