#include "api/json_codec.hpp"

#include <gtest/gtest.h>

#include "api/base64.hpp"
#include "api/envelope.hpp"
#include "api/int_or_string.hpp"
#include "api/objects.hpp"
#include "api/proto/authentication_v1.pb.h"
#include "api/proto/authorization_v1.pb.h"
#include "api/proto/events_v1.pb.h"
#include "api/proto/storage_v1.pb.h"
#include "api/quantity.hpp"
#include "api/time.hpp"

namespace keelson::api {
namespace {

struct Decoded {
  Status status;
  std::vector<std::string> errors;
};

template <class T>
Decoded decode_text(std::string_view text, T& message, Strictness strictness = Strictness::error) {
  const auto node = parse_document(text);
  if (!node.ok()) return {node.error(), {node.error().to_string()}};
  std::vector<FieldError> errors;
  Decoded out;
  out.status = decode(*node, message, {.strictness = strictness}, errors);
  for (const FieldError& error : errors) out.errors.push_back(error.to_string());
  return out;
}

template <class T>
T good(std::string_view text) {
  T message;
  const Decoded decoded = decode_text(text, message);
  EXPECT_TRUE(decoded.status.ok()) << decoded.status.error().to_string();
  return message;
}

template <class T>
std::string again(std::string_view text) {
  return encode_json(good<T>(text), {.type_meta = false});
}

TEST(JsonCodec, ReportsEveryMistakeWithPathLineAndColumn) {
  core::Pod pod;
  const Decoded decoded = decode_text(
      "apiVersion: v1\n"
      "kind: Pod\n"
      "metadata:\n"
      "  name: 5\n"
      "  labels: {app.kubernetes.io/name: [x]}\n"
      "spec:\n"
      "  hostNetwrok: true\n"
      "  nodeselector: {}\n"
      "  containers:\n"
      "  - name: a\n"
      "    name: b\n"
      "    ports:\n"
      "    - containerPort: 80\n"
      "    - containerPort: http\n"
      "    - containerPort: 99999999999\n"
      "    resources:\n"
      "      limits: {cpu: 1x, memory: {}}\n"
      "    livenessProbe:\n"
      "      httpGet: {port: 1.5}\n"
      "      exek: {}\n"
      "    args: nope\n"
      "  volumes: {}\n"
      "  priority: true\n"
      "  hostPID: 'yes'\n"
      "status: []\n",
      pod);
  EXPECT_FALSE(decoded.status.ok());
  const std::vector<std::string> expected = {
      "line 4, column 9: metadata.name: expected a string (in quotes), found number 5",
      "line 5, column 36: metadata.labels[app.kubernetes.io/name]: expected a string, found list",
      "line 7, column 3: spec.hostNetwrok: unknown field (did you mean \"hostNetwork\"?)",
      "line 8, column 3: spec.nodeselector: unknown field (did you mean \"nodeSelector\"?)",
      "line 11, column 5: spec.containers[0].name: duplicate field: first given at line 10",
      "line 14, column 22: spec.containers[0].ports[1].containerPort: expected a whole number of 32 bits, found string "
      "\"http\"",
      "line 15, column 22: spec.containers[0].ports[2].containerPort: expected a whole number of 32 bits, found number "
      "99999999999",
      "line 17, column 21: spec.containers[0].resources.limits[cpu]: invalid quantity \"1x\": expected a number with "
      "an "
      "optional suffix, such as 100m, 1.5Gi, 1e3, 5",
      "line 17, column 33: spec.containers[0].resources.limits[memory]: expected a quantity such as 100m or 1Gi, found "
      "object",
      "line 19, column 23: spec.containers[0].livenessProbe.httpGet.port: expected a whole number of 32 bits or a "
      "string, "
      "found number 1.5",
      "line 20, column 7: spec.containers[0].livenessProbe.exek: unknown field (did you mean \"exec\"?)",
      "line 21, column 11: spec.containers[0].args: expected a list, found string \"nope\"",
      "line 22, column 12: spec.volumes: expected a list, found object",
      "line 23, column 13: spec.priority: expected a whole number of 32 bits, found boolean true",
      "line 24, column 12: spec.hostPID: expected true or false, found string \"yes\"",
      "line 25, column 9: status: expected an object, found list",
  };
  EXPECT_EQ(decoded.errors, expected);
  // All of them are in the one error, too.
  for (const std::string& line : expected) {
    EXPECT_NE(decoded.status.error().message().find(line), std::string::npos) << line;
  }
  EXPECT_EQ(pod.spec().containers(0).name(), "b");
}

TEST(JsonCodec, StrictnessDecidesAboutUnknownAndDuplicateFieldsOnly) {
  const char* text = "spec: {nodeName: a, nodeName: b, x: 1}";
  core::Pod pod;
  EXPECT_EQ(decode_text(text, pod, Strictness::error).errors.size(), 2u);
  EXPECT_FALSE(decode_text(text, pod, Strictness::error).status.ok());
  EXPECT_EQ(decode_text(text, pod, Strictness::warn).errors.size(), 2u);
  EXPECT_TRUE(decode_text(text, pod, Strictness::warn).status.ok());
  EXPECT_EQ(decode_text(text, pod, Strictness::ignore).errors.size(), 0u);
  EXPECT_TRUE(decode_text(text, pod, Strictness::ignore).status.ok());
  EXPECT_EQ(pod.spec().nodename(), "b");
  EXPECT_FALSE(decode_text("spec: {nodeName: 5}", pod, Strictness::ignore).status.ok());
}

TEST(JsonCodec, NamesAreCaseSensitive) {
  core::Pod pod;
  EXPECT_FALSE(decode_text("Spec: {}", pod).status.ok());
  EXPECT_TRUE(decode_text("Spec: {nodeName: a}", pod, Strictness::ignore).status.ok());
  EXPECT_FALSE(pod.has_spec());
}

TEST(JsonCodec, ErrorsAreBoundedAndJoined) {
  std::string text = "spec: {";
  for (int i = 0; i < 3000; ++i) text += "zzzzzzzzzzzz" + std::to_string(i) + ": 1,";
  core::Pod pod;
  const auto node = parse_document(text + "}");
  ASSERT_TRUE(node.ok());
  std::vector<FieldError> errors;
  EXPECT_FALSE(decode(*node, pod, {}, errors).ok());
  EXPECT_EQ(errors.size(), 1000u);
  EXPECT_TRUE(join(errors, 3).ends_with("\n... and 997 more"));
}

TEST(JsonCodec, TheRootMustBeAnObject) {
  core::Pod pod;
  EXPECT_EQ(decode_text("", pod).errors.front(), "line 1, column 1: expected an object, found nothing");
  EXPECT_EQ(decode_text("[a]", pod).errors.front(), "line 1, column 1: expected an object, found list");
  EXPECT_EQ(decode_text("kind: 5", pod).errors.front(), "line 1, column 7: kind: expected a string, found number 5");
  core::PodSpec spec;
  const auto node = parse_json(R"({"kind":"x"})");
  EXPECT_FALSE(decode(*node, spec, {.type_meta = false}).ok());
}

TEST(JsonCodec, InlinedMessagesShareTheParentsObject) {
  const char* text = R"({"name":"v","configMap":{"name":"c","items":[{"key":"k","path":"p"}],"optional":false}})";
  const auto volume = good<core::Volume>(text);
  EXPECT_EQ(volume.volumesource().configmap().localobjectreference().name(), "c");
  EXPECT_EQ(encode_json(volume), text);
  const auto probe = good<core::Probe>(R"({"grpc":{"port":5},"periodSeconds":2})");
  EXPECT_EQ(probe.handler().grpc().port(), 5);
  EXPECT_EQ(encode_json(probe), R"({"grpc":{"port":5,"service":null},"periodSeconds":2})");
  EXPECT_EQ(again<core::EphemeralContainer>(R"({"name":"e","image":"i","targetContainerName":"t"})"),
            R"({"name":"e","image":"i","resources":{},"targetContainerName":"t"})");
  // Nothing given within the inlined part leaves nothing behind.
  EXPECT_FALSE(good<core::Volume>(R"({"name":"v","configMap":null})").has_volumesource());
  EXPECT_TRUE(good<core::Volume>(R"({"name":"v","emptyDir":{}})").volumesource().has_emptydir());
}

TEST(JsonCodec, SpecialTypesHaveTheirOwnSpelling) {
  EXPECT_EQ(again<core::ResourceRequirements>(R"({"limits":{"cpu":2,"memory":"0.5Gi","x":" 1 ","y":1e3,"z":null}})"),
            R"({"limits":{"cpu":"2","memory":"512Mi","x":"1","y":"1e3","z":"0"}})");
  EXPECT_EQ(again<core::HTTPGetAction>(R"({"port":"http"})"), R"({"port":"http"})");
  EXPECT_EQ(again<core::HTTPGetAction>(R"({"port":80})"), R"({"port":80})");
  EXPECT_EQ(again<core::HTTPGetAction>("{}"), R"({"port":0})");
  EXPECT_EQ(again<core::HTTPGetAction>(R"({"port":""})"), R"({"port":""})");
  EXPECT_EQ(again<core::ResourceFieldSelector>(R"({"resource":"limits.cpu"})"),
            R"({"resource":"limits.cpu","divisor":"0"})");
  EXPECT_EQ(again<core::Secret>(R"({"data":{"a":"aGk="},"stringData":{"b":"x"}})"),
            R"({"metadata":{},"data":{"a":"aGk="},"stringData":{"b":"x"}})");
  EXPECT_EQ(again<core::EventSource>("{}"), "{}");
  EXPECT_EQ(again<k8s::authentication::v1::UserInfo>(R"({"username":"u","extra":{"k":["a","b"],"l":null}})"),
            R"({"username":"u","extra":{"k":["a","b"],"l":null}})");
  EXPECT_EQ(again<k8s::authentication::v1::BoundObjectReference>(R"({"uid":"x"})"), R"({"uid":"x"})");
  EXPECT_EQ(again<core::NodeDaemonEndpoints>(R"({"kubeletEndpoint":{"Port":10250}})"),
            R"({"kubeletEndpoint":{"Port":10250}})");
  EXPECT_EQ(
      again<meta::ManagedFieldsEntry>(R"({"time":"2026-01-02T03:04:05+01:00","fieldsV1":{"f:a":{".":{},"x":1.50}}})"),
      R"({"time":"2026-01-02T02:04:05Z","fieldsV1":{"f:a":{".":{},"x":1.50}}})");
  EXPECT_EQ(again<meta::List>(R"({"items":[{"kind":"Pod","z":[1,{"a":null}]},null]})"),
            R"({"metadata":{},"items":[{"kind":"Pod","z":[1,{"a":null}]},null]})");
  EXPECT_EQ(again<meta::Duration>("\"1m30s\""), "\"1m30s\"");
  meta::Duration duration;
  EXPECT_EQ(decode_text("90", duration).errors.front(),
            "line 1, column 1: expected a duration as a string, such as \"1m30s\", found number 90");
}

TEST(JsonCodec, SpecialTypesRefuseWhatTheyAreNot) {
  struct Row {
    const char* text;
    const char* error;
  };
  core::Event event;
  for (const Row& row : {
           Row{R"({"eventTime":"2026-01-02T03:04:05Z"})", "eventTime: invalid time"},
           Row{R"({"firstTimestamp":5})", "firstTimestamp: expected a time as a string, found number 5"},
           Row{R"({"firstTimestamp":""})", "firstTimestamp: invalid time"},
       }) {
    SCOPED_TRACE(row.text);
    const Decoded decoded = decode_text(row.text, event);
    ASSERT_EQ(decoded.errors.size(), 1u);
    EXPECT_NE(decoded.errors.front().find(row.error), std::string::npos) << decoded.errors.front();
  }
  core::Secret secret;
  EXPECT_EQ(decode_text(R"({"data":{"a":"%"}})", secret).errors.front(),
            "line 1, column 14: data[a]: expected base64 with padding, found string \"%\"");
}

TEST(JsonCodec, PresenceMattersForPointersOnly) {
  const auto spec = good<core::PodSpec>(
      R"({"priority":0,"enableServiceLinks":false,"securityContext":{},"hostNetwork":false,"nodeName":"","activeDeadlineSeconds":null})");
  EXPECT_TRUE(spec.has_priority());
  EXPECT_TRUE(spec.has_enableservicelinks());
  EXPECT_TRUE(spec.has_securitycontext());
  EXPECT_FALSE(spec.has_hostnetwork());
  EXPECT_FALSE(spec.has_nodename());
  EXPECT_FALSE(spec.has_activedeadlineseconds());
  EXPECT_EQ(encode_json(spec), R"({"containers":null,"securityContext":{},"priority":0,"enableServiceLinks":false})");
}

TEST(JsonCodec, WritesWhatGoWritesForZeroObjects) {
  EXPECT_EQ(encode_json(core::Pod()),
            R"({"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":null},"status":{}})");
  EXPECT_EQ(encode_json(core::PodList()), R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":null})");
  EXPECT_EQ(
      encode_json(core::Event(), {.type_meta = false}),
      R"({"metadata":{},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""})");
  core::Event event;
  *event.mutable_eventtime() = parse_micro_time("2026-01-02T03:04:05.000000Z").value_or({});
  *event.mutable_firsttimestamp() = make_time({});
  EXPECT_EQ(
      encode_json(event, {.type_meta = false}),
      R"({"metadata":{},"involvedObject":{},"source":{},"firstTimestamp":"1970-01-01T00:00:00Z","lastTimestamp":null,"eventTime":"2026-01-02T03:04:05.000000Z","reportingComponent":"","reportingInstance":""})");
  EXPECT_EQ(encode_json(k8s::authentication::v1::TokenRequestSpec()),
            R"({"audiences":null,"boundObjectRef":null,"expirationSeconds":null})");
  core::PodList list;
  list.add_items()->mutable_metadata()->set_name("a");
  EXPECT_EQ(
      encode_json(list),
      R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"a"},"spec":{"containers":null},"status":{}}]})");
}

