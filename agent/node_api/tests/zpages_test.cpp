#include "agent/node_api/zpages.hpp"

#include <cstdlib>
#include <ctime>
#include <set>

#include "agent/node_api/flag_values.hpp"
#include "agent/node_api/media_types.hpp"
#include "agent/node_api/tests/fake_reply.hpp"

namespace keelson::node_api {
namespace {

using testing::ask;
using testing::FakeReply;
using testing::get;
using Form = ZPageChoice::Form;

// "text", "json v1beta1", "yaml v1alpha1", "json v1beta1 pretty" or "none"
std::string chosen(const std::string& accept) {
  const auto choice = choose_zpage(accept, "Statusz");
  if (!choice) return "none";
  std::string out = choice->form == Form::text ? "text" : choice->form == Form::json ? "json" : "yaml";
  if (!choice->version.empty()) out += " " + choice->version;
  return choice->pretty ? out + " pretty" : out;
}

TEST(MediaTypes, ChooseTheFormOfAPage) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "text"},
      {"  ", "text"},
      {"*/*", "text"},
      {"*", "text"},
      {"text/plain", "text"},
      {"text/*", "text"},
      {"text/plain;charset=utf-8", "text"},
      {"text/html, application/xhtml+xml, */*;q=0.8", "text"},
      {"application/json;as=Statusz;v=v1beta1;g=config.k8s.io", "json v1beta1"},
      {"application/json; g=config.k8s.io ; v=v1alpha1;as=Statusz", "json v1alpha1"},
      {"application/yaml;as=Statusz;v=v1beta1;g=config.k8s.io", "yaml v1beta1"},
      {"application/*;as=Statusz;v=v1beta1;g=config.k8s.io", "json v1beta1"},
      {"*/*;as=Statusz;v=v1beta1;g=config.k8s.io", "json v1beta1"},
      {"application/json;as=Statusz;v=v1beta1;g=config.k8s.io;pretty=1", "json v1beta1 pretty"},
      {"application/json;as=Statusz;v=v1;g=config.k8s.io,application/json;as=Statusz;v=v1beta1;g=config.k8s.io",
       "json v1beta1"},
      {"text/plain;q=0.5,application/json;as=Statusz;v=v1beta1;g=config.k8s.io;q=0.9", "json v1beta1"},
      {"application/json;as=Statusz;v=v1beta1;g=config.k8s.io;q=0.1,text/plain", "text"},
      {"*/*,application/json;as=Statusz;v=v1beta1;g=config.k8s.io", "json v1beta1"},
      {"application/json;v=foo;g=config.k8s.io;as=Statusz,*/*", "text"},
      {"application/json", "none"},
      {"application/yaml", "none"},
      {"application/json;v=v1beta1;g=config.k8s.io", "none"},
      {"application/json;as=Statusz;v=v1beta1", "none"},
      {"application/json;as=Flagz;v=v1beta1;g=config.k8s.io", "none"},
      {"application/json;as=Statusz;v=v1;g=config.k8s.io", "none"},
      {"text/plain;as=Statusz;v=v1beta1;g=config.k8s.io", "none"},
      {"application/json;as=Statusz;v=v1beta1;g=config.k8s.io;stream=watch", "none"},
      {"application/vnd.kubernetes.protobuf;as=Statusz;v=v1beta1;g=config.k8s.io", "none"},
      {"application/xml", "none"},
      {"nonsense", "none"},
      {",,;;=,/", "none"},
  };
  for (const auto& [accept, wanted] : rows) EXPECT_EQ(chosen(accept), wanted) << accept;
}

constexpr const char* kStatuszJson = "application/json;as=Statusz;v=v1beta1;g=config.k8s.io";

class Statusz : public ::testing::Test {
 protected:
  Statusz() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    facts_.started = clock_.now();
    facts_.go_version = "gcc 12.2.0";
    facts_.binary_version = "1.36.2";
    facts_.emulation_version = "1.36";
    facts_.paths = {"/pods", "/metrics/cadvisor", "/metrics", "/healthz/", "/", "debug"};
    clock_.advance(std::chrono::seconds(3723));
  }
  FakeReply answer(server::Fields headers = {}, const std::string& target = "/statusz") {
    StatuszHandler handler(clock_, facts_);
    return ask(handler, get(target, std::move(headers)));
  }
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  StatuszFacts facts_;
};

