#include "agent/node/lease.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/tests/recorded.hpp"
#include "agent/node/tests/small_api.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kNode = "/api/v1/nodes/tb-node";
const std::string kLeases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const std::string kLease = kLeases + "/tb-node";

class LeaseTest : public ::testing::Test {
 protected:
  ~LeaseTest() override { bench_.stop(); }
  void start() { lease_.start(bench_.gate); }
  void add_node() { bench_.api.put(kNode, recorded_json("objects/node.json")); }
  std::vector<SmallApi::Seen> puts() { return bench_.api.all("PUT", kLease); }

  NodeBench bench_;
  int closed_ = 0;
  NodeLease lease_{bench_.clock, bench_.random, bench_.heartbeat, "tb-node", 40, [this] { ++closed_; }, bench_.log};
};

TEST_F(LeaseTest, IsCreatedAndRenewedAsRecorded) {
  add_node();
  start();
  ASSERT_TRUE(bench_.until([&] { return bench_.api.objects.count(kLease) > 0; }, 1s));
  EXPECT_THAT(bench_.api.requests(), ElementsAre("GET " + kLease + "?timeout=10s", "GET " + kNode + "?timeout=10s",
                                                 "POST " + kLeases + "?timeout=10s"));
  json recorded = recorded_requests("create", kLeases).at(0)["request"];
  json ours = bench_.api.seen[2].body;
  EXPECT_EQ(ours["spec"]["renewTime"].get<std::string>().size(),
            recorded["spec"]["renewTime"].get<std::string>().size());
  ours["spec"].erase("renewTime");
  recorded["spec"].erase("renewTime");
  EXPECT_EQ(ours, recorded);

  bench_.api.seen.clear();
  bench_.advance(105s);
  EXPECT_EQ(bench_.api.seen.size(), puts().size());
  ASSERT_EQ(puts().size(), 10u);
  for (std::size_t i = 1; i < puts().size(); ++i) {
    EXPECT_GE(puts()[i].at - puts()[i - 1].at, 10s);
    EXPECT_LT(puts()[i].at - puts()[i - 1].at, 10400ms);
  }
  EXPECT_EQ(puts()[0].target, kLease + "?timeout=10s");
  EXPECT_TRUE(puts()[0].body["metadata"].contains("resourceVersion"));
}

TEST_F(LeaseTest, WaitsAPeriodForTheNode) {
  start();
  bench_.advance(5s);
  add_node();
  EXPECT_THAT(bench_.api.all("POST", kLeases), IsEmpty());
  bench_.advance(4900ms);
  EXPECT_THAT(bench_.api.all("POST", kLeases), IsEmpty());
  EXPECT_TRUE(bench_.until([&] { return bench_.api.objects.count(kLease) > 0; }, 600ms));
}

TEST_F(LeaseTest, IsTakenOverAndGetsItsOwner) {
  add_node();
  json old = recorded_json("objects/lease.json");
  old["metadata"].erase("ownerReferences");
  bench_.api.put(kLease, old);
  start();
  ASSERT_TRUE(bench_.until([&] { return puts().size() == 1; }, 1s));
  EXPECT_EQ(puts()[0].body["metadata"]["ownerReferences"],
            recorded_json("objects/lease.json")["metadata"]["ownerReferences"]);
  EXPECT_THAT(bench_.api.all("POST", kLeases), IsEmpty());
}

TEST_F(LeaseTest, IsRenewedWithoutAnOwnerThatCannotBeRead) {
  json old = recorded_json("objects/lease.json");
  old["metadata"].erase("ownerReferences");
  bench_.api.put(kLease, old);
  start();
  ASSERT_TRUE(bench_.until([&] { return puts().size() == 1; }, 1s));
  EXPECT_FALSE(puts()[0].body["metadata"].contains("ownerReferences"));
  add_node();
  bench_.advance(11s);
  EXPECT_TRUE(puts().back().body["metadata"].contains("ownerReferences"));
}

TEST_F(LeaseTest, IsReadAnewAfterAConflict) {
  add_node();
  start();
  bench_.advance(1s);
  json theirs = bench_.api.objects[kLease];
  theirs["metadata"]["labels"] = {{"theirs", "1"}};
  bench_.api.put(kLease, theirs);
  bench_.api.seen.clear();
  ASSERT_TRUE(bench_.until([&] { return puts().size() == 2; }, 11s));
  EXPECT_THAT(bench_.api.requests(), ElementsAre("PUT " + kLease + "?timeout=10s", "GET " + kLease + "?timeout=10s",
                                                 "PUT " + kLease + "?timeout=10s"));
  bench_.pump();
  EXPECT_EQ(puts()[0].status, 409);
  EXPECT_EQ(puts()[1].status, 200);
  EXPECT_EQ(bench_.api.objects[kLease]["metadata"]["labels"]["theirs"], "1");
}

TEST_F(LeaseTest, IsMadeAnewWhenSomebodyDeletesIt) {
  add_node();
  start();
  bench_.advance(1s);
  bench_.api.erase(kLease);
  EXPECT_TRUE(bench_.until([&] { return bench_.api.objects.count(kLease) > 0; }, 11s));
}

TEST_F(LeaseTest, IsTriedFiveTimesAndThenReadWithGrowingPauses) {
  add_node();
  start();
  bench_.advance(1s);
  bench_.api.seen.clear();
  bench_.api.faults.push_back({"", "leases", 500, -1, false, {}});
  bench_.advance(41s);
  EXPECT_EQ(puts().size(), 5u);
  EXPECT_EQ(closed_, 4);
  const auto reads = bench_.api.all("GET", kLease);
  ASSERT_GE(reads.size(), 8u);
  EXPECT_EQ(reads[1].at - reads[0].at, 200ms);
  EXPECT_EQ(reads[2].at - reads[1].at, 400ms);
  EXPECT_EQ(reads[7].at - reads[6].at, 7s);
  bench_.api.faults.clear();
  EXPECT_TRUE(bench_.until([&] { return puts().size() == 6; }, 7100ms));
}

TEST_F(LeaseTest, RequestsEndAfterTenSeconds) {
  add_node();
  start();
  bench_.advance(1s);
  bench_.api.seen.clear();
  bench_.api.faults.push_back({"PUT", "leases", 0, 1, true, {}});
  bench_.advance(25s);
  ASSERT_GE(puts().size(), 2u);
  EXPECT_EQ(puts()[1].at - puts()[0].at, 10s);
  EXPECT_EQ(puts()[1].status, 200);
}

TEST_F(LeaseTest, GoesByTheSteadyClock) {
  add_node();
  start();
  bench_.advance(1s);
  bench_.clock.jump_system(-72h);
  bench_.advance(31s);
  EXPECT_EQ(puts().size(), 3u);
  bench_.clock.jump_system(144h);
  bench_.advance(31s);
  EXPECT_EQ(puts().size(), 6u);
}

}  // namespace
}  // namespace keelson::agent
