// Hashes, labels, annotations, log paths, and Go's text forms.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pod_config/annotations.hpp"
#include "agent/pod_config/container_hash.hpp"
#include "agent/pod_config/go_text.hpp"
#include "agent/pod_config/log_paths.hpp"
#include "agent/pod_config/tests/pods.hpp"

namespace keelson::agent {
namespace {

TEST(ContainerHash, HasTheContractsCheckValues) {
  EXPECT_EQ(hash_text(container_hash("test_container", "foo/image:v1")), "8e45cbd0");
  EXPECT_EQ(hash_text(container_hash("foo", "bar")), "11a6d6d6");
  EXPECT_EQ(hash_text(container_hash("main", "registry.k8s.io/e2e-test-images/busybox:1.37.0-1")), "a785d335");
  EXPECT_EQ(hash_text(0x0abc), "abc") << "no padding";
}

TEST(ContainerHash, SeesNameAndImageOnly) {
  const auto a = make_container("{name: c, image: i}");
  const auto b = make_container("{name: c, image: i, command: [x], env: [{name: A, value: b}]}");
  EXPECT_EQ(container_hash(a), container_hash(b));
  EXPECT_NE(container_hash(a), container_hash(make_container("{name: c, image: i2}")));
}

TEST(GoText, JsonStringsAreEscapedAsGoDoes) {
  for (const auto& [text, expected] :
       std::vector<std::pair<std::string, std::string>>{{"plain é", "\"plain é\""},
                                                        {"<a>&\"\\", "\"\\u003ca\\u003e\\u0026\\\"\\\\\""},
                                                        {"\n\r\t\b\f\x01\x7f", "\"\\n\\r\\t\\b\\f\\u0001\x7f\""},
                                                        {"a\xff\xc3", "\"a\\ufffd\\ufffd\""},
                                                        {"\u2028", "\"\\u2028\""},
                                                        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
                                                        {"😀", "\"😀\""}}) {
    EXPECT_EQ(go_json_string(text), expected);
  }
}

TEST(GoText, QuotesAsGoDoes) {
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"plain é 😀", "\"plain é 😀\""},
           {"<a>&\"'\\", "\"<a>&\\\"'\\\\\""},
           {"\a\b\f\n\r\t\v\x01\x7f", "\"\\a\\b\\f\\n\\r\\t\\v\\x01\\x7f\""},
           {"a\xff", "\"a\\xff\""},
           {"\u00a0\u200b\ufeff", "\"\\u00a0\\u200b\\ufeff\""},
           {"\U000e0001", "\"\\U000e0001\""}}) {
    EXPECT_EQ(go_quote(text), expected);
  }
}

TEST(Annotations, PortsAndHandlersAreCompactJson) {
  const auto container = make_container(
      "{name: c, ports: [{name: web, hostPort: 1, containerPort: 80, protocol: TCP, hostIP: 1.2.3.4}, {containerPort: "
      "5}]}");
  EXPECT_EQ(ports_json(container.ports()),
            "[{\"name\":\"web\",\"hostPort\":1,\"containerPort\":80,\"protocol\":\"TCP\",\"hostIP\":\"1.2.3.4\"},"
            "{\"containerPort\":5}]");
  const auto handler = [](const std::string& yaml) {
    return handler_json(make_container("{name: c, lifecycle: {preStop: {" + yaml + "}}}").lifecycle().prestop());
  };
  EXPECT_EQ(handler("exec: {command: [sh, -c, 'a && b > c']}"),
            "{\"exec\":{\"command\":[\"sh\",\"-c\",\"a \\u0026\\u0026 b \\u003e c\"]}}");
  EXPECT_EQ(handler("httpGet: {path: /x, port: web, host: h, scheme: HTTP, httpHeaders: [{name: A, value: b}]}"),
            "{\"httpGet\":{\"path\":\"/x\",\"port\":\"web\",\"host\":\"h\",\"scheme\":\"HTTP\",\"httpHeaders\":[{"
            "\"name\":\"A\",\"value\":\"b\"}]}}");
  EXPECT_EQ(handler("httpGet: {port: 80}"), "{\"httpGet\":{\"port\":80}}");
  EXPECT_EQ(handler("tcpSocket: {port: 80, host: h}"), "{\"tcpSocket\":{\"port\":80,\"host\":\"h\"}}");
  EXPECT_EQ(handler("sleep: {seconds: 0}"), "{\"sleep\":{\"seconds\":0}}");
  EXPECT_EQ(handler("exec: {}"), "{\"exec\":{}}");
}

