#include "agent/control/server.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "agent/control/client.hpp"
#include "agent/control/views_json.hpp"
#include "base/file.hpp"

namespace keelson::agent {
namespace {

using testing::HasSubstr;

class FakeSource : public ControlSource {
 public:
  std::vector<PodView> pods() override { return pods_; }
  std::optional<PodStory> explain(const std::string& ns, const std::string& name) override {
    for (const auto& pod : pods_) {
      if (pod.ns == ns && pod.name == name) return PodStory{.pod = pod};
    }
    return {};
  }
  AgentInfo info() override { return {.version = "0.1.0", .pid = getpid()}; }
  std::vector<ManifestProblem> manifest_problems() override { return {{.source = "/m/bad.yaml", .line = 3}}; }

  std::vector<PodView> pods_{{.ns = "default", .name = "web"}};
};

base::UniqueFd connect_raw(const std::string& path) {
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

class ControlServerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-control-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/run/keelson.sock";
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(directory_);
  }
  Status start(ControlOptions options = {}) {
    options.path = path_;
    return server_.start(options);
  }
  void stop() {
    bool stopped = false;
    boost::asio::co_spawn(loop_.context(), server_.stop(), [&](std::exception_ptr) { stopped = true; });
    while (!stopped) loop_.poll();
  }
  // Asks from another thread while this one turns the loop.
  Result<ControlReply> get(const std::string& target) {
    auto answer =
        std::async(std::launch::async, [this, target] { return control_get(path_, target, std::chrono::seconds(10)); });
    while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) loop_.poll();
    return answer.get();
  }
  std::string send_raw(const std::string& text) {
    const base::UniqueFd fd = connect_raw(path_);
    send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    shutdown(fd.get(), SHUT_WR);
    return read_to_end(fd.get());
  }
  std::string read_to_end(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    std::string all;
    char buffer[4096];
    while (true) {
      loop_.poll();
      const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
      if (n > 0) all.append(buffer, static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EAGAIN)) return all;
    }
  }

  std::string directory_;
  std::string path_;
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  FakeSource source_;
  ControlServer server_{loop_, clock_, base::Logger(), source_};
};

TEST_F(ControlServerTest, AnswersItsFourQuestions) {
  ASSERT_TRUE(start().ok());
  const auto pods = get("/v1/pods");
  ASSERT_TRUE(pods.ok()) << pods.error().to_string();
  EXPECT_EQ(pods->status, 200);
  EXPECT_EQ(pods_from_json(pods->body)->at(0).name, "web");

  const auto story = get("/v1/pods/default/web");
  ASSERT_TRUE(story.ok());
  EXPECT_EQ(story_from_json(story->body)->pod.name, "web");

  const auto doctor = get("/v1/doctor");
  ASSERT_TRUE(doctor.ok());
  EXPECT_EQ(doctor_from_json(doctor->body)->manifest_problems.at(0).line, 3);

  const auto version = get("/v1/version");
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(info_from_json(version->body)->version, "0.1.0");
}

TEST_F(ControlServerTest, SaysWhatIsNotThere) {
  ASSERT_TRUE(start().ok());
  const auto pod = get("/v1/pods/default/nope");
  ASSERT_TRUE(pod.ok());
  EXPECT_EQ(pod->status, 404);
  EXPECT_THAT(error_message_from_json(pod->body), HasSubstr("no pod default/nope"));
  for (const char* target : {"/", "/v1", "/v1/pods/x", "/v1/pods/a/b/c", "/v2/pods", "/v1/pods/"}) {
    SCOPED_TRACE(target);
    EXPECT_EQ(get(target)->status, 404);
  }
}

TEST_F(ControlServerTest, CarriesThousandsOfPods) {
  source_.pods_.assign(3000, {.ns = "default", .name = "pod", .message = std::string(1000, 'x')});
  ASSERT_TRUE(start().ok());
  const auto pods = get("/v1/pods");
  ASSERT_TRUE(pods.ok()) << pods.error().to_string();
  EXPECT_EQ(pods_from_json(pods->body)->size(), 3000u);
}

