#include "agent/images/credential_plugins.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/images/tests/fake_pod_objects.hpp"
#include "agent/sync/tests/world.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kV1[] = "credentialprovider.kubelet.k8s.io/v1";

std::string response(const std::string& scope, const std::string& rest, const std::string& version = kV1) {
  return R"({"kind":"CredentialProviderResponse","apiVersion":")" + version + R"(","cacheKeyType":")" + scope + "\"" +
         rest + "}";
}
std::string auth(const std::string& registry, const std::string& user, const std::string& password = "p") {
  return R"(,"auth":{")" + registry + R"(":{"username":")" + user + R"(","password":")" + password + R"("}})";
}

TEST(PluginWords, ARequestIsTheKubelets) {
  EXPECT_EQ(plugin_request(kV1, "r.io/app", std::nullopt),
            "{\"kind\":\"CredentialProviderRequest\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"image\":"
            "\"r.io/app\"}\n");
  EXPECT_EQ(plugin_request(kV1, "r.io/app", PluginAccount{{}, {{"a", "1"}, {"b", "2"}}, "tok"}),
            "{\"kind\":\"CredentialProviderRequest\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"image\":"
            "\"r.io/app\",\"serviceAccountToken\":\"tok\",\"serviceAccountAnnotations\":{\"a\":\"1\",\"b\":\"2\"}}\n");
}

TEST(PluginWords, AResponseIsReadStrictly) {
  const auto good = parse_plugin_response(response("Registry", R"(,"cacheDuration":"90s")" + auth("r.io", "u")), kV1);
  ASSERT_TRUE(good.ok()) << good.error().to_string();
  EXPECT_EQ(good.value().scope, PluginResponse::Scope::registry);
  EXPECT_EQ(good.value().cache_duration, 90s);
  EXPECT_THAT(good.value().logins, ElementsAre(std::pair(std::string("r.io"), RegistryLogin{"u", "p", ""})));
  const auto empty = parse_plugin_response(response("Image", ""), kV1);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty.value().cache_duration, std::nullopt);
  EXPECT_THAT(empty.value().logins, IsEmpty());

  struct Row {
    std::string text;
    const char* error;
  };
  const Row rows[] = {
      {"", "expected a JSON object"},
      {"hunter2", "expected a JSON object"},
      {"[]", "expected a JSON object"},
      {response("Image", "", "credentialprovider.kubelet.k8s.io/v1beta1"),
       "apiVersion: expected "
       "credentialprovider.kubelet.k8s.io/v1"},
      {R"({"kind":"Pod","apiVersion":"credentialprovider.kubelet.k8s.io/v1"})",
       "kind: expected CredentialProviderResponse"},
      {response("Node", ""), "cacheKeyType: expected Image, Registry or Global"},
      {response("Image", R"(,"hunter2":1)"), "hunter2: unknown field"},
      {response("Image", R"(,"cacheDuration":5)"), "cacheDuration: expected a duration such as 10m"},
      {response("Image", R"(,"cacheDuration":"soon")"), "cacheDuration: expected a duration such as 10m"},
      {response("Image", R"(,"auth":["hunter2"])"), "auth: expected an object of registries"},
      {response("Image", R"(,"auth":{"r.io":"hunter2"})"), "auth[\"r.io\"]: expected an object"},
      {response("Image", R"(,"auth":{"r.io":{"password":5}})"), "auth[\"r.io\"].password: expected a string"},
      {response("Image", R"(,"auth":{"r.io":{"token":"hunter2"}})"), "auth[\"r.io\"].token: unknown field"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto read = parse_plugin_response(row.text, kV1);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().to_string(), row.error);
  }
}

// Programs in memory: they take a second and answer what the test says.
class FakePrograms final : public ProgramRunner {
 public:
  explicit FakePrograms(base::Clock& clock) : clock_(clock) {}

  std::map<std::string, base::ProcessResult> answers;  // by command
  std::map<std::string, Error> failures;
  std::vector<base::ProcessRequest> runs;
  base::Duration takes = 1s;

  base::Task<Result<base::ProcessResult>> run(base::ProcessRequest request) override {
    runs.push_back(request);
    co_await clock_.sleep_for(takes);
    if (const auto failure = failures.find(request.command); failure != failures.end()) co_return failure->second;
    co_return answers[request.command];
  }

 private:
  base::Clock& clock_;
};

class Plugins : public ::testing::Test {
 protected:
  Plugins() {
    provider.name = "plugin";
    provider.match_images = {"*.io"};
    provider.default_cache_duration = 10min;
    provider.api_version = kV1;
    settings.directory = "/bin-dir";
    settings.environment = {{"PATH", "/bin"}, {"A", "agent"}};
    programs.answers["/bin-dir/plugin"].out = response("Image", auth("r.io", "u"));
  }
  ~Plugins() override { world.run(gate.stop()); }