TEST(JsonCodec, ListItemsMayNameTheirType) {
  EXPECT_EQ(
      again<core::PodList>(R"({"kind":"PodList","items":[{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}]})"),
      R"({"metadata":{},"items":[{"metadata":{"name":"a"},"spec":{"containers":null},"status":{}}]})");
}

TEST(JsonCodec, WritesPrettyJsonAndYaml) {
  const auto container = good<core::Container>(
      "--- {name: a, command: [sh, '-c', 'echo \"hi\"'], env: [{name: A, value: 'yes'}, {name: B, value: "
      "\"x\\ny\\n\"}], "
      "resources: {limits: {cpu: 1}}}");
  EXPECT_EQ(encode_json(good<core::Toleration>("--- {key: k, tolerationSeconds: 5}"), {.pretty = true}),
            "{\n  \"key\": \"k\",\n  \"tolerationSeconds\": 5\n}");
  EXPECT_EQ(encode_yaml(container),
            "command:\n- sh\n- \"-c\"\n- \"echo \\\"hi\\\"\"\nenv:\n- name: A\n  value: \"yes\"\n- name: B\n  value: "
            "|\n    x\n    y\n"
            "name: a\nresources:\n  limits:\n    cpu: \"1\"\n");
  EXPECT_EQ(encode_yaml(core::PodIP()), "ip: \"\"\n");
  EXPECT_EQ(encode_yaml(meta::ObjectMeta()), "{}\n");
}

