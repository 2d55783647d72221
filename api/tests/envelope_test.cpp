#include "api/envelope.hpp"

#include <gtest/gtest.h>

#include "api/objects.hpp"
#include "api/proto/coordination_v1.pb.h"
#include "api/proto/runtime.pb.h"

namespace keelson::api {
namespace {

core::Pod pod(const std::string& name) {
  core::Pod out;
  out.mutable_metadata()->set_name(name);
  return out;
}

TEST(Envelope, HasThePrefixAndTheTypeAround) {
  const std::string bytes = encode_binary(pod("a"));
  // k8s\0, typeMeta {apiVersion v1, kind Pod}, raw {metadata {name a}}, two empty strings
  const std::string expected(
      "k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x05\x0a\x03\x0a\x01"
      "a\x1a\x00\x22\x00",
      26);
  EXPECT_EQ(bytes, expected);
  const auto envelope = unwrap(bytes);
  ASSERT_TRUE(envelope.ok());
  EXPECT_EQ(envelope->type, (TypeMeta{"v1", "Pod"}));
  const auto object = decode_binary(bytes);
  ASSERT_TRUE(object.ok());
  ASSERT_NE(object->as<core::Pod>(), nullptr);
  EXPECT_EQ(object->as<core::Pod>()->metadata().name(), "a");
  EXPECT_EQ(object->as<core::Node>(), nullptr);
}

TEST(Envelope, MayCarryAnotherTypeName) {
  const std::string bytes = encode_binary(meta::DeleteOptions(), {"meta.k8s.io/v1", "DeleteOptions"});
  EXPECT_EQ(unwrap(bytes)->type.api_version, "meta.k8s.io/v1");
}

TEST(Envelope, EqualObjectsGiveEqualBytes) {
  core::Pod a = pod("a");
  core::Pod b = pod("a");
  for (int i = 0; i < 40; ++i) (*a.mutable_metadata()->mutable_labels())[std::to_string(i)] = "x";
  for (int i = 39; i >= 0; --i) (*b.mutable_metadata()->mutable_labels())[std::to_string(i)] = "x";
  EXPECT_EQ(encode_binary(a), encode_binary(b));
}

TEST(Envelope, MinimalWritersAndUnknownFieldsAreRead) {
  // Without fields 3 and 4, with a field 9 in the envelope and a field 200 in the object.
  const std::string bytes(
      "k8s\0\x12\x08\x0a\x03\x0a\x01"
      "a\xc0\x0c\x01\x4a\x01x\x0a\x09\x0a\x02v1\x12\x03Pod",
      28);
  const auto object = decode_binary(bytes);
  ASSERT_TRUE(object.ok()) << object.error().to_string();
  EXPECT_EQ(object->as<core::Pod>()->metadata().name(), "a");
  EXPECT_EQ(object->message->SerializeAsString().size(), 5u) << "unknown fields are dropped";
}

TEST(Envelope, RefusesDamage) {
  const std::string whole = encode_binary(pod("a"));
  EXPECT_EQ(unwrap("").error().kind(), ErrorKind::invalid);
  EXPECT_EQ(unwrap("{}").error().message(),
            "the body does not start with the bytes 107 56 115 0 (\"k8s\") of a binary object");
  for (std::size_t length = 0; length < 22; ++length) {
    if (length == 15) continue;  // the envelope without an object: an empty Pod
    const auto object = decode_binary(whole.substr(0, length));
    EXPECT_FALSE(object.ok()) << length;
  }
  const auto unknown = decode_binary(encode_binary(pod("a"), {"example.com/v1", "Thing"}));
  EXPECT_EQ(unknown.error().kind(), ErrorKind::unimplemented);
  EXPECT_EQ(unknown.error().message(), "no kind \"Thing\" in apiVersion \"example.com/v1\" is known");
  k8s::runtime::Unknown packed;
  packed.mutable_typemeta()->set_apiversion("v1");
  packed.mutable_typemeta()->set_kind("Pod");
  packed.set_contentencoding("gzip");
  EXPECT_FALSE(decode_binary(std::string("k8s\0", 4) + packed.SerializeAsString()).ok());
}

TEST(Envelope, DecodesIntoTheExpectedTypeOnly) {
  core::Pod out;
  EXPECT_TRUE(decode_binary_into(encode_binary(pod("a")), out).ok());
  EXPECT_EQ(out.metadata().name(), "a");
  EXPECT_EQ(decode_binary_into(encode_binary(core::Node()), out).error().message(), "expected v1 Pod, got v1 Node");
  meta::Status status;
  status.set_message("pods \"a\" not found");
  status.set_code(404);
  const Status failed = decode_binary_into(encode_binary(status), out);
  EXPECT_EQ(failed.error().message(), "expected v1 Pod, got a Status: pods \"a\" not found");
  EXPECT_EQ(failed.error().code(), 404);
  EXPECT_TRUE(decode_json_into(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"b"}})", out).ok());
  EXPECT_EQ(out.metadata().name(), "b");
  EXPECT_EQ(decode_json_into(R"({"kind":"Status","apiVersion":"v1","message":"no"})", out).error().message(),
            "expected v1 Pod, got v1 Status: no");
  EXPECT_TRUE(decode_json_into(R"({"metadata":{},"newer":1})", out).ok());
  EXPECT_FALSE(decode_json_into(R"({"metadata":{},"newer":1})", out, {.strictness = Strictness::error}).ok());
}

TEST(TextObject, FindsTheTypeByApiVersionAndKind) {
  const auto lease = decode_object("apiVersion: coordination.k8s.io/v1\nkind: Lease\nspec: {holderIdentity: node}\n");
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->as<k8s::coordination::v1::Lease>()->spec().holderidentity(), "node");
  struct Row {
    const char* text;
    const char* error;
  };
  for (const Row& row : {
           Row{"", "line 1, column 1: expected an object with apiVersion and kind, found nothing"},
           Row{"[]", "line 1, column 1: expected an object with apiVersion and kind, found list"},
           Row{"kind: Pod", "line 1, column 1: apiVersion: missing: expected the object's apiVersion"},
           Row{"apiVersion: v1", "line 1, column 1: kind: missing: expected the object's kind"},
           Row{"apiVersion: 1\nkind: Pod", "line 1, column 13: apiVersion: expected a string, found number 1"},
           Row{"apiVersion: v1\nkind: ''", "line 2, column 7: kind: expected a string, found string \"\""},
           Row{"apiVersion: v2\nkind: Pod", "line 2, column 7: no kind \"Pod\" in apiVersion \"v2\" is known"},
       }) {
    SCOPED_TRACE(row.text);
    const auto object = decode_object(row.text);
    ASSERT_FALSE(object.ok());
    EXPECT_EQ(object.error().to_string(), row.error);
  }
}

