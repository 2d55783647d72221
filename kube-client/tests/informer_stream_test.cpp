// What an informer makes of the streams and lists it gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "kube-client/tests/informer_bench.hpp"

namespace keelson::kube {
namespace {

using api::Pod;
using testing::bookmark;
using testing::InformerBench;
using testing::kJsonAnswer;
using testing::kProtobufAnswer;
using testing::pod;
using testing::status;
using namespace std::chrono_literals;
using Story = std::vector<std::string>;

class InformerFormats : public ::testing::TestWithParam<api::WireFormat> {};
INSTANTIATE_TEST_SUITE_P(Both, InformerFormats, ::testing::Values(api::WireFormat::json, api::WireFormat::protobuf));

TEST_P(InformerFormats, AddsTheInitialSetAsOneAndFollowsTheChanges) {
  InformerBench bench(GetParam());
  auto stream = bench.plan_stream();
  bench.informer.start(bench.gate);
  bench.pump();
  EXPECT_EQ(bench.asked(0), "initial@");
  bench.send(stream, "ADDED", pod("b", "12"));
  bench.send(stream, "ADDED", pod("a", "90"));
  EXPECT_EQ(bench.take_story(), Story()) << "nothing is told before the set is whole";
  EXPECT_FALSE(bench.informer.synced());
  bench.send(stream, "BOOKMARK", bookmark("100", true));
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@90", "+ns/b@12", "synced"}));
  EXPECT_TRUE(bench.informer.synced());

  bench.send(stream, "MODIFIED", pod("a", "101"));
  bench.send(stream, "ADDED", pod("c", "102"));
  bench.send(stream, "DELETED", pod("b", "103"));
  EXPECT_EQ(bench.take_story(), (Story{"~ns/a@101 was 90", "+ns/c@102", "-ns/b@103"}));
  EXPECT_EQ(bench.held(), (Story{"ns/a@101", "ns/c@102"}));
  EXPECT_EQ(bench.informer.version(), "103");
  EXPECT_EQ(bench.informer.find("ns/a")->metadata().uid(), "uid-a");
  EXPECT_EQ(bench.informer.find("ns/b"), nullptr);
}

TEST_P(InformerFormats, ReadsFramesWhereverTheyAreCut) {
  InformerBench bench(GetParam());
  auto stream = bench.plan_stream();
  bench.informer.start(bench.gate);
  const std::string bytes = bench.event("ADDED", pod("a", "1")) + bench.event("BOOKMARK", bookmark("100", true)) +
                            bench.event("MODIFIED", pod("a", "101"));
  for (const char byte : bytes) {
    stream->send(std::string(1, byte));
    bench.pump();
  }
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@1", "synced", "~ns/a@101 was 1"}));
}

TEST_P(InformerFormats, KeepsObjectsNormalAndWithoutManagedFields) {
  InformerBench bench(GetParam());
  Pod fat = pod("a", "1");
  fat.mutable_metadata()->add_managedfields()->set_manager("kubectl");
  fat.mutable_metadata()->set_generatename("");
  fat.mutable_status();
  auto stream = bench.begin({fat});
  EXPECT_EQ(bench.informer.find("ns/a")->SerializeAsString(), pod("a", "1").SerializeAsString());
  fat.mutable_metadata()->set_resourceversion("101");
  bench.send(stream, "MODIFIED", fat);
  EXPECT_EQ(bench.informer.find("ns/a")->SerializeAsString(), pod("a", "101").SerializeAsString());
}

TEST_P(InformerFormats, ResumesAfterACutInTheMiddleOfAFrame) {
  InformerBench bench(GetParam());
  auto stream = bench.begin({pod("a", "1")});
  auto next = bench.plan_stream();
  const std::string frame = bench.event("MODIFIED", pod("a", "101"));
  stream->send(frame.substr(0, frame.size() / 2));
  stream->cut();
  bench.pump();
  EXPECT_EQ(bench.asked(1), "resume@100") << "at once";
  bench.send(next, "MODIFIED", pod("a", "101"));
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@1", "synced", "~ns/a@101 was 1"}));
  EXPECT_FALSE(stream->open());
  EXPECT_EQ(bench.informer.problem(), "");
}

TEST(Informer, SetOfNothingIsComplete) {
  InformerBench bench;
  bench.begin({});
  EXPECT_EQ(bench.take_story(), Story{"synced"});
}

TEST(Informer, InitialEventsMayChangeWhileTheyCome) {
  InformerBench bench;
  auto stream = bench.plan_stream();
  bench.informer.start(bench.gate);
  bench.send(stream, "ADDED", pod("a", "1"));
  bench.send(stream, "ADDED", pod("b", "2"));
  bench.send(stream, "MODIFIED", pod("a", "3"));
  bench.send(stream, "DELETED", pod("b", "4"));
  bench.send(stream, "BOOKMARK", bookmark("3"));
  EXPECT_EQ(bench.take_story(), Story()) << "a bookmark like any other ends nothing";
  bench.send(stream, "BOOKMARK", bookmark("5", true));
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@3", "synced"}));
}

TEST(Informer, IgnoresWhatItHasSeenAlready) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "50"), pod("gone", "60")});
  bench.send(stream, "DELETED", pod("gone", "101"));
  bench.send(stream, "MODIFIED", pod("a", "102"));
  bench.take_story();
  bench.send(stream, "MODIFIED", pod("a", "102"));    // the same
  bench.send(stream, "MODIFIED", pod("a", "99"));     // older
  bench.send(stream, "ADDED", pod("gone", "60"));     // came and went
  bench.send(stream, "DELETED", pod("gone", "101"));  // twice
  bench.send(stream, "DELETED", pod("a", "70"));      // the end of an earlier one of that name
  EXPECT_EQ(bench.take_story(), Story());
  EXPECT_EQ(bench.held(), Story{"ns/a@102"});
  EXPECT_EQ(bench.informer.version(), "102");
  bench.send(stream, "DELETED", pod("a", "102"));  // of a server that does not count deletions
  EXPECT_EQ(bench.take_story(), Story{"-ns/a@102"});
}