TEST(JsonCodec, YamlKeepsEveryText) {
  for (const char* text : {"",       " ",     "a",        "yes",         "1",
                           "1.5",    "~",     "a: b",     "a #b",        "#a",
                           "- a",    "a\nb",  "a\nb\n",   "a\n\n",       "\na",
                           " a\nb",  "a \nb", "a\tb",     "'",           "\"",
                           "\\",     "{a}",   "[a]",      "*a",          "&a",
                           "!a",     "%a",    "@a",       "`a",          "a:",
                           ":a",     "0x1",   "1e3",      "2026-01-02",  "=",
                           "<<",     "null",  "\xc3\xa4", "\x01",        "\x7f",
                           "a\r\nb", "1_0",   "---",      "...",         "? a",
                           "| a",    "> a",   "a,b",      "key: |\n  x", "\xf0\x9f\x98\x80"}) {
    core::ConfigMap map;
    (*map.mutable_data())["k"] = text;
    (*map.mutable_data())[text] = "v";
    core::ConfigMap back;
    const Decoded decoded = decode_text(encode_yaml(map), back);
    EXPECT_TRUE(decoded.status.ok()) << text << ": " << encode_yaml(map);
    EXPECT_TRUE(same(map, back)) << text << ": " << encode_yaml(map);
  }
}

