// The node's files, pull secrets, and all sources of credentials together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/images/image_credentials.hpp"
#include "agent/images/tests/fake_pod_objects.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string config_json(const std::string& user) {
  return R"({"auths":{"r.io":{"username":")" + user + R"(","password":"p"}}})";
}
std::string dockercfg(const std::string& user) { return R"({"r.io":{"username":")" + user + R"(","password":"p"}})"; }

std::vector<std::string> users(const std::vector<Credential>& credentials) {
  std::vector<std::string> out;
  for (const Credential& credential : credentials) out.push_back(credential.auth.username);
  return out;
}

class NodeLogins : public ::testing::Test {
 protected:
  std::vector<std::string> found() { return users(world.run(node.keyring())->lookup("r.io/app")); }

  World world;
  NodeCredentials node{world.loop, world.clock, world.image_files,
                       node_config_files("/var/lib/kubelet", "/work", "/home"), base::Logger()};
};

TEST_F(NodeLogins, AreSearchedWhereTheKubeletDoes) {
  const NodeConfigFiles files = node_config_files("/var/lib/kubelet", "/", "");
  EXPECT_THAT(files.config_json, ElementsAre("/var/lib/kubelet/config.json", "/config.json", "/.docker/config.json"));
  EXPECT_THAT(files.dockercfg, ElementsAre("/var/lib/kubelet/.dockercfg", "/.dockercfg", "/.dockercfg"));

  // In the order of their strength, the weakest first: each beats all before it.
  const std::pair<std::string, bool> places[] = {
      {"/.dockercfg", false},         {"/home/.dockercfg", false},
      {"/work/.dockercfg", false},    {"/var/lib/kubelet/.dockercfg", false},
      {"/.docker/config.json", true}, {"/home/.docker/config.json", true},
      {"/work/config.json", true},    {"/var/lib/kubelet/config.json", true}};
  for (const auto& [path, json] : places) {
    SCOPED_TRACE(path);
    world.image_files.files[path] = json ? config_json(path) : dockercfg(path);
    world.clock.advance(5min);
    EXPECT_THAT(found(), ElementsAre(path));
  }
}

TEST_F(NodeLogins, AreKeptForFiveMinutes) {
  EXPECT_THAT(found(), IsEmpty());
  world.image_files.files["/work/config.json"] = config_json("u");
  world.clock.advance(5min - 1s);
  EXPECT_THAT(found(), IsEmpty());
  world.clock.advance(1s);
  EXPECT_THAT(found(), ElementsAre("u"));
  world.image_files.log.clear();
  EXPECT_THAT(found(), ElementsAre("u"));
  EXPECT_THAT(world.image_files.log, IsEmpty());
}

TEST_F(NodeLogins, ComeFromTheNextFileWhenOneCannotBeUsed) {
  world.image_files.files["/var/lib/kubelet/config.json"] = "{";
  world.image_files.files["/work/config.json"] = R"({"auths":{"r.io":{"auth":"?"}}})";
  world.image_files.files["/home/.docker/config.json"] = config_json("home");
  EXPECT_THAT(found(), ElementsAre("home"));
}

TEST_F(NodeLogins, AreReadOnceForAllWhoAskTogether) {
  base::Gate gate(world.loop);
  auto first = std::make_shared<std::optional<std::shared_ptr<const Keyring>>>();
  auto second = std::make_shared<std::optional<std::shared_ptr<const Keyring>>>();
  base::spawn(gate, "first", base::internal::keep_result(node.keyring(), first));
  base::spawn(gate, "second", base::internal::keep_result(node.keyring(), second));
  EXPECT_TRUE(world.until([&] { return first->has_value() && second->has_value(); }, 1s));
  EXPECT_EQ(world.image_files.log.size(), 8u);
  EXPECT_EQ(**first, **second);
}

class Secrets : public ::testing::Test {
 protected:
  api::PodPtr pod(const std::vector<std::string>& names) {
    api::Pod out = make_wanted("u1");
    for (const std::string& name : names) out.mutable_spec()->add_imagepullsecrets()->set_name(name);
    return std::make_shared<const api::Pod>(out);
  }
  PullSecretsPtr fetch(const std::vector<std::string>& names) {
    return world.run(fetch_pull_secrets(&objects, &world.events, pod(names)));
  }