constexpr const char* kStatuszText =
    "\nkubelet statusz\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility "
    "guarantees and is for debugging purposes only.\n\nStarted: Thu Jan  1 00:00:00 UTC 2026\nUp: 1 hr 02 min 03 sec\n"
    "Go version: gcc 12.2.0\nBinary version: 1.36.2\nEmulation version: 1.36\nPaths: /healthz /metrics /pods\n";

TEST_F(Statusz, IsTextForPeople) {
  const FakeReply reply = answer();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(reply.body, kStatuszText);
  EXPECT_EQ(answer({{"Accept", "*/*"}}).header("Content-Type"), "text/plain");
}

TEST_F(Statusz, ChangesItsSeparatorFromCallToCall) {
  StatuszHandler handler(clock_, facts_);
  std::set<std::string> separators;
  for (int i = 0; i < 8; ++i) {
    const std::string body = ask(handler, get("/statusz")).body;
    const std::size_t at = body.find("\nUp") + 3;
    separators.insert(body.substr(at, body.find("1 hr") - at));
  }
  EXPECT_EQ(separators, (std::set<std::string>{": ", ":  ", "= ", "  "}));
}

TEST_F(Statusz, WithoutEmulationAndPathsHasEmptyLines) {
  facts_.emulation_version.clear();
  facts_.paths.clear();
  EXPECT_TRUE(answer().body.ends_with("Binary version: 1.36.2\n\n\n")) << answer().body;
}

TEST_F(Statusz, IsAnObjectForPrograms) {
  const FakeReply reply = answer({{"Accept", kStatuszJson}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "application/json;g=config.k8s.io;v=v1beta1;as=Statusz");
  EXPECT_EQ(reply.header("Warning"), "");
  EXPECT_EQ(reply.body,
            R"({"kind":"Statusz","apiVersion":"config.k8s.io/v1beta1","metadata":{"name":"kubelet"},"startTime":)"
            R"("2026-01-01T00:00:00Z","uptimeSeconds":3723,"goVersion":"gcc 12.2.0","binaryVersion":"1.36.2",)"
            R"("emulationVersion":"1.36","paths":["/healthz","/metrics","/pods"]})"
            "\n");
}

TEST_F(Statusz, WarnsOfTheOlderVersion) {
  const FakeReply reply = answer({{"Accept", "application/json;as=Statusz;v=v1alpha1;g=config.k8s.io"}});
  EXPECT_EQ(reply.header("Warning"),
            "299 - \"This version of the statusz endpoint is deprecated. Please use a newer version.\"");
  EXPECT_EQ(nlohmann::json::parse(reply.body).at("apiVersion"), "config.k8s.io/v1alpha1");
}

TEST_F(Statusz, IsYamlWhenThatIsAskedFor) {
  const FakeReply reply = answer({{"Accept", "application/yaml;as=Statusz;v=v1beta1;g=config.k8s.io"}});
  EXPECT_EQ(reply.header("Content-Type"), "application/yaml;g=config.k8s.io;v=v1beta1;as=Statusz");
  EXPECT_EQ(reply.body,
            "apiVersion: config.k8s.io/v1beta1\nbinaryVersion: 1.36.2\nemulationVersion: \"1.36\"\n"
            "goVersion: gcc 12.2.0\nkind: Statusz\nmetadata:\n  name: kubelet\npaths:\n- /healthz\n- /metrics\n"
            "- /pods\nstartTime: \"2026-01-01T00:00:00Z\"\nuptimeSeconds: 3723\n");
}

TEST_F(Statusz, IsReadableForPeopleWithATool) {
  for (const server::Fields& headers : {server::Fields{{"Accept", kStatuszJson}, {"User-Agent", "curl/8.1"}},
                                        server::Fields{{"accept", std::string(kStatuszJson) + ";pretty=1"}}}) {
    const FakeReply reply = answer(headers);
    EXPECT_TRUE(reply.body.starts_with("{\n  \"kind\": \"Statusz\",\n")) << reply.body;
    EXPECT_TRUE(reply.body.ends_with("  ]\n}")) << reply.body;
  }
  const FakeReply compact = answer({{"Accept", kStatuszJson}, {"User-Agent", "curl/8.1"}}, "/statusz?pretty=0");
  EXPECT_TRUE(compact.body.starts_with("{\"kind\"")) << compact.body;
}

TEST_F(Statusz, RefusesOtherFormsWithAStatus) {
  const std::string text =
      "only the following media types are accepted: application/json, application/yaml, "
      "application/vnd.kubernetes.protobuf, text/plain";
  const FakeReply plain = answer({{"Accept", "application/json"}});
  EXPECT_EQ(plain.status, 406);
  EXPECT_EQ(plain.header("Content-Type"), "application/json");
  EXPECT_EQ(plain.body, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" + text +
                            R"(","reason":"NotAcceptable","code":406})" + "\n");
  const FakeReply other = answer({{"Accept", "application/xml"}});
  EXPECT_EQ(other.status, 406);
  EXPECT_TRUE(other.body.starts_with("{\n  \"kind\": \"Status\",\n")) << other.body;
  EXPECT_EQ(nlohmann::json::parse(other.body), nlohmann::json::parse(plain.body));
  const FakeReply yaml = answer({{"Accept", "application/yaml"}});
  EXPECT_EQ(yaml.header("Content-Type"), "application/yaml");
  EXPECT_TRUE(yaml.body.starts_with("apiVersion: v1\ncode: 406\nkind: Status\n")) << yaml.body;
}