TEST_F(ControlServerTest, AnswersBadRequestsAndGoesOn) {
  ASSERT_TRUE(start().ok());
  EXPECT_THAT(send_raw("POST /v1/pods HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr("405 Method Not Allowed"));
  EXPECT_THAT(send_raw("what is this\r\n\r\n"), HasSubstr("400 Bad Request"));
  EXPECT_THAT(send_raw("GET /v1/pods HTTP/1.1\r\nX: " + std::string(20000, 'x')), HasSubstr("400 Bad Request"));
  EXPECT_THAT(send_raw("GET /v1/po"), testing::AnyOf("", HasSubstr("400")));
  EXPECT_EQ(send_raw(""), "");
  EXPECT_EQ(get("/v1/version")->status, 200);
  EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(ControlServerTest, HungClientsLoseTheirSeatAndHarmNobody) {
  ASSERT_TRUE(start({.max_connections = 3}).ok());
  std::vector<base::UniqueFd> hung;
  for (int i = 0; i < 3; ++i) {
    hung.push_back(connect_raw(path_));
    send(hung.back().get(), "GET ", 4, MSG_NOSIGNAL);
  }
  while (server_.connections() < 3) loop_.poll();
  const base::UniqueFd refused = connect_raw(path_);
  EXPECT_EQ(read_to_end(refused.get()), "") << "a fourth is closed at once";

  clock_.advance(std::chrono::seconds(5));
  while (server_.connections() > 0) loop_.poll();
  EXPECT_EQ(get("/v1/version")->status, 200);
}

TEST_F(ControlServerTest, StopsWhileAClientHangs) {
  ASSERT_TRUE(start().ok());
  const base::UniqueFd hung = connect_raw(path_);
  while (server_.connections() < 1) loop_.poll();
  stop();
  EXPECT_EQ(server_.connections(), 0u);
  EXPECT_FALSE(base::path_exists(path_));
}

TEST_F(ControlServerTest, OnlyItsOwnerCanReachTheSocket) {
  ASSERT_TRUE(start().ok());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_EQ(stat((directory_ + "/run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

TEST_F(ControlServerTest, TakesOverFromAKilledAgentButNotFromALiveOne) {
  std::filesystem::create_directory(directory_ + "/run");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  base::UniqueFd other(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(other.get(), 1), 0);

  const Status live = start();
  ASSERT_FALSE(live.ok());
  EXPECT_EQ(live.error().kind(), ErrorKind::already_exists);
  EXPECT_THAT(live.error().to_string(), HasSubstr(path_));

  other.reset();  // dead now, its file remains
  ASSERT_TRUE(base::path_exists(path_));
  EXPECT_TRUE(start().ok());
  EXPECT_EQ(get("/v1/version")->status, 200);

  ControlServer second(loop_, clock_, base::Logger(), source_);
  const Status twice = second.start({.path = path_});
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.error().to_string(), HasSubstr("another keelson"));
  EXPECT_EQ(get("/v1/version")->status, 200) << "the first still owns the socket";
}

TEST_F(ControlServerTest, RefusesPlacesThatAreNotSafe) {
  std::filesystem::create_directory(directory_ + "/run");
  chmod((directory_ + "/run").c_str(), 0777);
  EXPECT_THAT(start().error().to_string(), HasSubstr("nobody else can write"));
  chmod((directory_ + "/run").c_str(), 0700);

  ASSERT_TRUE(base::write_file(path_, "data", 0600).ok());
  EXPECT_THAT(start().error().to_string(), HasSubstr("not a socket"));
  EXPECT_TRUE(base::path_exists(path_)) << "a file that is not ours stays";

  ControlServer far(loop_, clock_, base::Logger(), source_);
  EXPECT_THAT(far.start({.path = "/tmp/" + std::string(200, 'x')}).error().to_string(), HasSubstr("too long"));
}

TEST_F(ControlServerTest, TheClientTellsWhyThereIsNoAnswer) {
  const auto limit = std::chrono::milliseconds(200);
  EXPECT_EQ(control_get(path_, "/v1/pods", limit).error().kind(), ErrorKind::not_found);
  std::filesystem::create_directory(directory_ + "/run");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  base::UniqueFd other(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(control_get(path_, "/v1/pods", limit).error().kind(), ErrorKind::unavailable);
  ASSERT_EQ(listen(other.get(), 1), 0);
  EXPECT_EQ(control_get(path_, "/v1/pods", limit).error().kind(), ErrorKind::deadline_exceeded);
}

}  // namespace
}  // namespace keelson::agent