  void make() {
    if (settings.providers.empty()) settings.providers = {provider};
    plugins =
        std::make_unique<CredentialPlugins>(world.loop, world.clock, &programs, objects, settings, base::Logger());
    plugins->start(gate);
  }
  api::PodPtr pod(const std::string& uid = "u1", const std::string& account = "") {
    api::Pod out = make_wanted(uid);
    if (!account.empty()) out.mutable_spec()->set_serviceaccountname(account);
    return std::make_shared<const api::Pod>(out);
  }
  std::vector<std::string> find(const std::string& image, api::PodPtr of = nullptr) {
    if (!plugins) make();
    found = world.run(plugins->find(of == nullptr ? pod() : of, image));
    std::vector<std::string> users;
    for (const auto& credential : found) users.push_back(credential.auth.username);
    return users;
  }
  void with_tokens(const std::string& cache_type, bool required = true) {
    config::CredentialProvider::TokenAttributes attributes;
    attributes.service_account_token_audience = "registry";
    attributes.cache_type = cache_type;
    attributes.require_service_account = required;
    provider.token_attributes = attributes;
  }
  std::size_t runs() const { return programs.runs.size(); }

  World world;
  FakePodObjects objects;
  FakePrograms programs{world.clock};
  config::CredentialProvider provider;
  PluginSettings settings;
  base::Gate gate{world.loop};
  std::unique_ptr<CredentialPlugins> plugins;
  std::vector<Credential> found;
};

TEST_F(Plugins, AreRunAsConfigured) {
  provider.args = {"get", "--fast"};
  provider.env = {{"A", "configured"}, {"B", "2"}};
  EXPECT_THAT(find("r.io/app"), ElementsAre("u"));
  ASSERT_EQ(runs(), 1u);
  const base::ProcessRequest& request = programs.runs[0];
  EXPECT_EQ(request.command, "/bin-dir/plugin");
  EXPECT_THAT(request.args, ElementsAre("get", "--fast"));
  EXPECT_THAT(request.environment,
              ElementsAre(std::pair("A", "configured"), std::pair("B", "2"), std::pair("PATH", "/bin")));
  EXPECT_EQ(request.input, plugin_request(kV1, "r.io/app", std::nullopt));
  EXPECT_EQ(request.limit, 1min);
  EXPECT_EQ(found[0].auth.password, "p");
  EXPECT_EQ(found[0].origin, CredentialOrigin()) << "the node's: for all its pods";
}

TEST_F(Plugins, AreNotAskedForImagesThatTheyDoNotMatch) {
  EXPECT_THAT(find("r.com/app"), IsEmpty());
  EXPECT_EQ(runs(), 0u);
  EXPECT_THAT(find("s.io/app"), IsEmpty()) << "matched, but the answer is for another registry";
  EXPECT_EQ(runs(), 1u);
}

TEST_F(Plugins, AreAllAskedAndTheirLoginsSortedTogether) {
  config::CredentialProvider other = provider;
  other.name = "other";
  settings.providers = {provider, other};
  programs.answers["/bin-dir/other"].out = response("Image", auth("r.io/team", "v"));
  const auto begun = world.clock.steady_now();
  EXPECT_THAT(find("r.io/team/app"), ElementsAre("v", "u"));
  EXPECT_LT(world.clock.steady_now() - begun, 1500ms) << "side by side";
}

TEST_F(Plugins, KeepAnswersForWhatTheyAreGoodFor) {
  struct Row {
    const char* scope;
    int runs_after[4];  // r.io/app, again, r.io/other, s.io/x
  };
  const Row rows[] = {{"Image", {1, 1, 2, 3}}, {"Registry", {1, 1, 1, 2}}, {"Global", {1, 1, 1, 1}}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.scope);
    programs.answers["/bin-dir/plugin"].out = response(row.scope, auth("*.io", "u"));
    programs.runs.clear();
    make();
    const char* images[] = {"r.io/app", "r.io/app", "r.io/other", "s.io/x"};
    for (int i = 0; i < 4; ++i) {
      EXPECT_THAT(find(images[i]), ElementsAre("u"));
      EXPECT_EQ(runs(), static_cast<std::size_t>(row.runs_after[i])) << images[i];
    }
  }
}