  World world;
  FakePodObjects objects;
};

TEST_F(Secrets, BecomeTheKeyringOfThePod) {
  objects.add_login("a", "r.io", "ua", "p");
  objects.add_login("b", "r.io/team", "ub", "p");
  api::core::Secret old;
  old.set_type("kubernetes.io/dockercfg");
  (*old.mutable_data())[".dockercfg"] = dockercfg("uc");
  objects.secrets["c"] = old;
  const auto secrets = fetch({"a", "b", "c", ""});
  ASSERT_NE(secrets, nullptr);
  ASSERT_TRUE(secrets->ok());
  const auto found = secrets->value().lookup("r.io/team/app");
  EXPECT_THAT(users(found), ElementsAre("ub", "ua", "uc"));
  EXPECT_EQ(found[0].origin.secret, (ObjectIdentity{"ns", "b", "uid-b"}));
  EXPECT_THAT(world.events.all, IsEmpty());
}

TEST_F(Secrets, AreNothingWhereThePodNamesNone) { EXPECT_EQ(fetch({}), nullptr); }

TEST_F(Secrets, OfAnotherTypeHoldNoLogins) {
  objects.add_login("a", "r.io", "u", "p");
  objects.secrets["a"].set_type("Opaque");
  objects.add_login("b", "r.io", "u", "p");
  objects.secrets["b"].clear_data();
  objects.add_login("c", "r.io", "u", "p");
  (*objects.secrets["c"].mutable_data())[".dockerconfigjson"] = "";
  const auto secrets = fetch({"a", "b", "c"});
  ASSERT_TRUE(secrets->ok());
  EXPECT_TRUE(secrets->value().empty());
}

TEST_F(Secrets, ThatAreMissingAreToldTogetherAndLeftOut) {
  objects.add_login("there", "r.io", "u", "p");
  const auto secrets = fetch({"gone", "there", "lost"});
  ASSERT_TRUE(secrets->ok());
  EXPECT_THAT(users(secrets->value().lookup("r.io/app")), ElementsAre("u"));
  EXPECT_THAT(world.events.texts(),
              ElementsAre("W FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone, lost); "
                          "attempting to pull the image may not succeed."));
}

TEST_F(Secrets, ThatCannotBeDecodedFailAll) {
  objects.add_login("good", "r.io", "u", "p");
  objects.add_login("bad", "r.io", "u", "hunter2");
  (*objects.secrets["bad"].mutable_data())[".dockerconfigjson"] = R"({"auths":{"r.io":{"auth":"hunter2"}}})";
  const auto secrets = fetch({"good", "bad"});
  ASSERT_FALSE(secrets->ok());
  EXPECT_EQ(secrets->error().to_string(),
            "pull secret ns/bad, key .dockerconfigjson: auths[\"r.io\"].auth: expected base64 of username:password");
}

TEST_F(Secrets, ComeBeforeTheNodesLogins) {
  NodeCredentials node(world.loop, world.clock, world.image_files, node_config_files("/root", "", ""), base::Logger());
  CredentialPlugins plugins(world.loop, world.clock, nullptr, objects, PluginSettings(), base::Logger());
  ImageCredentials credentials(objects, world.events, node, plugins);
  world.image_files.files["/root/config.json"] = config_json("node");
  objects.add_login("a", "*.io", "secret", "p");
  const auto all = world.run(credentials.find(pod({"a"}), fetch({"a"}), "r.io/app"));
  ASSERT_TRUE(all.ok());
  EXPECT_THAT(users(all.value()), ElementsAre("secret", "node"));
  EXPECT_FALSE(all.value()[1].origin.secret);
  EXPECT_THAT(users(world.run(credentials.find(pod({}), nullptr, "r.io/app")).value()), ElementsAre("node"));
  EXPECT_THAT(world.run(credentials.find(pod({}), nullptr, "s.io/app")).value(), IsEmpty());
  objects.secrets["a"].mutable_data()->at(".dockerconfigjson") = "{";
  EXPECT_FALSE(world.run(credentials.find(pod({"a"}), fetch({"a"}), "r.io/app")).ok());
}

}  // namespace
}  // namespace keelson::agent