TEST(Annotations, HoldWhatAKillNeedsWithoutThePodSpec) {
  auto pod = pod_with_container(
      "{name: c, image: i, terminationMessagePath: /t, terminationMessagePolicy: File, ports: [{containerPort: 1}], "
      "lifecycle: {preStop: {sleep: {seconds: 2}}}}",
      "terminationGracePeriodSeconds: 0");
  pod.mutable_metadata()->set_deletiongraceperiodseconds(5);
  const auto annotations = container_annotations(pod, pod.spec().containers(0), 3,
                                                 {{"plugin", "x"}, {"io.kubernetes.container.hash", "stolen"}});
  const std::map<std::string, std::string> expected{
      {"plugin", "x"},
      {"io.kubernetes.container.hash", hash_text(container_hash("c", "i"))},
      {"io.kubernetes.container.restartCount", "3"},
      {"io.kubernetes.container.terminationMessagePath", "/t"},
      {"io.kubernetes.container.terminationMessagePolicy", "File"},
      {"io.kubernetes.pod.terminationGracePeriod", "0"},
      {"io.kubernetes.pod.deletionGracePeriod", "5"},
      {"io.kubernetes.container.preStopHandler", "{\"sleep\":{\"seconds\":2}}"},
      {"io.kubernetes.container.ports", "[{\"containerPort\":1}]"}};
  EXPECT_EQ(annotations, expected);
}

TEST(Labels, OursReplaceThePodsOwnOfTheSameName) {
  const auto pod =
      make_pod("metadata: {labels: {a: b, io.kubernetes.pod.name: fake}}\nspec: {containers: [{name: c}]}");
  const std::map<std::string, std::string> sandbox{{"a", "b"},
                                                   {"io.kubernetes.pod.name", "p"},
                                                   {"io.kubernetes.pod.namespace", "ns"},
                                                   {"io.kubernetes.pod.uid", "u"}};
  EXPECT_EQ(sandbox_labels(pod), sandbox);
  const auto labels = container_labels(pod, pod.spec().containers(0));
  EXPECT_EQ(labels.size(), 4u);
  EXPECT_EQ(labels.at("io.kubernetes.container.name"), "c");
}

TEST(LogPaths, LinksAreCutToAFileName) {
  const std::string id(64, 'f');
  EXPECT_EQ(log_link_name("p", "ns", "c", id), "p_ns_c-" + id + ".log");
  const std::string cut = log_link_name(std::string(253, 'p'), "ns", "c", id);
  EXPECT_EQ(cut.size(), 255u);
  EXPECT_TRUE(cut.ends_with(".log"));
}

struct LogRow {
  std::vector<std::string> names;
  std::uint32_t count;
};

TEST(LogPaths, TheRestartCountIsOneAboveTheLargestLog) {
  for (const auto& row : {LogRow{{}, 0}, LogRow{{"0.log"}, 1}, LogRow{{"0.log", "9.log", "10.log.20260101-1.gz"}, 11},
                          LogRow{{"x.log", "3.txt", "4.logs", "-1.log", ".log", "5"}, 0},
                          LogRow{{"99999999999.log", "2.log"}, 3}, LogRow{{"4294967295.log"}, 0}}) {
    EXPECT_EQ(restart_count_from_logs(row.names), row.count) << testing::PrintToString(row.names);
  }
}

TEST(LogPaths, TerminationFilesHaveEightDigits) {
  EXPECT_EQ(termination_file_path("/R", "u", "c", 0xab), "/R/pods/u/containers/c/000000ab");
}

}  // namespace
}  // namespace keelson::agent