TEST_F(Plugins, KeepAnswersForAsLongAsTheySay) {
  struct Row {
    const char* duration;
    base::Duration configured;
    base::Duration kept;
  };
  const Row rows[] = {
      {"", 10min, 10min},
      {"", 0s, 0s},
      {R"(,"cacheDuration":null)", 10min, 10min},
      {R"(,"cacheDuration":"0s")", 10min, 0s},
      {R"(,"cacheDuration":"1h")", 10min, 1h},
      {R"(,"cacheDuration":"1h")", 0s, 1h},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.duration);
    provider.default_cache_duration = row.configured;
    settings.providers = {provider};
    programs.answers["/bin-dir/plugin"].out = response("Image", row.duration + auth("r.io", "u"));
    programs.runs.clear();
    make();
    find("r.io/app");
    if (row.kept > 0s) {
      world.clock.advance(row.kept - 1s);
      EXPECT_THAT(find("r.io/app"), ElementsAre("u"));
      EXPECT_EQ(runs(), 1u);
      world.clock.advance(1s);
    }
    EXPECT_THAT(find("r.io/app"), ElementsAre("u"));
    EXPECT_EQ(runs(), 2u);
  }
}

TEST_F(Plugins, ThatFailHaveNoLoginsAndAreAskedAgain) {
  programs.answers["/bin-dir/plugin"].exit_code = 1;
  programs.answers["/bin-dir/plugin"].err = "no network\n";
  EXPECT_THAT(find("r.io/app"), IsEmpty());
  programs.answers["/bin-dir/plugin"] = {"", "", 0, 9};
  EXPECT_THAT(find("r.io/app"), IsEmpty());
  programs.answers["/bin-dir/plugin"] = {"nonsense", "", 0, 0};
  EXPECT_THAT(find("r.io/app"), IsEmpty());
  programs.failures.emplace("/bin-dir/plugin", Error(ErrorKind::deadline_exceeded, "too slow"));
  EXPECT_THAT(find("r.io/app"), IsEmpty());
  programs.failures.clear();
  programs.answers["/bin-dir/plugin"].out = response("Image", auth("r.io", "u"));
  EXPECT_THAT(find("r.io/app"), ElementsAre("u"));
  EXPECT_EQ(runs(), 5u);
  EXPECT_EQ(plugins->metrics().errors, (base::CountsBy<1>{{{"plugin"}, 4}}));
  EXPECT_EQ(plugins->metrics().durations.at({"plugin"}).count, 5u);
  EXPECT_DOUBLE_EQ(plugins->metrics().durations.at({"plugin"}).sum, 5) << "a second each";
}

TEST_F(Plugins, DoNotKeepOthersWaiting) {
  config::CredentialProvider broken = provider;
  broken.name = "broken";
  settings.providers = {broken, provider};
  programs.failures.emplace("/bin-dir/broken", Error(ErrorKind::not_found, "no such program"));
  EXPECT_THAT(find("r.io/app"), ElementsAre("u"));
}

TEST_F(Plugins, RunOnceForThoseWhoAskTogether) {
  make();
  base::Gate askers(world.loop);
  std::vector<std::shared_ptr<std::optional<std::vector<Credential>>>> answers;
  for (int i = 0; i < 3; ++i) {
    answers.push_back(std::make_shared<std::optional<std::vector<Credential>>>());
    base::spawn(askers, "asker " + std::to_string(i),
                base::internal::keep_result(plugins->find(pod(), "r.io/app"), answers.back()));
  }
  world.clock.advance(500ms);
  askers.cancel("asker 0");  // who began it gives up
  world.clock.advance(1s);
  EXPECT_EQ(runs(), 1u);
  EXPECT_FALSE(answers[0]->has_value());
  ASSERT_TRUE(answers[1]->has_value() && answers[2]->has_value());
  EXPECT_EQ((**answers[1]).size(), 1u);
  world.run(askers.stop());
  EXPECT_THAT(find("r.io/app"), ElementsAre("u"));
  EXPECT_EQ(runs(), 1u) << "its answer is kept";
}

TEST_F(Plugins, GetATokenOfThePodsServiceAccount) {
  with_tokens("ServiceAccount");
  provider.token_attributes->required_service_account_annotation_keys = {"role"};
  provider.token_attributes->optional_service_account_annotation_keys = {"hint", "absent"};
  objects.add_account("sa", {{"role", "puller"}, {"hint", "x"}, {"other", "y"}});
  EXPECT_THAT(find("r.io/app", pod("u1", "sa")), ElementsAre("u"));
  EXPECT_EQ(
      programs.runs.at(0).input,
      plugin_request(kV1, "r.io/app", PluginAccount{{}, {{"hint", "x"}, {"role", "puller"}}, "token-u1-registry"}));
  EXPECT_EQ(found[0].origin.account, (ObjectIdentity{"ns", "sa", "uid-sa"}));
}

TEST_F(Plugins, AreNotAskedForAPodThatLacksWhatTheyNeed) {
  with_tokens("ServiceAccount");
  provider.token_attributes->required_service_account_annotation_keys = {"role"};
  objects.add_account("plain");
  EXPECT_THAT(find("r.io/app", pod("u1", "plain")), IsEmpty());
  EXPECT_THAT(find("r.io/app", pod("u1", "unknown")), IsEmpty());
  EXPECT_THAT(find("r.io/app", pod("u1", "")), IsEmpty());
  EXPECT_EQ(objects.tokens_asked.size(), 0u);
  objects.add_account("sa", {{"role", "puller"}});
  objects.token_prefix = "";
  EXPECT_THAT(find("r.io/app", pod("u1", "sa")), IsEmpty());
  EXPECT_EQ(runs(), 0u);
}

