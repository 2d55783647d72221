#include "tests/support/api/tests/server_world.hpp"

namespace keelson::fakes::testing {
namespace {

class Faults : public ServerWorld, public ::testing::WithParamInterface<std::string> {
 protected:
  CurlAnswer ask(const std::string& arguments) { return curl(GetParam() + " " + arguments); }
};

INSTANTIATE_TEST_SUITE_P(Both, Faults, ::testing::Values("--http2", "--http1.1"),
                         [](const auto& info) { return info.param == "--http2" ? "Http2" : "Http1"; });

TEST_P(Faults, ResetBreaksTheConnectionWithoutAnAnswer) {
  const auto answer = ask("$URL/reset");
  EXPECT_NE(answer.exit_code, 0) << answer.out;
  EXPECT_EQ(ask("-o /dev/null -w '%{http_code}' $URL/echo").out, "200");
}

TEST_P(Faults, CutGivesTheFirstBytesAndBreaksTheConnection) {
  for (const int bytes : {0, 1, 500, 999}) {
    const auto answer = ask("-N $URL/cut/" + std::to_string(bytes));
    EXPECT_NE(answer.exit_code, 0) << bytes;
    EXPECT_EQ(answer.out.substr(0, static_cast<std::size_t>(bytes)), std::string(static_cast<std::size_t>(bytes), 'x'));
    EXPECT_NE(answer.out[static_cast<std::size_t>(bytes)], 'x') << answer.out;
  }
}

TEST_P(Faults, ABlackholeAnswersNothingUntilItIsOver) {
  at([this] { server_->blackhole(true); });
  const auto lost = ask("--max-time 0.5 $URL/echo");
  EXPECT_EQ(lost.exit_code, 28) << lost.out;
  Curl patient(command(GetParam() + " $URL/echo"));
  at([this] { server_->blackhole(false); });
  EXPECT_EQ(patient.finish().exit_code, 0);
}

TEST_P(Faults, ABlackholeSilencesOpenWatches) {
  Curl watch(command(GetParam() + " -N $URL/watch"));
  ASSERT_TRUE(eventually([this] { return backend_->watches == 1; }));
  at([this] {
    server_->blackhole(true);
    backend_->say("held\n");
  });
  EXPECT_EQ(at([this] { return server_->counts().connections; }), 1u);
  at([this] { server_->blackhole(false); });
  EXPECT_EQ(watch.read(5), "held\n");
  at([this] { backend_->hang_up(); });
  EXPECT_EQ(watch.finish().exit_code, 0);
}

TEST_P(Faults, RefusedConnectionsAreAcceptedAgainOnTheSamePort) {
  const auto port = at([this] { return server_->port(); });
  ASSERT_TRUE(at([this] { return server_->refuse(true).ok(); }));
  EXPECT_EQ(ask("$URL/echo").exit_code, 7);
  ASSERT_TRUE(at([this] { return server_->refuse(false).ok(); }));
  EXPECT_EQ(at([this] { return server_->port(); }), port);
  EXPECT_EQ(ask("-o /dev/null -w '%{http_code}' $URL/echo").out, "200");
}

TEST_P(Faults, CloseAllBreaksOpenWatchesAndAnswersInProgress) {
  Curl watch(command(GetParam() + " -N $URL/watch"));
  Curl slow(command(GetParam() + " $URL/wait"));
  ASSERT_TRUE(eventually([this] { return backend_->watches == 1 && backend_->waiting == 1; }));
  at([this] { server_->close_all(); });
  // Curl sees it when it reads, or, over HTTP/2, when it has something to send.
  const int broken = watch.finish().exit_code;
  EXPECT_TRUE(broken == 56 || broken == 55) << broken;
  EXPECT_NE(slow.finish().exit_code, 0);
  EXPECT_TRUE(eventually(
      [this] { return backend_->watches == 0 && backend_->waiting == 0 && server_->counts().connections == 0; }));
}

TEST_P(Faults, GoAwayLetsOpenAnswersFinish) {
  Curl slow(command(GetParam() + " -w ' %{http_code}' $URL/wait"));
  ASSERT_TRUE(eventually([this] { return backend_->waiting == 1; }));
  at([this] {
    server_->go_away();
    backend_->release();
  });
  EXPECT_EQ(slow.finish().out, "late 200");
  EXPECT_TRUE(eventually([this] { return server_->counts().connections == 0; }));
}

TEST_P(Faults, AfterGoAwayTheNextRequestTakesANewConnection) {
  Curl two(command(GetParam() + " --rate 600/m -o /dev/null -w '%{http_code}\\n' $URL/wait $URL/wait"));
  ASSERT_TRUE(eventually([this] { return backend_->waiting == 1; }));
  at([this] {
    server_->go_away();
    backend_->release();
  });
  const auto answer = two.finish();
  EXPECT_NE(answer.out.find("200\n"), std::string::npos) << answer.out;
  EXPECT_EQ(answer.exit_code, 0) << answer.out;
  EXPECT_EQ(counts().accepted, 2u);
}

TEST_F(ServerWorld, TellsWhyItCannotListen) {
  FakeApiServerOptions options;
  options.port = at([this] { return server_->port(); });
  at([this, &options] {
    FakeApiServer second(loop_, *backend_, ca_, options);
    const auto status = second.start();
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().to_string().find("Address already in use"), std::string::npos)
        << status.error().to_string();
    options.address = "somewhere";
    FakeApiServer third(loop_, *backend_, ca_, options);
    const auto wrong = third.start();
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().kind(), ErrorKind::invalid);
  });
}

}  // namespace
}  // namespace keelson::fakes::testing