TEST(ObjectLists, AreTakenApart) {
  core::PodList list;
  *list.add_items() = pod("a");
  *list.add_items() = pod("b");
  auto items = take_items({*type_of(list), std::make_unique<core::PodList>(list)});
  ASSERT_TRUE(items.ok());
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ((*items)[1].type.kind, "Pod");
  EXPECT_EQ((*items)[1].as<core::Pod>()->metadata().name(), "b");

  auto mixed = decode_object(
      R"({"kind":"List","apiVersion":"v1","items":[{"kind":"Pod","apiVersion":"v1"},{"kind":"Node","apiVersion":"v1"}]})");
  ASSERT_TRUE(mixed.ok());
  auto objects = take_items(std::move(*mixed));
  ASSERT_TRUE(objects.ok());
  EXPECT_NE((*objects)[1].as<core::Node>(), nullptr);

  auto single = take_items({{"v1", "Pod"}, std::make_unique<core::Pod>(pod("c"))});
  ASSERT_EQ(single->size(), 1u);
  EXPECT_EQ(single->front().as<core::Pod>()->metadata().name(), "c");

  auto broken = decode_object(R"({"kind":"List","apiVersion":"v1","items":[{"kind":"Pod"}]})");
  EXPECT_FALSE(take_items(std::move(*broken)).ok());
}

TEST(RawExtension, EmbedsBinaryObjectsAndIsShownAsJson) {
  meta::List list;
  list.add_items()->set_raw(encode_binary(pod("a")));
  EXPECT_EQ(
      encode_json(list, {.type_meta = false}),
      R"({"metadata":{},"items":[{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"containers":null},"status":{}}]})");
  // A list in a list in a list ... ends somewhere.
  for (int i = 0; i < 50; ++i) {
    meta::List outer;
    outer.add_items()->set_raw(encode_binary(list));
    list = outer;
  }
  EXPECT_LT(encode_json(list).size(), 1000u);
  list.mutable_items(0)->set_raw("rubbish");
  EXPECT_EQ(encode_json(list, {.type_meta = false}), R"({"metadata":{},"items":[null]})");
}

