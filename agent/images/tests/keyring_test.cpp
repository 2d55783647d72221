#include "agent/images/keyring.hpp"
#include "base/sha256.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RegistryLogin login(const std::string& user, const std::string& password = "p") { return {user, password, ""}; }

std::vector<std::string> users(const std::vector<Credential>& credentials) {
  std::vector<std::string> out;
  out.reserve(credentials.size());
  for (const Credential& credential : credentials) out.push_back(credential.auth.username);
  return out;
}

TEST(DockerConfig, IsReadInBothForms) {
  struct Row {
    const char* text;
    RegistryLogin login;
  };
  const Row rows[] = {
      {R"({"username":"u","password":"p","email":"e@x"})", {"u", "p", "e@x"}},
      {R"({"auth":"dTpw"})", {"u", "p", ""}},
      {R"({"auth":"dXNlcjpw"})", {"user", "p", ""}},
      {R"({"auth":"dTpwOnE="})", {"u", "p:q", ""}},                          // only the first colon parts
      {R"({"auth":"dTpwOnE"})", {"u", "p:q", ""}},                           // without its padding
      {R"({"auth":"dTpw\n"})", {"u", "p", ""}},                              // broken over lines
      {R"({"username":"x","password":"y","auth":"dTpw"})", {"u", "p", ""}},  // auth is stronger
      {R"({"username":"u","password":"p","auth":""})", {"u", "p", ""}},      // an empty one says nothing
      {R"({"Username":"u","PASSWORD":"p"})", {"u", "p", ""}},                // names in any case
      {R"({"username":"u","identitytoken":"t","x":1})", {"u", "", ""}},      // tokens are not for the kubelet
      {R"({"auth":"Og=="})", {"", "", ""}},
      {"null", {"", "", ""}},
      {"{}", {"", "", ""}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto cfg = parse_dockercfg("{\"r.io\":" + std::string(row.text) + "}");
    ASSERT_TRUE(cfg.ok()) << cfg.error().to_string();
    EXPECT_THAT(cfg.value(), ElementsAre(std::pair(std::string("r.io"), row.login)));
    const auto json =
        parse_docker_config_json("{\"credsStore\":\"pass\",\"auths\":{\"r.io\":" + std::string(row.text) + "}}");
    ASSERT_TRUE(json.ok()) << json.error().to_string();
    EXPECT_EQ(json.value(), cfg.value());
  }
  EXPECT_THAT(parse_docker_config_json("{}").value(), IsEmpty());
  EXPECT_THAT(parse_docker_config_json("null").value(), IsEmpty());
  EXPECT_THAT(parse_docker_config_json("{\"auths\":null}").value(), IsEmpty());
  EXPECT_THAT(parse_dockercfg("{}").value(), IsEmpty());
}

TEST(DockerConfig, ErrorsNameTheEntryAndNotWhatItHolds) {
  struct Row {
    const char* auths;
    const char* error;
  };
  const Row rows[] = {
      {R"({"r.io":{"auth":"c2VjcmV0"}})", R"(auths["r.io"].auth: expected base64 of username:password)"},  // no colon
      {R"({"r.io":{"auth":"secret!"}})", R"(auths["r.io"].auth: expected base64 of username:password)"},
      {R"({"r.io":{"auth":["secret"]}})", R"(auths["r.io"].auth: expected a string)"},
      {R"({"r.io":{"password":5}})", R"(auths["r.io"].password: expected a string)"},
      {R"({"r.io":"secret"})", R"(auths["r.io"]: expected an object)"},
      {R"("secret")", "auths: expected an object of registries"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.auths);
    const auto config = parse_docker_config_json("{\"auths\":" + std::string(row.auths) + "}");
    ASSERT_FALSE(config.ok());
    EXPECT_EQ(config.error().to_string(), row.error);
    EXPECT_EQ(config.error().kind(), ErrorKind::invalid);
  }
  EXPECT_FALSE(parse_docker_config_json("[]").ok());
  EXPECT_FALSE(parse_dockercfg("5").ok());
  const auto broken = parse_dockercfg(R"({"r.io":{"password":"hunter2"},,)");
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(broken.error().to_string(), Not(HasSubstr("hunter2")));
}

TEST(MatchesImage, ByPortLabelsAndPath) {
  struct Row {
    const char* pattern;
    const char* image;
    bool matches;
  };
  const Row rows[] = {
      {"r.io", "r.io/a", true},
      {"r.io", "r.io/a/b", true},
      {"r.io", "s.io/a", false},
      {"*.r.io", "a.r.io/x", true},
      {"*.r.io", "r.io/x", false},  // as many labels
      {"*.r.io", "a.b.r.io/x", false},
      {"*.*.r.io", "a.b.r.io/x", true},
      {"a.*.io", "a.r.io/x", true},
      {"a.r.*", "a.r.io/x", true},
      {"*-good.r.io", "x-good.r.io/x", true},
      {"*-good.r.io", "good.r.io/x", false},
      {"k*.io", "quay.io/x", false},
      {"r?.io", "r1.io/x", false},  // a question mark begins a query, also in patterns
      {"a[bc].io", "ab.io/x", true},
      {"a[bc].io", "ad.io/x", false},
      {"r.io:5000", "r.io:5000/a", true},
      {"r.io:5000", "r.io/a", false},
      {"r.io", "r.io:5000/a", false},
      {"*.r.io:1/b", "a.r.io:1/b/c", true},
      {"*.r.io:1/b", "a.r.io:2/b/c", false},
      {"r.io/a", "r.io/a", true},
      {"r.io/a", "r.io/a/b", true},
      {"r.io/a", "r.io/ab", true},  // a prefix of text, not of parts
      {"r.io/a/", "r.io/ab", false},
      {"r.io/b", "r.io/a", false},
      {"r.io/*", "r.io/a", false},  // no globs in paths
      {"r.io/a:1111", "r.io/a", false},
      {"*.io:*", "r.io:5000/a", false},  // nor in ports
      {"localhost:5000", "localhost:5000/a", true},
      {"[::1]:5000", "[::1]:5000/a", true},
      {"[::1]", "[::1]:5000/a", false},
      {"*", "registry/a", true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(matches_image(row.pattern, row.image), row.matches) << row.pattern << " " << row.image;
  }
}

TEST(Keyring, StripsSchemeAndVersionFromItsKeys) {
  for (const char* key : {"r.io", "https://r.io", "http://r.io", "https://r.io/", "https://r.io/v1/", "r.io/v2/",
                          "https://r.io?x=y", "https://r.io#x"}) {
    SCOPED_TRACE(key);
    Keyring keyring;
    keyring.add({}, {{key, login("u")}});
    EXPECT_THAT(users(keyring.lookup("r.io/a")), ElementsAre("u"));
    EXPECT_THAT(keyring.lookup("s.io/a"), IsEmpty());
  }
  Keyring keyring;
  keyring.add({}, {{"https://r.io/v1/team", login("u")}});
  EXPECT_THAT(users(keyring.lookup("r.io/team/a")), ElementsAre("u"));
  EXPECT_THAT(keyring.lookup("r.io/other/a"), IsEmpty());
}

TEST(Keyring, IgnoresWhatIsNoLocation) {
  Keyring keyring;
  keyring.add({}, {{"", login("u")}, {"https://", login("u")}, {"a b", login("u")}});
  EXPECT_TRUE(keyring.empty());
}

TEST(Keyring, AnswersAllThatMatchLongestFirst) {
  Keyring keyring;
  keyring.add({}, {{"r.io", login("host")}, {"r.io/team", login("team")}, {"*.io", login("glob")}});
  keyring.add({}, {{"https://r.io/team/app", login("app")}, {"r.io", login("second")}, {"x.io", login("other")}});
  EXPECT_THAT(users(keyring.lookup("r.io/team/app")), ElementsAre("app", "team", "host", "second", "glob"));
  EXPECT_THAT(users(keyring.lookup("r.io/other")), ElementsAre("host", "second", "glob"));
}

TEST(Keyring, HasADefaultForTheHub) {
  Keyring keyring;
  keyring.add({}, {{"https://index.docker.io/v1/", login("hub")}});
  EXPECT_THAT(users(keyring.lookup("docker.io/library/busybox")), ElementsAre("hub"));
  EXPECT_THAT(users(keyring.lookup("index.docker.io/a/b")), ElementsAre("hub"));
  EXPECT_THAT(users(keyring.lookup("library/busybox")), ElementsAre("hub"));
  EXPECT_THAT(users(keyring.lookup("busybox")), ElementsAre("hub"));
  EXPECT_THAT(keyring.lookup("r.io/a"), IsEmpty());
  EXPECT_THAT(keyring.lookup("registry:5000/a"), IsEmpty());
  keyring.add({}, {{"docker.io", login("direct")}});
  EXPECT_THAT(users(keyring.lookup("docker.io/library/busybox")), ElementsAre("direct")) << "only when nothing matches";
}

TEST(Keyring, TellsWhoseACredentialIs) {
  Keyring keyring;
  CredentialOrigin origin;
  origin.secret = ObjectIdentity{"ns", "s", "uid"};
  keyring.add(origin, {{"r.io", login("u", "pw")}});
  const auto found = keyring.lookup("r.io/a");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].origin, origin);
  EXPECT_EQ(found[0].auth.password, "pw");
  EXPECT_EQ(found[0].hash, login_hash(login("u", "pw")));
}

// The hash names what the kubelet would have written of the same login.
TEST(LoginHash, IsThatOfTheAuthConfigsJson) {
  EXPECT_EQ(base::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(login_hash({"u", "p", "e"}), base::sha256_hex(R"({"username":"u","password":"p","email":"e"})"));
  EXPECT_EQ(login_hash({"u", "", ""}), base::sha256_hex(R"({"username":"u"})"));
  EXPECT_EQ(login_hash({"", "a<b&c\"", ""}), base::sha256_hex(R"({"password":"a\u003cb\u0026c\""})"));
  EXPECT_EQ(login_hash({}), base::sha256_hex("{}"));
}

}  // namespace
}  // namespace keelson::agent