TEST(JsonCodec, TextThatIsNotUtf8BecomesReplacementCharacters) {
  core::PodIP ip;
  ip.set_ip("a\xff\"\n<>");
  EXPECT_EQ(encode_json(ip), "{\"ip\":\"a\xef\xbf\xbd\\\"\\n<>\"}");
}

TEST(JsonCodec, MapsAreWrittenSorted) {
  meta::ObjectMeta meta;
  for (const char* key : {"c", "a", "b"}) (*meta.mutable_labels())[key] = key;
  EXPECT_EQ(encode_json(meta), R"({"labels":{"a":"a","b":"b","c":"c"}})");
}

TEST(JsonCodec, NormalizeMakesBinaryAndJsonEqual) {
  core::Pod from_server;
  from_server.mutable_metadata()->set_generatename("");
  from_server.mutable_metadata()->mutable_creationtimestamp();
  from_server.mutable_spec()->set_hostnetwork(false);
  from_server.mutable_spec()->mutable_securitycontext();
  auto* container = from_server.mutable_spec()->add_containers();
  container->set_name("a");
  (*container->mutable_resources()->mutable_limits())["cpu"].set_string("1000m");
  container->mutable_livenessprobe()->mutable_handler()->mutable_httpget()->mutable_port()->set_strval("");
  from_server.mutable_status();
  const auto from_json = good<core::Pod>(
      R"({"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":1}},"livenessProbe":{"httpGet":{}}}],"securityContext":{}}})");
  EXPECT_TRUE(same(from_server, from_json));
  core::Pod other = from_json;
  other.mutable_spec()->clear_securitycontext();
  EXPECT_FALSE(same(from_json, other));
  EXPECT_FALSE(same(from_json, core::PodSpec()));
  normalize(from_server);
  EXPECT_FALSE(from_server.has_metadata());
  EXPECT_FALSE(from_server.has_status());
  EXPECT_EQ(from_server.spec().containers(0).resources().limits().at("cpu").string(), "1");
}