class WatchFormats : public testing::TestWithParam<WireFormat> {};

TEST_P(WatchFormats, EventsArriveWholeHoweverTheyAreCut) {
  std::string stream = encode_watch_event("ADDED", pod("a"), GetParam());
  stream += encode_watch_event("MODIFIED", pod("b"), GetParam());
  meta::Status status;
  status.set_message("too old resource version");
  stream += encode_watch_event("ERROR", status, GetParam());
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{17}, stream.size()}) {
    SCOPED_TRACE(piece);
    WatchReader reader(GetParam());
    std::vector<std::string> seen;
    for (std::size_t pos = 0; pos < stream.size(); pos += piece) {
      reader.feed(std::string_view(stream).substr(pos, piece));
      while (true) {
        const auto event = reader.next();
        ASSERT_TRUE(event.ok()) << event.error().to_string();
        if (!*event) break;
        const auto* object = (*event)->object.as<core::Pod>();
        seen.push_back(
            (*event)->type + " " +
            (object != nullptr ? object->metadata().name() : (*event)->object.as<meta::Status>()->message()));
      }
    }
    EXPECT_EQ(seen, (std::vector<std::string>{"ADDED a", "MODIFIED b", "ERROR too old resource version"}));
    EXPECT_FALSE(reader.mid_frame());
  }
}

TEST_P(WatchFormats, ACutStreamIsNoticed) {
  const std::string frame = encode_watch_event("ADDED", pod("a"), GetParam());
  WatchReader reader(GetParam());
  reader.feed(frame.substr(0, frame.size() - 2));
  EXPECT_FALSE(reader.next()->has_value());
  EXPECT_TRUE(reader.mid_frame());
}

TEST_P(WatchFormats, DamageEndsTheStreamButAnUnknownKindDoesNot) {
  WatchReader reader(GetParam());
  if (GetParam() == WireFormat::json) {
    reader.feed("{\"type\":\"ADDED\",\"object\":{\"kind\":\"X\",\"apiVersion\":\"y\"}}\n\n");
  } else {
    meta::WatchEvent event;
    event.set_type("ADDED");
    event.mutable_object()->set_raw(encode_binary(pod("a"), {"y", "X"}));
    const std::string body = event.SerializeAsString();
    reader.feed(std::string({'\0', '\0', '\0', static_cast<char>(body.size())}) + body);
  }
  reader.feed(encode_watch_event("ADDED", pod("b"), GetParam()));
  EXPECT_EQ(reader.next().error().kind(), ErrorKind::unimplemented);
  EXPECT_EQ((*reader.next())->object.as<core::Pod>()->metadata().name(), "b");
  reader.feed(GetParam() == WireFormat::json ? "rubbish\n" : std::string_view("\0\0\0\2xx", 6));
  EXPECT_EQ(reader.next().error().kind(), ErrorKind::invalid);
  reader.feed(encode_watch_event("ADDED", pod("c"), GetParam()));
  EXPECT_FALSE(reader.next().ok()) << "a damaged stream stays so";
}

TEST_P(WatchFormats, AFrameBeyondTheLimitIsRefusedBeforeItArrives) {
  WatchReader reader(GetParam(), 64);
  if (GetParam() == WireFormat::json) {
    reader.feed(std::string(65, ' '));
  } else {
    reader.feed(std::string_view("\0\0\0\x41", 4));
  }
  EXPECT_EQ(reader.next().error().kind(), ErrorKind::invalid);
}

INSTANTIATE_TEST_SUITE_P(Both, WatchFormats, testing::Values(WireFormat::json, WireFormat::protobuf),
                         [](const auto& info) { return info.param == WireFormat::json ? "json" : "protobuf"; });

TEST(Watch, BinaryFrameLooksAsTheContractSays) {
  const std::string frame = encode_watch_event("ADDED", pod("a"), WireFormat::protobuf);
  const std::string object = encode_binary(pod("a"));
  EXPECT_EQ(frame.substr(0, 4), std::string({'\0', '\0', '\0', static_cast<char>(frame.size() - 4)}));
  EXPECT_EQ(frame.substr(4, 7),
            "\x0a\x05"
            "ADDED");
  EXPECT_EQ(frame.substr(frame.size() - object.size()), object);
}

}  // namespace
}  // namespace keelson::api
