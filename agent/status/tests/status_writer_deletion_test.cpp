// The deletion handshake with the API server, contract 02 §11.
#include "agent/status/tests/status_writer_fixture.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using base::testing::drain;
using testing::kUnavailable;
using testing::Texts;
class StatusWriterDeletionTest : public testing::StatusWriterTest {};

TEST_F(StatusWriterDeletionTest, DeletesAPodAtItsEnd) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running"})");
  const auto dying = api.ask_deletion("n/a");
  publish(dying, R"({"phase":"Succeeded"})", true);
  EXPECT_EQ(phase("a"), "Running");
  publish(dying, R"({"phase":"Succeeded"})", false);
  EXPECT_EQ(phase("a"), "Succeeded");
  EXPECT_EQ(api.log.back(), "PATCH n/a") << "volumes and cgroup are still there";
  finish(dying, R"({"phase":"Succeeded"})");
  EXPECT_EQ(api.log.back(), "DELETE n/a uid=u-a");
  EXPECT_EQ(api.pods.count("n/a"), 0u);
  EXPECT_EQ(writer->pending(), 0u);
  writer->forget("u-a");
}

TEST_F(StatusWriterDeletionTest, TellsTheEndBeforeItDeletes) {
  pod("a");
  const auto dying = api.ask_deletion("n/a");
  finish(dying, R"({"phase":"Failed"})");
  EXPECT_EQ(api.log, (Texts{"PATCH n/a", "DELETE n/a uid=u-a"}));
}

TEST_F(StatusWriterDeletionTest, DeletesNothingThatNobodyAskedToDelete) {
  const auto p = pod("a");
  finish(p, R"({"phase":"Succeeded"})");
  clock.advance(1min);
  EXPECT_EQ(api.log, Texts{"PATCH n/a"});
  // Asked only later: the API server does it itself for a pod at its end, but if the object stays we help.
  api.ask_deletion("n/a");
  drain(loop);
  EXPECT_EQ(api.log, (Texts{"PATCH n/a", "DELETE n/a uid=u-a"}));
}

TEST_F(StatusWriterDeletionTest, DeletesNothingBeforeItsPhaseIsTerminal) {
  pod("a");
  const auto dying = api.ask_deletion("n/a");
  finish(dying, R"({"phase":"Running"})");
  clock.advance(1min);
  EXPECT_EQ(api.log, Texts{"PATCH n/a"});
}

TEST_F(StatusWriterDeletionTest, RepeatsADeletionUntilItArrives) {
  pod("a");
  const auto dying = api.ask_deletion("n/a");
  api.faults["DELETE n/a"] = {kUnavailable, Error(ErrorKind::maybe_applied, "reset"),
                              Error(ErrorKind::conflict, "the object has been modified", 409)};
  finish(dying, R"({"phase":"Failed"})");
  EXPECT_EQ(writer->pending(), 1u);
  clock.advance(10s);
  EXPECT_EQ(api.count("DELETE n/a uid=u-a"), 4u);
  EXPECT_EQ(api.count("PATCH n/a"), 1u) << "what was told is not told again";
  EXPECT_TRUE(api.pods.empty());
}

TEST_F(StatusWriterDeletionTest, TakesAPodThatIsGoneOrAnotherOneForDeleted) {
  pod("a");
  const auto dying = api.ask_deletion("n/a");
  publish(dying, R"({"phase":"Failed"})", false);
  watching = false;
  api.drop("n/a");
  finish(dying, R"({"phase":"Failed"})");
  clock.advance(1min);
  EXPECT_EQ(api.count("DELETE n/a uid=u-a"), 1u);

  watching = true;
  pod("b");
  const auto other = api.ask_deletion("n/b");
  publish(other, R"({"phase":"Failed"})", false);
  watching = false;
  pod("b", "new");
  finish(other, R"({"phase":"Failed"})");
  clock.advance(1min);
  EXPECT_EQ(api.count("DELETE n/b uid=u-b"), 1u);
  EXPECT_EQ(api.pods.at("n/b").metadata().uid(), "new");
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterDeletionTest, DeletesOnceWhenFinalizersKeepTheObject) {
  api::Pod with = *pod("a");
  with.mutable_metadata()->add_finalizers("example.com/wait");
  with.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(1);
  const auto dying = api.put(std::move(with));
  finish(dying, R"({"phase":"Failed"})");
  clock.advance(1h);
  EXPECT_EQ(api.count("DELETE n/a uid=u-a"), 1u);
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterDeletionTest, FindsTheDeletionInWhatItsOwnRequestAnswers) {
  const auto p = pod("a");
  watching = false;
  api.ask_deletion("n/a");
  finish(p, R"({"phase":"Failed"})");
  EXPECT_EQ(api.log, (Texts{"PATCH n/a", "DELETE n/a uid=u-a"}));
}

TEST_F(StatusWriterDeletionTest, LetsAForceDeletedPodEndInSilence) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running"})");
  api.drop("n/a");
  publish(p, R"({"phase":"Failed"})", false);
  finish(p, R"({"phase":"Failed"})");
  clock.advance(1min);
  EXPECT_EQ(api.log, Texts{"PATCH n/a"});
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterDeletionTest, ForgetsAPodWhoseRequestIsOnItsWay) {
  pod("a");
  const auto dying = api.ask_deletion("n/a");
  api.latency = 1s;
  finish(dying, R"({"phase":"Failed"})");
  writer->forget("u-a");
  clock.advance(1min);
  EXPECT_EQ(api.log, Texts{"PATCH n/a"});
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterDeletionTest, StopsWithRequestsOnTheirWayAndOthersWaiting) {
  const auto p = pod("a");
  const auto q = pod("b");
  api.faults["PATCH n/b"] = {kUnavailable};
  publish(q, R"({"phase":"Running"})");
  api.latency = 1s;
  publish(p, R"({"phase":"Running"})");
  restart();
  EXPECT_EQ(writer->pending(), 0u);
}

}  // namespace
}  // namespace keelson::agent
