// Every API object of the recordings goes JSON -> message -> binary -> message -> JSON and means the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "api/document.hpp"
#include "api/envelope.hpp"
#include "api/json_codec.hpp"
#include "api/message_plan.hpp"
#include "api/objects.hpp"
#include "api/quantity.hpp"

namespace keelson::api {
namespace {

using internal::FieldPlan;
using internal::MessagePlan;
using internal::Special;

const std::filesystem::path kData = std::filesystem::path(KEELSON_SOURCE_DIR) / "tests/golden/data";

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Compares JSON of the same object as contract 05a lets writers differ: what is no pointer may be absent, null or
// zero alike; a pointer's zero and its absence differ. Differences are listed by path.
class Comparer {
 public:
  std::vector<std::string> differences;

  void compare(const Node* a, const Node* b, const MessagePlan& plan, const std::string& path) {
    if (plan.special != Special::none) return compare_special(a, b, plan.special, path);
    std::set<std::string> keys;
    for (const Node* node : {a, b}) {
      if (node == nullptr) continue;
      if (!node->is_map() && !node->is_null()) return differ(a, b, path);
      for (const auto& entry : node->entries) keys.insert(entry.key);
    }
    for (const std::string& name : keys) {
      const std::string here = path + "." + name;
      const MessagePlan::Key* key = plan.find(name);
      const Node* left = a == nullptr ? nullptr : a->find(name);
      const Node* right = b == nullptr ? nullptr : b->find(name);
      if (key == nullptr) {
        // apiVersion and kind, or a field that the schema lacks: must be equal to the letter.
        if (left == nullptr || right == nullptr || to_json(*left) != to_json(*right)) differ(left, right, here);
      } else {
        compare_field(left, right, *key->path.back(), here);
      }
    }
  }

 private:
  static bool absent(const Node* node) { return node == nullptr || node->is_null(); }
  static std::string show(const Node* node) { return node == nullptr ? "nothing" : to_json(*node).substr(0, 200); }
  void differ(const Node* a, const Node* b, const std::string& path) {
    differences.push_back(path + ": " + show(a) + " became " + show(b));
  }

  static bool zero_scalar(const Node* node) {
    return absent(node) || node->text == "0" || (node->is_string() && node->text.empty()) ||
           (node->kind == Node::Kind::boolean && !node->boolean);
  }

  void compare_field(const Node* a, const Node* b, const FieldPlan& field, const std::string& path) {
    if (absent(a) && absent(b)) return;
    if (field.field->is_repeated()) return compare_many(a, b, field, path);
    if (field.pointer && absent(a) != absent(b)) {
      // A time's zero is null, pointer or not.
      return differ(a, b, path);
    }
    if (field.message != nullptr) return compare(a, b, *field.message, path);
    if (!field.pointer && zero_scalar(a) && zero_scalar(b)) return;
    if (absent(a) || absent(b) || to_json(*a) != to_json(*b)) differ(a, b, path);
  }

  void compare_many(const Node* a, const Node* b, const FieldPlan& field, const std::string& path) {
    const auto empty = [](const Node* n) { return absent(n) || (n->items.empty() && n->entries.empty()); };
    if (empty(a) && empty(b)) return;
    if (empty(a) || empty(b) || a->kind != b->kind || a->items.size() != b->items.size() ||
        a->entries.size() != b->entries.size()) {
      return differ(a, b, path);
    }
    for (std::size_t i = 0; i < a->items.size(); ++i) {
      compare_value(&a->items[i], &b->items[i], field, path + "[" + std::to_string(i) + "]");
    }
    for (const auto& entry : a->entries) {
      const Node* other = b->find(entry.key);
      if (other == nullptr) return differ(&entry.value, other, path + "[" + entry.key + "]");
      compare_value(&entry.value, other, field, path + "[" + entry.key + "]");
    }
  }

  void compare_value(const Node* a, const Node* b, const FieldPlan& field, const std::string& path) {
    if (field.message != nullptr) return compare(a, b, *field.message, path);
    if (to_json(*a) != to_json(*b)) differ(a, b, path);
  }

  // Object order does not matter; everything else does.
  static bool equal(const Node& a, const Node& b) {
    if (a.kind != b.kind || a.items.size() != b.items.size() || a.entries.size() != b.entries.size()) return false;
    for (std::size_t i = 0; i < a.items.size(); ++i) {
      if (!equal(a.items[i], b.items[i])) return false;
    }
    for (const auto& entry : a.entries) {
      const Node* other = b.find(entry.key);
      if (other == nullptr || !equal(entry.value, *other)) return false;
    }
    return a.text == b.text && a.boolean == b.boolean;
  }