TEST(Informer, TellsTheEndOfAPredecessorThatItMissed) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "50", "first"), pod("b", "51", "first")});
  bench.take_story();
  bench.send(stream, "MODIFIED", pod("a", "101", "second"));
  EXPECT_EQ(bench.take_story(), (Story{"-ns/a@50", "+ns/a@101"}));
  bench.send(stream, "DELETED", pod("b", "102", "third"));
  EXPECT_EQ(bench.take_story(), Story{"-ns/b@51"});
}

TEST(Informer, ComparesVersionsThatAreNoNumbersByEqualityOnly) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "x1")});
  bench.take_story();
  bench.send(stream, "MODIFIED", pod("a", "x1"));
  bench.send(stream, "MODIFIED", pod("a", "w0"));
  EXPECT_EQ(bench.take_story(), Story{"~ns/a@w0 was x1"});
}

TEST(Informer, AdvancesByBookmarksAlone) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "1")});
  bench.send(stream, "BOOKMARK", bookmark("5000"));
  bench.plan_stream();
  bench.clock.advance(310s);
  stream->end();
  bench.pump();
  EXPECT_EQ(bench.asked(1), "resume@5000");
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@1", "synced"}));
}

TEST(Informer, GivesTheDifferenceAfterAnExpiredVersion) {
  for (const bool by_event : {false, true}) {
    InformerBench bench;
    auto stream = bench.begin({pod("same", "1"), pod("changed", "2"), pod("gone", "3"), pod("anew", "4", "first")});
    bench.take_story();
    const auto expired = status(410, "Expired", "too old resource version: 100 (900)");
    if (by_event) {
      stream->send(bench.event("ERROR", expired));
    } else {
      bench.transport.answer(410, api::encode_json(expired), kJsonAnswer);
      stream->cut();
    }
    auto again = bench.plan_stream();
    bench.pump();
    EXPECT_EQ(bench.asked(by_event ? 1 : 2), "initial@100");
    bench.send(again, "ADDED", pod("same", "1"));
    bench.send(again, "ADDED", pod("changed", "950"));
    bench.send(again, "ADDED", pod("anew", "951", "second"));
    bench.send(again, "ADDED", pod("new", "952"));
    EXPECT_EQ(bench.held().size(), 4U) << "the old set stands until the new one is whole";
    bench.send(again, "BOOKMARK", bookmark("960", true));
    EXPECT_EQ(bench.take_story(),
              (Story{"-ns/gone@3", "-ns/anew@4", "+ns/anew@951", "~ns/changed@950 was 2", "+ns/new@952"}));
    EXPECT_EQ(bench.informer.version(), "960");
  }
}

TEST(Informer, AsksForTheLatestWhenItsVersionCannotEvenBeginASet) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "1")});
  const std::string expired = api::encode_json(status(410, "Gone", "gone"));
  bench.transport.answer(410, expired, kJsonAnswer);
  bench.transport.answer(410, expired, kJsonAnswer);
  auto again = bench.plan_stream();
  stream->end();
  bench.pump();
  EXPECT_EQ(bench.asked(1), "resume@100");
  EXPECT_EQ(bench.asked(2), "initial@100");
  EXPECT_EQ(bench.asked(3), "initial@");
  bench.take_story();
  bench.send(again, "ADDED", pod("a", "3"));
  bench.send(again, "BOOKMARK", bookmark("40", true));  // a server restored from an old copy
  EXPECT_EQ(bench.take_story(), Story{"~ns/a@3 was 1"});
  EXPECT_EQ(bench.informer.version(), "40");
}

