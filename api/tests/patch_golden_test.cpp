// Every recorded PATCH: applied to the object as it was before it gives the recorded answer, and the difference of the
// two is the recorded patch.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/json_codec.hpp"
#include "api/node_edit.hpp"
#include "api/objects.hpp"
#include "api/patch.hpp"

namespace keelson::api {
namespace {

struct Exchange {
  std::string where;  // file:line
  std::string uri;
  const google::protobuf::Descriptor* type = nullptr;
  Node before;
  Node patch;
  Node after;
};

const google::protobuf::Descriptor* type_of(const Node& object) {
  const std::string& kind = object.find("kind")->text;
  if (kind == "Pod") return core::Pod::descriptor();
  if (kind == "Node") return core::Node::descriptor();
  if (kind == "Event") return core::Event::descriptor();
  return nullptr;
}

// What the server adds by itself.
void leave_out_versions(Node& object) {
  Node* metadata = internal::find(object, "metadata");
  internal::erase(*metadata, "resourceVersion");
  internal::erase(*metadata, "managedFields");
}

std::vector<Exchange> exchanges() {
  std::vector<Exchange> out;
  for (const char* name : {"start.jsonl", "pods.jsonl"}) {
    std::ifstream file(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/requests/" + name);
    EXPECT_TRUE(file.good()) << name;
    std::map<std::string, Node> known;  // by uid
    int number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      auto entry = parse_json(line);
      if (!entry.ok()) {
        ADD_FAILURE() << name << ":" << number << ": " << entry.error().to_string();
        continue;
      }
      const Node* response = entry->find("response");
      const Node* metadata = response == nullptr ? nullptr : response->find("metadata");
      const Node* uid = metadata == nullptr ? nullptr : metadata->find("uid");
      if (uid == nullptr) continue;
      Node object = *response;
      leave_out_versions(object);
      const auto before = known.find(uid->text);
      if (entry->find("verb")->text == "patch" && before != known.end()) {
        out.push_back({std::string(name) + ":" + std::to_string(number), entry->find("uri")->text, type_of(object),
                       before->second, *entry->find("request"), object});
      }
      known.insert_or_assign(uid->text, std::move(object));
    }
  }
  return out;
}

std::string sorted(Node node) {
  internal::sort_keys(node);
  return to_json(node);
}

// As the server writes the type: `lastProbeTime: null` is there, whether it was given or not.
std::string as_type(const Node& object, const google::protobuf::Descriptor* type) {
  const auto* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  const std::unique_ptr<google::protobuf::Message> message(prototype->New());
  const Status status = decode(object, *message);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return sorted(encode_node(*message));
}

TEST(RecordedPatches, GiveTheRecordedAnswer) {
  int count = 0;
  for (const Exchange& exchange : exchanges()) {
    const auto result = strategic_merge_apply(exchange.before, exchange.patch, exchange.type);
    ASSERT_TRUE(result.ok()) << exchange.where << ": " << result.error().to_string();
    EXPECT_EQ(as_type(*result, exchange.type), as_type(exchange.after, exchange.type))
        << exchange.where << " " << exchange.uri;
    ++count;
  }
  EXPECT_GT(count, 30);
}

TEST(RecordedPatches, AreTheDifferenceOfWhatWasAndWhatIs) {
  int count = 0;
  for (const Exchange& exchange : exchanges()) {
    Node expected = exchange.patch;
    // The guard is no difference.
    internal::erase(expected, "metadata");
    // The kubelet starts the difference of an event from one without message and time.
    if (exchange.type == core::Event::descriptor()) {
      for (const char* name : {"message", "lastTimestamp"}) {
        if (internal::equal(*exchange.before.find(name), *exchange.after.find(name))) internal::erase(expected, name);
      }
    }
    EXPECT_EQ(to_json(strategic_merge_diff(exchange.before, exchange.after, exchange.type)), sorted(expected))
        << exchange.where << " " << exchange.uri;
    ++count;
  }
  EXPECT_GT(count, 30);
}

}  // namespace
}  // namespace keelson::api