TEST(JsonCodec, EveryMessageSurvivesItsEmptySelf) {
  for (const TypeMeta& type : known_types()) {
    SCOPED_TRACE(type.kind);
    const auto message = new_object(type);
    ASSERT_TRUE(message.ok());
    const std::string text = encode_json(**message);
    const auto back = decode_object(text);
    ASSERT_TRUE(back.ok()) << back.error().to_string();
    EXPECT_EQ(back->type, type);
    EXPECT_TRUE(same(**message, *back->message));
    EXPECT_EQ(encode_json(*back->message), text);
  }
}

TEST(Base64, IsTheStandardOne) {
  struct Row {
    std::string_view bytes;
    const char* text;
  };
  for (const Row& row :
       {Row{"", ""}, Row{"f", "Zg=="}, Row{"fo", "Zm8="}, Row{"foo", "Zm9v"}, Row{"foob", "Zm9vYg=="},
        Row{"fooba", "Zm9vYmE="}, Row{"foobar", "Zm9vYmFy"}, Row{"\xff\xfe\xfd", "//79"}, Row{{"\0", 1}, "AA=="}}) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(base64_encode(row.bytes), row.text);
    EXPECT_EQ(base64_decode(row.text).value_or("failed"), row.bytes);
  }
  EXPECT_EQ(base64_decode("Zm9v\r\nYmFy\n").value_or("failed"), "foobar");
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zm=v", "Zm9vY", "Zg==Zg==", "-_-_", "Zm9 v", "Zg=\xff"})
    EXPECT_FALSE(base64_decode(text).ok()) << text;
}

}  // namespace
}  // namespace keelson::api