api::core::PodList pods(const std::vector<Pod>& items, const std::string& version, const std::string& token = {}) {
  api::core::PodList list;
  for (const Pod& item : items) *list.add_items() = item;
  list.mutable_metadata()->set_resourceversion(version);
  if (!token.empty()) list.mutable_metadata()->set_continue_(token);
  return list;
}

TEST_P(InformerFormats, ListsByPagesWhereInitialEventsAreForbidden) {
  InformerBench bench(GetParam());
  bench.transport.answer(422, api::encode_json(status(422, "Invalid", "sendInitialEvents is forbidden for watch")),
                         kJsonAnswer);
  const auto answer = [&](const api::core::PodList& list) {
    const bool json = GetParam() == api::WireFormat::json;
    bench.transport.answer(200, json ? api::encode_json(list) : api::encode_binary(list),
                           json ? kJsonAnswer : kProtobufAnswer);
  };
  Pod fat = pod("a", "1");
  fat.mutable_metadata()->add_managedfields()->set_manager("kubectl");
  answer(pods({fat, pod("b", "2")}, "70", "token=1"));
  answer(pods({pod("c", "3")}, "70"));
  auto stream = bench.plan_stream();
  bench.informer.start(bench.gate);
  bench.pump();
  EXPECT_EQ(bench.asked(0), "initial@");
  EXPECT_EQ(bench.asked(1), "list limited@0");
  EXPECT_THAT(bench.transport.target(2),
              ::testing::HasSubstr("continue=token%3D1&fieldSelector=spec.nodeName%3Dn&limit=500"));
  EXPECT_EQ(bench.asked(3), "resume@70");
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@1", "+ns/b@2", "+ns/c@3", "synced"}));
  EXPECT_EQ(bench.informer.find("ns/a")->metadata().managedfields_size(), 0);
  bench.send(stream, "DELETED", pod("b", "71"));
  EXPECT_EQ(bench.take_story(), Story{"-ns/b@71"});
}

TEST(Informer, ListsWholeWhenItsPagesExpire) {
  InformerBench bench;
  bench.transport.answer(400);
  bench.transport.answer(pods({pod("a", "1")}, "70", "t"));
  bench.transport.answer(410, api::encode_json(status(410, "Expired", "the continue token is too old")), kJsonAnswer);
  bench.transport.answer(pods({pod("b", "80")}, "90"));
  bench.plan_stream();
  bench.informer.start(bench.gate);
  bench.pump();
  EXPECT_EQ(bench.asked(3), "list@");
  EXPECT_EQ(bench.asked(4), "resume@90");
  EXPECT_EQ(bench.take_story(), (Story{"+ns/b@80", "synced"}));
}

TEST(Informer, ListsAServerWhoseInitialEventsNeverEnd) {
  InformerBench bench;
  auto stream = bench.plan_stream();
  bench.informer.start(bench.gate);
  bench.send(stream, "ADDED", pod("a", "1"));
  bench.advance(9s);
  bench.send(stream, "ADDED", pod("b", "2"));
  bench.transport.answer(pods({pod("a", "1"), pod("b", "2")}, "70"));
  bench.plan_stream();
  bench.advance(9s);
  EXPECT_EQ(bench.transport.seen.size(), 1U);
  bench.advance(1s);
  EXPECT_EQ(bench.asked(1), "list limited@0");
  EXPECT_EQ(bench.asked(2), "resume@70");
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@1", "+ns/b@2", "synced"}));
  EXPECT_FALSE(stream->open());
}

base::Task<int> wait_for(Informer<Pod>* informer) {
  co_await informer->wait_synced();
  co_return 1;
}

TEST(Informer, IsWaitedForByMany) {
  InformerBench bench;
  auto stream = bench.plan_stream();
  bench.informer.start(bench.gate);
  auto first = bench.start(wait_for(&bench.informer));
  auto second = bench.start(wait_for(&bench.informer));
  EXPECT_FALSE(first->has_value());
  bench.send(stream, "BOOKMARK", bookmark("1", true));
  EXPECT_TRUE(first->has_value());
  EXPECT_TRUE(second->has_value());
  EXPECT_TRUE(bench.start(wait_for(&bench.informer))->has_value());
}

TEST(Informer, StopsWithItsGateAndGivesUpTheStream) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "1")});
  EXPECT_TRUE(stream->open());
  bench.stop();
  EXPECT_FALSE(stream->open());
  EXPECT_EQ(bench.clock.sleepers(), 0U);
}

}  // namespace
}  // namespace keelson::kube
