#include "tests/support/api/server_proxy.hpp"
#include "tests/support/api/tests/server_world.hpp"

namespace keelson::fakes::testing {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

class Protocol : public ServerWorld, public ::testing::WithParamInterface<std::string> {
 protected:
  CurlAnswer ask(const std::string& arguments) { return curl(GetParam() + " " + arguments); }
};

INSTANTIATE_TEST_SUITE_P(Both, Protocol, ::testing::Values("--http2", "--http1.1"),
                         [](const auto& info) { return info.param == "--http2" ? "Http2" : "Http1"; });

TEST_P(Protocol, AnswersWithStatusHeadersAndBody) {
  const auto answer = ask("-i -X POST --data-binary body $URL/echo");
  EXPECT_EQ(answer.exit_code, 0) << answer.out;
  EXPECT_NE(answer.out.find("POST system:anonymous system:unauthenticated [body]"), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("audit-id: "), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("cache-control: no-cache, private"), std::string::npos) << answer.out;
}

TEST_P(Protocol, TakesALargeBody) {
  const std::string body(3'000'000, 'x');
  const auto answer = ask("-X POST --data-binary @" + file("body", body) + " $URL/echo");
  EXPECT_EQ(answer.exit_code, 0);
  EXPECT_EQ(answer.out.size(), body.size() + std::string("POST system:anonymous system:unauthenticated []").size());
}

TEST_P(Protocol, GivesALargeBody) {
  const auto answer = ask("$URL/big/5000000");
  EXPECT_EQ(answer.exit_code, 0);
  EXPECT_EQ(answer.out.size(), 5'000'000u);
}

TEST_P(Protocol, CompressesLargeAnswersForThoseWhoAccept) {
  const auto small = ask("--compressed -o /dev/null -w '%{size_download}' $URL/big/131071");
  EXPECT_EQ(small.out, "131071");
  const auto large = ask("--compressed -i $URL/big/131072");
  EXPECT_NE(large.out.find("content-encoding: gzip"), std::string::npos);
  EXPECT_NE(large.out.find(std::string(131072, 'b')), std::string::npos);
  const auto plain = ask("-o /dev/null -w '%{size_download}' $URL/big/131072");
  EXPECT_EQ(plain.out, "131072");
}

TEST_P(Protocol, AnswersHeadWithoutABody) {
  const auto answer = ask("-I $URL/big/1000");
  EXPECT_EQ(answer.exit_code, 0) << answer.out;
  EXPECT_NE(answer.out.find("200"), std::string::npos) << answer.out;
}

TEST_P(Protocol, UsesOneConnectionForOneRequestAfterAnother) {
  const auto answer = ask("$URL/echo/1 $URL/echo/2 $URL/big/200000 $URL/echo/3");
  EXPECT_EQ(answer.exit_code, 0);
  EXPECT_EQ(counts().accepted, 1u);
  EXPECT_EQ(counts().requests, 4u);
}

TEST_P(Protocol, SendsPiecesOfAWatchAsTheyCome) {
  Curl watch(command(GetParam() + " -N $URL/watch"));
  ASSERT_TRUE(eventually([this] { return backend_->watches == 1; }));
  at([this] { backend_->say("one\n"); });
  EXPECT_EQ(watch.read(4), "one\n");
  at([this] { backend_->say("two\n"); });
  EXPECT_EQ(watch.read(4), "two\n");
  at([this] { backend_->hang_up(); });
  const auto rest = watch.finish();
  EXPECT_EQ(rest.exit_code, 0) << rest.out;
  EXPECT_TRUE(eventually([this] { return backend_->watches == 0 && server_->counts().in_progress == 0; }));
}

TEST_P(Protocol, GivesUpAWatchWhoseClientHasGone) {
  const auto answer = ask("-N --max-time 0.5 $URL/watch");
  EXPECT_EQ(answer.exit_code, 28) << answer.out;
  EXPECT_TRUE(eventually([this] { return backend_->watches == 0; }));
  EXPECT_TRUE(eventually([this] { return server_->counts().connections == 0; }));
}

TEST_P(Protocol, GivesUpAnAnswerWhoseClientHasGone) {
  const auto answer = ask("--max-time 0.5 $URL/wait");
  EXPECT_EQ(answer.exit_code, 28) << answer.out;
  EXPECT_TRUE(eventually([this] { return backend_->waiting == 0; }));
}

TEST_P(Protocol, HoldsBackAProducerThatIsFasterThanItsClient) {
  constexpr std::size_t kTaken = 20u << 20;
  Curl slow(command(GetParam() + " -N $URL/endless"));
  EXPECT_EQ(slow.read(kTaken).size(), kTaken);
  // Buffers of both sides, of the pipe and of the windows; not the hundreds of megabytes of a free run.
  EXPECT_LT(at([this] { return backend_->produced.load(); }), kTaken + (24u << 20));
  // What nobody reads is not produced: the loop has had all its time by then.
  const auto before = at([this] { return backend_->produced.load(); });
  const auto other = ask("$URL/big/2000000");
  EXPECT_EQ(other.out.size(), 2'000'000u);
  EXPECT_LT(at([this] { return backend_->produced.load(); }) - before, 24u << 20);
  at([this] { server_->close_all(); });
}

TEST_P(Protocol, SaysThatItDoesNotReachTheNode) {
  const auto answer = ask("-w ' %{http_code}' $URL/api/v1/namespaces/a/pods/b/log?container=c");
  EXPECT_NE(answer.out.find("\"reason\":\"NotImplemented\""), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find(" 501"), std::string::npos) << answer.out;
}

TEST(NodeStreams, AreThePathsThatLeadToTheNodesPort) {
  const std::vector<std::pair<std::string, bool>> rows = {
      {"/api/v1/namespaces/a/pods/b/log", true},        {"/api/v1/namespaces/a/pods/b/exec?command=ls", true},
      {"/api/v1/namespaces/a/pods/b/attach", true},     {"/api/v1/namespaces/a/pods/b/portforward", true},
      {"/api/v1/namespaces/a/pods/b/proxy/x/y", true},  {"/api/v1/nodes/n/proxy/metrics", true},
      {"/api/v1/namespaces/a/pods/log", false},         {"/api/v1/namespaces/a/pods/b/status", false},
      {"/api/v1/namespaces/a/pods/b", false},           {"/api/v1/nodes/n/status", false},
      {"/apis/apps/v1/namespaces/a/pods/b/log", false}, {"", false},
  };
  for (const auto& [target, expected] : rows) EXPECT_EQ(server::is_node_stream(target), expected) << target;
}

TEST_F(ServerWorld, ServesFiveHundredStreamsOverOneConnection) {
  std::string urls;
  for (int i = 0; i < 500; ++i) urls += "url=" + server_->url() + "/wait/" + std::to_string(i) + "\noutput=/dev/null\n";
  Curl many(command("--http2 -Z --parallel-max 300 -w '%{http_code}\\n' --config " + file("urls", urls)));
  // curl opens its streams on the one connection that it has; the server allows 250 at once.
  EXPECT_TRUE(eventually([this] { return backend_->waiting >= 200; }));
  EXPECT_LE(counts().most_in_progress, 250u * counts().accepted);
  at([this] { backend_->release(); });
  const auto answer = many.finish();
  EXPECT_EQ(answer.exit_code, 0) << answer.out;
  EXPECT_EQ(count(answer.out, "200\n"), 500u) << answer.out;
  EXPECT_EQ(counts().requests, 500u);
}

TEST_F(ServerWorld, KeepsManyWatchesOnOneConnection) {
  std::string urls;
  for (int i = 0; i < 200; ++i) urls += "url=" + server_->url() + "/watch\n";
  Curl many(command("--http2 -N -Z --parallel-max 200 --config " + file("urls", urls)));
  ASSERT_TRUE(eventually([this] { return backend_->watches == 200; }));
  at([this] {
    backend_->say("event\n");
    backend_->hang_up();
  });
  const auto answer = many.finish();
  EXPECT_EQ(answer.exit_code, 0) << answer.out;
  EXPECT_EQ(count(answer.out, "event\n"), 200u) << answer.out;
}

class OldServer : public ServerWorld {
 protected:
  OldServer() : ServerWorld(without_http2()) {}
  static FakeApiServerOptions without_http2() {
    FakeApiServerOptions options;
    options.http2 = false;
    return options;
  }
};

TEST_F(OldServer, OffersHttp1Only) {
  const auto answer = curl("--http2 -o /dev/null -w '%{http_version} %{http_code}' $URL/echo");
  EXPECT_EQ(answer.out, "1.1 200");
}

TEST_F(ServerWorld, PrefersHttp2) {
  const auto answer = curl("--http2 -o /dev/null -w '%{http_version} %{http_code}' $URL/echo");
  EXPECT_EQ(answer.out, "2 200");
}

TEST_F(ServerWorld, RefusesWhatIsNoHttp) {
  const auto answer = curl("--http1.1 -X 'BAD METHOD' $URL/echo");
  EXPECT_NE(answer.out.find("\"reason\":\"BadRequest\""), std::string::npos) << answer.out;
}

}  // namespace
}  // namespace keelson::fakes::testing
