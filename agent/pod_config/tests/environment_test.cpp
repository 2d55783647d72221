#include "agent/pod_config/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pod_config/env_file.hpp"
#include "agent/pod_config/expansion.hpp"
#include "agent/pod_config/field_ref.hpp"
#include "agent/pod_config/tests/pods.hpp"

namespace keelson::agent {
namespace {

using testing::HasSubstr;

class Objects final : public ObjectResolver {
 public:
  Objects() {
    (*map_.mutable_data())["k"] = "v";
    (*map_.mutable_data())["odd key!"] = "w";
    (*secret_.mutable_data())["k"] = "s";
  }
  Result<const api::core::ConfigMap*> config_map(const std::string&, const std::string& name) const override {
    if (name == "cm") return &map_;
    if (name == "broken") return Error(ErrorKind::unavailable, "timed out");
    return Error(ErrorKind::not_found, "configmap \"" + name + "\" not found");
  }
  Result<const api::core::Secret*> secret(const std::string&, const std::string& name) const override {
    if (name == "sec") return &secret_;
    return Error(ErrorKind::not_found, "secret \"" + name + "\" not found");
  }

 private:
  api::core::ConfigMap map_;
  api::core::Secret secret_;
};

EnvironmentInputs inputs_with(const ObjectResolver* objects = nullptr) {
  EnvironmentInputs inputs;
  inputs.objects = objects;
  inputs.services_synced = true;
  inputs.host_ip = "192.0.2.1";
  inputs.host_ips = {"192.0.2.1", "2001:db8::1"};
  inputs.pod_ips = {"fd00::2", "10.0.0.2"};
  return inputs;
}

Result<std::vector<cri::KeyValue>> env_of(const std::string& container, const EnvironmentInputs& inputs,
                                          const std::string& spec = "") {
  const auto pod = pod_with_container("{name: c, " + container + "}", spec);
  return make_environment(pod, pod.spec().containers(0), inputs);
}

std::string text_of(const Result<std::vector<cri::KeyValue>>& envs) {
  if (!envs.ok()) return "error: " + envs.error().to_string();
  std::string text;
  for (const auto& env : envs.value()) text += (text.empty() ? "" : ";") + env.key + "=" + env.value;
  return text;
}

struct EnvRow {
  std::string container, expected;
};

TEST(Environment, ListsValuesAndReferences) {
  const Objects objects;
  const EnvironmentInputs inputs = inputs_with(&objects);
  const auto ref = [](const std::string& from) { return "env: [{name: A, valueFrom: {" + from + "}}]"; };
  const std::vector<EnvRow> rows{
      {"env: [{name: A, value: '1'}, {name: B, value: $(A)$(X)$$(A)}]", "A=1;B=1$(X)$(A)"},
      {"env: [{name: A}]", "A="},
      {"env: [{name: B, value: $(A)}, {name: A, value: '1'}]", "B=$(A);A=1"},
      {"env: [{name: A, value: '1'}, {name: B, value: '2'}, {name: A, value: $(A)$(B)}]", "A=12;B=2"},
      {"envFrom: [{configMapRef: {name: cm}}, {prefix: P_, secretRef: {name: sec}}]", "k=v;odd key!=w;P_k=s"},
      {"envFrom: [{configMapRef: {name: cm}}, {secretRef: {name: sec}}]", "k=s;odd key!=w"},
      {"envFrom: [{configMapRef: {name: cm}}], env: [{name: k, value: own-$(k)}]", "k=own-v;odd key!=w"},
      {"envFrom: [{configMapRef: {name: gone, optional: true}}, {secretRef: {name: gone, optional: true}}]", ""},
      {"envFrom: [{configMapRef: {name: gone}}]", "error: configmap \"gone\" not found"},
      {"envFrom: [{configMapRef: {name: broken, optional: true}}]", "error: timed out"},
      {ref("configMapKeyRef: {name: cm, key: k}"), "A=v"},
      {ref("configMapKeyRef: {name: cm, key: x}"), "error: couldn't find key x in ConfigMap ns/cm"},
      {ref("configMapKeyRef: {name: cm, key: x, optional: true}"), ""},
      {ref("configMapKeyRef: {name: gone, key: x, optional: true}"), ""},
      {ref("secretKeyRef: {name: sec, key: k}"), "A=s"},
      {ref("secretKeyRef: {name: sec, key: x}"), "error: couldn't find key x in Secret ns/sec"},
      {ref("secretKeyRef: {name: gone, key: x}"), "error: secret \"gone\" not found"},
      {ref("fieldRef: {fieldPath: metadata.name}"), "A=p"},
      {ref("fieldRef: {fieldPath: status.podIP}"), "A=10.0.0.2"},
      {ref("fieldRef: {fieldPath: status.podIPs}"), "A=10.0.0.2,fd00::2"},
      {ref("fieldRef: {fieldPath: status.hostIPs}"), "A=192.0.2.1,2001:db8::1"},
      {ref("fieldRef: {fieldPath: status.phase}"), "error: unsupported fieldPath: status.phase"},
      {ref("fieldRef: {fieldPath: spec.nothing}"), "error: field label not supported: spec.nothing"},
      {ref("fieldRef: {apiVersion: v2, fieldPath: metadata.name}"), "error: unsupported pod version: v2"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.container);
    EXPECT_EQ(text_of(env_of(row.container, inputs)), row.expected);
  }
}

TEST(Environment, WithoutAnApiServerObjectsCannotBeReadEvenWhenOptional) {
  EXPECT_EQ(text_of(env_of("envFrom: [{configMapRef: {name: cm, optional: true}}]", inputs_with())),
            "error: couldn't get configMap ns/cm, no kubeClient defined");
  EXPECT_EQ(text_of(env_of("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]", inputs_with())),
            "error: couldn't get secret ns/s, no kubeClient defined");
}

TEST(Environment, WaitsForServicesUnlessThePodIsStatic) {
  EnvironmentInputs inputs = inputs_with();
  inputs.services_synced = false;
  EXPECT_EQ(text_of(env_of("env: []", inputs)),
            "error: services have not yet been read at least once, cannot construct envvars");
  auto pod = pod_with_container("{name: c}");
  (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  EXPECT_TRUE(make_environment(pod, pod.spec().containers(0), inputs).ok());
  pod.mutable_spec()->clear_enableservicelinks();
  EXPECT_EQ(text_of(make_environment(pod, pod.spec().containers(0), inputs)),
            "error: nil pod.spec.enableServiceLinks encountered, cannot construct envvars");
}

TEST(Environment, ServiceVariablesComeLastAndNeverReplaceOwnOnes) {
  EnvironmentInputs inputs = inputs_with();
  inputs.services = {{"ns", "web-1", "10.1.1.1", {{"", "TCP", 80}}}, {"ns", "none", "None", {{"", "TCP", 1}}}};
  EXPECT_EQ(text_of(env_of("env: [{name: WEB_1_SERVICE_HOST, value: mine}, {name: U, value: $(WEB_1_PORT)}]", inputs)),
            "WEB_1_SERVICE_HOST=mine;U=tcp://10.1.1.1:80;WEB_1_SERVICE_PORT=80;WEB_1_PORT=tcp://10.1.1.1:80;"
            "WEB_1_PORT_80_TCP=tcp://10.1.1.1:80;WEB_1_PORT_80_TCP_PROTO=tcp;WEB_1_PORT_80_TCP_PORT=80;"
            "WEB_1_PORT_80_TCP_ADDR=10.1.1.1");
}

TEST(ServiceVariables, WithoutLinksOnlyTheApiServerIsKnown) {
  const std::vector<ServiceInfo> services{{"default", "kubernetes", "10.96.0.1", {{"https", "TCP", 443}}},
                                          {"ns", "a", "fd00::5", {{"dns-udp", "UDP", 53}}},
                                          {"default", "b", "10.96.0.2", {{"", "TCP", 1}}}};
  EXPECT_EQ(service_variables(services, "ns", false).front(), (cri::KeyValue{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}));
  EXPECT_EQ(service_variables(services, "ns", false).size(), 8u);
  const auto linked = service_variables(services, "ns", true);
  EXPECT_THAT(linked, testing::Contains(cri::KeyValue{"A_PORT_53_UDP", "udp://[fd00::5]:53"}));
  EXPECT_THAT(linked, testing::Contains(cri::KeyValue{"A_SERVICE_PORT_DNS_UDP", "53"}));
  EXPECT_EQ(linked.size(), 16u);
}

TEST(PodIps, ThePrimaryFamilyComesFirstOneOfEach) {
  const std::vector<std::string> ips{"fd00::1", "10.0.0.1", "10.0.0.2"};
  EXPECT_THAT(sort_pod_ips(ips, false), testing::ElementsAre("10.0.0.1", "fd00::1"));
  EXPECT_THAT(sort_pod_ips(ips, true), testing::ElementsAre("fd00::1", "10.0.0.1"));
  EXPECT_THAT(sort_pod_ips({}, true), testing::IsEmpty());
}

// --- Fields

TEST(FieldRef, ReadsLabelsAnnotationsAndAliases) {
  const auto pod = make_pod(
      "metadata: {labels: {b: '2', a: '1'}, annotations: {q: \"x\\ny\\\"z\\u00e9\\u200b\"}}\n"
      "spec: {nodeName: node1, serviceAccountName: sa}");
  const auto value = [&](const std::string& path) {
    api::core::ObjectFieldSelector selector;
    selector.set_fieldpath(path);
    const auto result = field_value(pod, selector, inputs_with());
    return result.ok() ? result.value() : "error: " + result.error().message();
  };
  EXPECT_EQ(value("metadata.labels"), "a=\"1\"\nb=\"2\"");
  EXPECT_EQ(value("metadata.annotations"), "q=\"x\\ny\\\"zé\\u200b\"");
  EXPECT_EQ(value("metadata.labels['a']"), "1");
  EXPECT_EQ(value("metadata.labels['none']"), "");
  EXPECT_EQ(value("metadata.annotations['q']"), "x\ny\"zé\u200b");
  EXPECT_EQ(value("metadata.name['a']"), "error: field label does not support subscript: metadata.name['a']");
  EXPECT_EQ(value("metadata.labels['"), "error: field label not supported: metadata.labels['");
  EXPECT_EQ(value("spec.host"), "node1");
  EXPECT_EQ(value("spec.serviceAccountName"), "sa");
  EXPECT_EQ(value("metadata.uid"), "u");
}

struct ResourceRow {
  std::string selector, expected;
};

TEST(ResourceFieldRef, DividesAndRoundsUp) {
  const auto pod = make_pod(
      "spec: {initContainers: [{name: i, resources: {limits: {cpu: 3}}}], containers: [{name: c, resources: {limits: "
      "{memory: 1000Mi, hugepages-2Mi: 4Mi}, requests: {cpu: 1250m, ephemeral-storage: 10}}}, {name: d}], "
      "resources: {limits: {cpu: 2500m}}}");
  const ResourceList allocatable{{"cpu", api::Quantity::from_int(4)}, {"memory", api::Quantity::bytes(1 << 30)}};
  const std::vector<ResourceRow> rows{
      {"resource: limits.memory", "1048576000"},
      {"resource: limits.memory, divisor: 1Gi", "1"},
      {"resource: requests.cpu", "2"},
      {"resource: requests.cpu, divisor: 1m", "1250"},
      {"resource: requests.memory", "0"},
      {"resource: limits.cpu, divisor: 1m", "2500"},
      {"resource: limits.cpu, containerName: i", "3"},
      {"resource: limits.memory, containerName: d", "1073741824"},
      {"resource: limits.hugepages-2Mi, divisor: 1Mi", "4"},
      {"resource: limits.hugepages-1Gi", "0"},
      {"resource: requests.ephemeral-storage", "10"},
      {"resource: limits.pods", "error: unsupported container resource : limits.pods"},
      {"resource: memory", "error: unsupported container resource : memory"},
      {"resource: limits.cpu, containerName: x", "error: container x not found"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.selector);
    const auto holder =
        make_container("{name: h, env: [{name: A, valueFrom: {resourceFieldRef: {" + row.selector + "}}}]}");
    const auto result =
        resource_value(pod, pod.spec().containers(0), holder.env(0).valuefrom().resourcefieldref(), allocatable);
    EXPECT_EQ(result.ok() ? result.value() : "error: " + result.error().message(), row.expected);
  }
}

// --- Expansion

TEST(Expansion, ReplacesKnownNamesOnly) {
  const std::vector<cri::KeyValue> envs{{"A", "old"}, {"B", "$(A)"}, {"A", "1"}, {"", "empty"}};
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{{"$(A)", "1"},
                                                                                       {"x$(A)y$(A)", "x1y1"},
                                                                                       {"$(B)", "$(A)"},
                                                                                       {"$(C)", "$(C)"},
                                                                                       {"$$(A)", "$(A)"},
                                                                                       {"$$$(A)", "$1"},
                                                                                       {"$A", "$A"},
                                                                                       {"$(A", "$(A"},
                                                                                       {"$", "$"},
                                                                                       {"a$", "a$"},
                                                                                       {"$$", "$"},
                                                                                       {"", ""},
                                                                                       {"$()", "empty"},
                                                                                       {"$(A)$(", "1$("},
                                                                                       {"$($(A))", "$($(A))"}}) {
    EXPECT_EQ(expand(text, envs), expected) << text;
  }
}

TEST(Expansion, ProbesKnowLiteralValuesOnly) {
  const auto container = make_container(
      "{name: c, command: [$(A), '-$(B)-', $(C), $(KUBERNETES_SERVICE_HOST)], env: [{name: A, value: x}, "
      "{name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: C, value: $(A)}]}");
  EXPECT_THAT(expand_probe_command(container.command(), container),
              testing::ElementsAre("x", "--", "$(A)", "$(KUBERNETES_SERVICE_HOST)"));
}

TEST(Expansion, StrictlyMissingOrEmptyVariablesAreErrors) {
  EXPECT_EQ(expand_strictly("a/$(A)", {{"A", "1"}}).value(), "a/1");
  EXPECT_EQ(expand_strictly("$(Z)/$(A)/$(Z)", {{"A", ""}}).error().message(), "missing value for A, Z");
}

// --- Files of variables

struct FileRow {
  std::string text, expected;
};

TEST(EnvFile, ReadsTheFirstQuotedValue) {
  const std::vector<FileRow> rows{
      {"K='v'", "v"},
      {"# K='no'\n\n  \t K='v' # tail\nK='later'", "v"},
      {"A='x'\nK='two\nlines'\n", "two\nlines"},
      {"K=''", ""},
      {"K= 'v'\n", ""},
      {"K=\nA='b'", ""},
      {"KK='v'", "absent"},
      {"", "absent"},
      {"K='v'\r\n", "v"},
      {"K='a\"$b\\'", "a\"$b\\"},
      {"K=v", "error: invalid environment file: line 1: expected a value in single quotes"},
      {"K=\"v\"", "error: invalid environment file: line 1: expected a value in single quotes"},
      {"\nK ='v'", "error: invalid environment file: line 2: expected NAME='value'"},
      {"A='1'\nnonsense\nK='v'", "error: invalid environment file: line 2: expected NAME='value'"},
      {"='v'", "error: invalid environment file: line 1: expected NAME='value'"},
      {"K='v' x", "error: invalid environment file: line 1: expected nothing but a comment behind the closing quote"},
      {"K='v", "error: invalid environment file: line 1: expected a closing single quote"},
      {"K='v'\nnonsense", "v"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    const auto result = find_in_env_file(row.text, "K");
    EXPECT_EQ(!result.ok() ? "error: " + result.error().message() : result.value().value_or("absent"), row.expected);
  }
}

TEST(EnvFile, ReachesTheContainerThroughTheCallersFiles) {
  const std::string ref = "fileKeyRef: {volumeName: v, path: a/f, key: K";
  const std::string needed = "env: [{name: A, valueFrom: {" + ref + "}}}]";
  const std::string optional = "env: [{name: A, valueFrom: {" + ref + ", optional: true}}}]";
  const auto container = make_container("{name: c, " + needed + "}");
  ASSERT_EQ(env_file_requests(container).size(), 1u);
  EnvironmentInputs inputs = inputs_with();
  const std::string no_volume = "error: cannot find the volume \"v\" referenced by FileKeyRef";
  EXPECT_EQ(text_of(env_of(needed, inputs)), no_volume);
  EXPECT_EQ(text_of(env_of(optional, inputs)), no_volume);
  EnvFile& file = inputs.env_files[env_file_requests(container)[0].name()];
  file.path = "/host/v/a/f";
  EXPECT_EQ(text_of(env_of(optional, inputs)), "") << "a file that is not there is like a key that is not";
  EXPECT_EQ(text_of(env_of(needed, inputs)), "error: couldn't parse env file");
  file.content = "K='v'";
  EXPECT_EQ(text_of(env_of(needed, inputs)), "A=v");
  for (const char* without : {"K=''", "L='v'", ""}) {
    file.content = without;
    EXPECT_EQ(text_of(env_of(optional, inputs)), "") << without;
    EXPECT_EQ(text_of(env_of(needed, inputs)),
              "error: environment variable key \"K\" not found in file \"/host/v/a/f\"")
        << without;
  }
  file.content = "K=x";
  EXPECT_EQ(text_of(env_of(optional, inputs)), "error: couldn't parse env file");
}

}  // namespace
}  // namespace keelson::agent