  void compare_special(const Node* a, const Node* b, Special special, const std::string& path) {
    if (absent(a) && absent(b)) return;
    if (special == Special::quantity) {
      const auto left = Quantity::parse(absent(a) ? "0" : a->text);
      const auto right = Quantity::parse(absent(b) ? "0" : b->text);
      if (!left.ok() || !right.ok() || *left != *right) differ(a, b, path);
      return;
    }
    if (special == Special::int_or_string && zero_scalar(a) && zero_scalar(b)) return;
    if (absent(a) || absent(b) || !equal(*a, *b)) differ(a, b, path);
  }
};

// The round trip itself. `strict`: unknown fields are failures.
void round_trip(const Node& original, const google::protobuf::Message& prototype, bool strict = true) {
  const std::unique_ptr<google::protobuf::Message> first(prototype.New());
  const std::unique_ptr<google::protobuf::Message> second(prototype.New());
  std::vector<FieldError> errors;
  const DecodeOptions options{.strictness = strict ? Strictness::error : Strictness::ignore};
  const Status decoded = decode(original, *first, options, errors);
  ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
  if (type_of(prototype) != nullptr) {
    const Status parsed = decode_binary_into(encode_binary(*first), *second);
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  } else {
    ASSERT_TRUE(second->ParsePartialFromString(first->SerializePartialAsString()));
  }
  EXPECT_TRUE(same(*first, *second));
  const auto back = parse_json(encode_json(*second, {.type_meta = original.find("kind") != nullptr}));
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  Comparer comparer;
  comparer.compare(&original, &*back, internal::plan_of(prototype.GetDescriptor()), "");
  for (const std::string& difference : comparer.differences) ADD_FAILURE() << difference;

  // YAML is the third spelling of the same object.
  const auto yaml = parse_document(encode_yaml(*second));
  ASSERT_TRUE(yaml.ok()) << yaml.error().to_string();
  const std::unique_ptr<google::protobuf::Message> third(prototype.New());
  const Status from_yaml = decode(*yaml, *third);
  ASSERT_TRUE(from_yaml.ok()) << from_yaml.error().to_string();
  EXPECT_TRUE(same(*first, *third));
}

void round_trip_object(const Node& original) {
  const Node* api_version = original.find("apiVersion");
  const Node* kind = original.find("kind");
  ASSERT_TRUE(api_version != nullptr && kind != nullptr);
  const auto prototype = new_object({api_version->text, kind->text});
  ASSERT_TRUE(prototype.ok()) << prototype.error().to_string();
  round_trip(original, **prototype);
}

TEST(GoldenObjects, KeepTheirMeaningThroughTheCodec) {
  int count = 0;
  for (const char* name : {"objects/node.json", "objects/lease.json", "objects/csinode.json", "objects/mirror-pod.json",
                           "objects/static-web.yaml", "http/pods.json"}) {
    SCOPED_TRACE(name);
    const auto node = parse_document(read(kData / name));
    ASSERT_TRUE(node.ok()) << node.error().to_string();
    round_trip_object(*node);
    ++count;
  }
  EXPECT_EQ(count, 6);
}

TEST(GoldenObjects, PodsTheirStatusesAndEventsKeepTheirMeaning) {
  int pods = 0;
  int statuses = 0;
  int events = 0;
  for (const auto& file : std::filesystem::directory_iterator(kData / "pods")) {
    SCOPED_TRACE(file.path().filename());
    const auto record = parse_json(read(file.path()));
    ASSERT_TRUE(record.ok()) << record.error().to_string();
    for (const char* part : {"pod", "live"}) {
      SCOPED_TRACE(part);
      const Node* pod = record->find(part);
      ASSERT_NE(pod, nullptr);
      round_trip_object(*pod);
      ++pods;
    }
    for (const Node& event : record->find("timeline")->items) {
      SCOPED_TRACE("timeline, entry " + std::to_string(statuses));
      round_trip(*event.find("status"), core::PodStatus::default_instance());
      ++statuses;
    }
    for (Node event : record->find("events")->items) {
      SCOPED_TRACE("event " + std::to_string(events));
      // The recording lifts this out of involvedObject.
      std::erase_if(event.entries, [](const Node::Entry& entry) { return entry.key == "fieldPath"; });
      round_trip(event, core::Event::default_instance());
      ++events;
    }
  }
  EXPECT_EQ(pods, 56);
  EXPECT_EQ(statuses, 259);
  EXPECT_EQ(events, 110);
}

TEST(GoldenObjects, BodiesOfRequestsAndResponsesKeepTheirMeaning) {
  int objects = 0;
  int patches = 0;
  for (const char* name : {"requests/start.jsonl", "requests/pods.jsonl"}) {
    std::istringstream lines(read(kData / name));
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      SCOPED_TRACE(std::string(name) + " line " + std::to_string(++number));
      const auto record = parse_json(line);
      ASSERT_TRUE(record.ok()) << record.error().to_string();
      for (const char* part : {"request", "response"}) {
        SCOPED_TRACE(part);
        const Node* body = record->find(part);
        if (body == nullptr || !body->is_map()) continue;
        const Node* kind = body->find("kind");
        if (kind == nullptr) {
          ++patches;  // merge patches are no objects
        } else if (kind->text == "DeleteOptions") {
          // The audit log gives these an internal apiVersion.
          Node options = *body;
          for (Node::Entry& entry : options.entries) {
            if (entry.key == "apiVersion") entry.value.text = "v1";
          }
          round_trip(options, meta::DeleteOptions::default_instance());
          ++objects;
        } else {
          round_trip_object(*body);
          ++objects;
        }
      }
    }
  }
  EXPECT_EQ(objects, 336);
  EXPECT_EQ(patches, 57);
}

TEST(GoldenObjects, TheComparerSeesAChangedFieldAndALostPointer) {
  const auto compare = [](std::string_view a, std::string_view b) {
    Comparer comparer;
    const auto left = parse_json(a);
    const auto right = parse_json(b);
    comparer.compare(&*left, &*right, internal::plan_of(core::PodSpec::descriptor()), "");
    return comparer.differences.size();
  };
  EXPECT_EQ(compare(R"({"nodeName":"a"})", R"({"nodeName":"b"})"), 1u);
  EXPECT_EQ(compare(R"({"priority":0})", R"({})"), 1u);
  EXPECT_EQ(compare(R"({"hostNetwork":false,"volumes":null,"nodeName":""})", R"({"containers":null})"), 0u);
  EXPECT_EQ(compare(R"({"containers":[{"name":"a"}]})", R"({"containers":[]})"), 1u);
  EXPECT_EQ(compare(R"({"unknown":1})", R"({})"), 1u);
  EXPECT_EQ(compare(R"({"securityContext":{}})", R"({})"), 1u);
}

}  // namespace
}  // namespace keelson::api