TEST_F(Plugins, AreAskedWithoutATokenForPodsWithoutAnAccountIfTheyAllowIt) {
  with_tokens("ServiceAccount", false);
  EXPECT_THAT(find("r.io/app", pod("u1", "")), ElementsAre("u"));
  EXPECT_EQ(programs.runs.at(0).input, plugin_request(kV1, "r.io/app", std::nullopt));
  EXPECT_EQ(found[0].origin, CredentialOrigin());
}

TEST_F(Plugins, KeepAnswersApartByAccountOrByToken) {
  struct Row {
    const char* cache_type;
    std::size_t runs;  // of two pods of one account, then one of another account
  };
  objects.add_account("a");
  objects.add_account("b");
  for (const Row& row : {Row{"ServiceAccount", 2}, Row{"Token", 3}}) {
    SCOPED_TRACE(row.cache_type);
    with_tokens(row.cache_type);
    settings.providers = {provider};
    programs.runs.clear();
    make();
    for (int i = 0; i < 2; ++i) {
      find("r.io/app", pod("u1", "a"));
      find("r.io/app", pod("u2", "a"));
      find("r.io/app", pod("u3", "b"));
    }
    EXPECT_EQ(runs(), row.runs);
  }
}

TEST_F(Plugins, MayEchoTheTokenOnlyWithCacheTypeToken) {
  objects.add_account("sa");
  programs.answers["/bin-dir/plugin"].out = response("Image", auth("r.io", "u", "token-u1-registry"));
  with_tokens("ServiceAccount");
  EXPECT_THAT(find("r.io/app", pod("u1", "sa")), IsEmpty());
  with_tokens("Token");
  settings.providers = {provider};
  make();
  EXPECT_THAT(find("r.io/app", pod("u1", "sa")), ElementsAre("u"));
}

// --- Real programs ---

class PluginProgram : public ::testing::Test {
 protected:
  PluginProgram() {
    char name[] = "/tmp/keelson-plugin-XXXXXX";
    top = ::mkdtemp(name);
  }
  ~PluginProgram() override {
    auto stopped = std::make_shared<bool>(false);
    base::Gate closing(loop);
    base::spawn(closing, "stop", gate.stop());
    EXPECT_TRUE(base::testing::pump_until(loop, [&] { return closing.tasks() == 0; }));
    std::filesystem::remove_all(top);
  }
  void write(const std::string& script) {
    std::ofstream(top + "/plugin") << "#!/bin/sh\n" << script;
    ASSERT_EQ(::chmod((top + "/plugin").c_str(), 0755), 0);
  }
  std::vector<Credential> find() {
    config::CredentialProvider provider;
    provider.name = "plugin";
    provider.match_images = {"r.io"};
    provider.api_version = kV1;
    provider.args = {"one", "two"};
    provider.env = {{"REGISTRY", "r.io"}};
    PluginSettings settings{{provider}, top, {{"PATH", "/usr/bin:/bin"}}};
    plugins = std::make_unique<CredentialPlugins>(loop, clock, &runner, objects, settings, base::Logger());
    plugins->start(gate);
    const auto pod = std::make_shared<const api::Pod>(make_wanted("u1"));
    return base::testing::run_real(loop, plugins->find(pod, "r.io/app"));
  }

  std::string top;
  base::Loop loop;
  base::RealClock clock{loop};
  ProcessRunner runner{loop, clock};
  FakePodObjects objects;
  base::Gate gate{loop};
  std::unique_ptr<CredentialPlugins> plugins;
};

TEST_F(PluginProgram, IsSpokenToOverItsStandardStreams) {
  write(
      "request=$(cat)\n"
      "echo \"noise\" >&2\n"
      "case \"$request\" in *'\"image\":\"r.io/app\"'*) ;; *) exit 1;; esac\n"
      "printf '%s' '" +
      response("Image", "") +
      "' | sed \"s#}\\$#,\\\"auth\\\":{\\\"$REGISTRY\\\":{\\\"username\\\":"
      "\\\"$1-$2\\\",\\\"password\\\":\\\"p\\\"}}}#\"\n");
  const auto found = find();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].auth.username, "one-two");
}

TEST_F(PluginProgram, ThatFailsOrIsMissingHasNoLogins) {
  EXPECT_THAT(find(), IsEmpty());
  write("echo nothing for you >&2; exit 3\n");
  EXPECT_THAT(find(), IsEmpty());
}

}  // namespace
}  // namespace keelson::agent