TEST(Flagz, ShowsNamesAndValues) {
  FlagzHandler handler({{"v", "2"}, {"config", "/etc/k.yaml"}});
  const FakeReply text = ask(handler, get("/flagz"));
  EXPECT_EQ(text.status, 200);
  EXPECT_EQ(text.body,
            "\nkubelet flagz\nWarning: This endpoint is not meant to be machine parseable, has no formatting "
            "compatibility guarantees and is for debugging purposes only.\nconfig=/etc/k.yaml\nv=2\n");
  EXPECT_EQ(ask(handler, get("/flagz", {{"Accept", "text/plain"}})).header("Content-Type"),
            "text/plain; charset=utf-8");
  const FakeReply json =
      ask(handler, get("/flagz", {{"Accept", "application/json;as=Flagz;v=v1beta1;g=config.k8s.io"}}));
  EXPECT_EQ(json.header("Content-Type"), "application/json;g=config.k8s.io;v=v1beta1;as=Flagz");
  EXPECT_EQ(json.body, R"({"kind":"Flagz","apiVersion":"config.k8s.io/v1beta1","metadata":{"name":"kubelet"},)"
                       R"("flags":{"config":"/etc/k.yaml","v":"2"}})"
                       "\n");
  EXPECT_EQ(ask(handler, get("/flagz", {{"Accept", kStatuszJson}})).status, 406);
}

TEST(FlagValues, AreThoseOfTheCommandLineElseTheFlagsOwnDefaults) {
  const auto values = flag_values({"--config=/etc/k.yaml", "--node-labels=b=2,a=1", "--max-pods", "30", "-v=4",
                                   "--eviction-hard=memory.available<100Mi", "--cluster-dns=10.0.0.10",
                                   "--feature-gates=A=true,B=false", "--register-with-taints=k=v:NoSchedule",
                                   "--node-status-update-frequency=90s", "--exit-on-lock-contention"});
  const std::pair<const char*, const char*> rows[] = {
      {"config", "/etc/k.yaml"},
      {"node-labels", "a=1,b=2"},
      {"max-pods", "30"},
      {"v", "4"},
      {"eviction-hard", "memory.available<100Mi"},
      {"cluster-dns", "[10.0.0.10]"},
      {"feature-gates", "A=true,B=false"},
      {"register-with-taints", "k=v:NoSchedule"},
      {"node-status-update-frequency", "1m30s"},
      {"exit-on-lock-contention", "true"},
      // Not given: the older defaults of flags, not those of the file.
      {"anonymous-auth", "true"},
      {"authorization-mode", "AlwaysAllow"},
      {"read-only-port", "10255"},
      {"root-dir", "/var/lib/kubelet"},
      {"lock-file", ""},
      {"housekeeping-interval", "10s"},
      {"global-housekeeping-interval", "1m0s"},
      {"containerd-namespace", "k8s.io"},
      {"tls-cipher-suites", "[]"},
      {"cgroup-driver", "cgroupfs"},
      {"port", "10250"},
  };
  for (const auto& [name, wanted] : rows) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(values.contains(name));
    EXPECT_EQ(values.at(name), wanted);
  }
  EXPECT_GT(values.size(), 100u);
}

}  // namespace
}  // namespace keelson::node_api
