#include "agent/events/event_object.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "api/document.hpp"
#include "api/json_codec.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

const base::SystemTime kNow{std::chrono::nanoseconds(0x18e9bad2c555e776)};

std::vector<json> recorded_requests(const std::string& verb) {
  std::vector<json> found;
  for (const char* name : {"start.jsonl", "pods.jsonl"}) {
    std::ifstream file(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/requests/" + name);
    for (std::string line; std::getline(file, line);) {
      json request = json::parse(line);
      const std::string uri = request.at("uri");
      if (request.at("verb") == verb && uri.find("/events") != std::string::npos) found.push_back(std::move(request));
    }
  }
  return found;
}

api::core::Event parse_event(const json& body) {
  api::core::Event event;
  const auto node = api::parse_json(body.dump());
  EXPECT_TRUE(node.ok());
  EXPECT_TRUE(api::decode(node.value(), event).ok()) << body.dump();
  return event;
}

TEST(EventObject, HasTheBodyThatAKubeletSends) {
  base::Random random(1);
  const auto requests = recorded_requests("create");
  ASSERT_GT(requests.size(), 50u);
  for (const json& request : requests) {
    const api::core::Event recorded = parse_event(request.at("request"));
    const std::string name = recorded.metadata().name();
    const base::SystemTime when{std::chrono::nanoseconds(std::stoull(name.substr(name.rfind('.') + 1), nullptr, 16))};
    const auto& object = recorded.involvedobject();
    api::core::ObjectReference reference = reference_to_node("tb-node");
    if (object.kind() == "Pod") {
      api::Pod pod;
      pod.mutable_metadata()->set_name(object.name());
      pod.mutable_metadata()->set_namespace_(object.namespace_());
      pod.mutable_metadata()->set_uid(object.uid());
      pod.mutable_metadata()->set_resourceversion(object.resourceversion());
      reference = reference_to(pod, object.fieldpath());
    }
    api::core::Event ours = make_event(reference, {recorded.type() == "Warning", recorded.reason(), recorded.message()},
                                       "tb-node", when, random);
    // Counted up while it was in the queue: its first and last time are apart.
    if (recorded.count() == 1) {
      EXPECT_TRUE(api::same(ours, recorded)) << api::encode_json(ours) << "\n" << request.at("request").dump();
    }
    EXPECT_EQ(ours.metadata().name(), name);
  }
}

TEST(EventObject, PatchesAsAKubeletDoes) {
  const auto requests = recorded_requests("patch");
  ASSERT_GT(requests.size(), 5u);
  for (const json& request : requests) {
    const json& body = request.at("request");
    EXPECT_EQ(json::parse(event_patch(parse_event(body))), body);
  }
}

TEST(EventObject, IsNamedByTheObjectAndTheTime) {
  base::Random random(1);
  EXPECT_EQ(event_name("crash", kNow, random), "crash.18e9bad2c555e776");
  for (const char* name : {"Upper", "under_score", "", "-dash", "end-"}) {
    const std::string made = event_name(name, kNow, random);
    ASSERT_EQ(made.size(), 36u) << name;
    EXPECT_EQ(made[14], '4') << made;
    EXPECT_NE(std::string("89ab").find(made[19]), std::string::npos) << made;
  }
  EXPECT_EQ(event_name(std::string(236, 'a'), kNow, random).size(), 253u);
  EXPECT_EQ(event_name(std::string(237, 'a'), kNow, random).size(), 36u);
  EXPECT_NE(event_name("X", kNow, random), event_name("X", kNow, random));
}

TEST(EventObject, OfAStaticPodCarriesItsOwnUidAndNoVersion) {
  api::Pod pod;
  pod.mutable_metadata()->set_name("web-n1");
  pod.mutable_metadata()->set_namespace_("kube-system");
  pod.mutable_metadata()->set_uid("7d876ecb90abad8c386120f2293f22e4");
  const auto reference = reference_to(pod, "");
  EXPECT_EQ(reference.uid(), "7d876ecb90abad8c386120f2293f22e4");
  EXPECT_FALSE(reference.has_resourceversion());
  EXPECT_FALSE(reference.has_fieldpath());
}

TEST(EventObject, OfTheNodeLivesInDefaultAndHasNoUid) {
  base::Random random(1);
  const auto event = make_event(reference_to_node("n1"), {false, "Starting", "Starting kubelet."}, "n1", kNow, random);
  EXPECT_EQ(event.metadata().namespace_(), "default");
  EXPECT_FALSE(event.involvedobject().has_uid());
  EXPECT_FALSE(event.involvedobject().has_namespace_());
}

TEST(EventObject, PatchesWithoutAMessageThatIsEmpty) {
  api::core::Event event;
  event.set_count(3);
  event.mutable_lasttimestamp()->set_seconds(1767225600);
  EXPECT_EQ(event_patch(event), "{\"count\":3,\"lastTimestamp\":\"2026-01-01T00:00:00Z\"}");
  event.set_message("say \"a\"\n");
  EXPECT_EQ(json::parse(event_patch(event)).at("message"), "say \"a\"\n");
}

}  // namespace
}  // namespace keelson::agent
