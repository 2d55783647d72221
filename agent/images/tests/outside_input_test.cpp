// Whatever is in secrets, files, plugins' answers and specs: an answer or an error, never more. Mutations of good texts
// come from a fixed seed, so that a failure repeats.
#include <gtest/gtest.h>

#include <random>

#include "agent/images/credential_plugin.hpp"
#include "agent/images/docker_config.hpp"
#include "agent/images/image_name.hpp"
#include "agent/images/keyring.hpp"
#include "agent/images/pull_record.hpp"

namespace keelson::agent {
namespace {

constexpr char kVersion[] = "credentialprovider.kubelet.k8s.io/v1";

std::string mutate(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t limit) {
    return static_cast<std::size_t>(random()) % std::max<std::size_t>(limit, 1);
  };
  constexpr char kMarks[] = "{}[]\",:/.@*?#=\\ \n01a\xff";
  for (std::size_t step = 0, steps = 1 + below(4); step < steps; ++step) {
    const std::size_t at = below(text.size() + 1);
    switch (below(4)) {
      case 0: text.insert(at, 1, kMarks[below(sizeof kMarks - 1)]); break;
      case 1: text.erase(at, 1 + below(8)); break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      default: text.resize(at); break;
    }
  }
  return text;
}

void use(const DockerConfig& config) {
  Keyring keyring;
  keyring.add({}, config);
  for (const char* image : {"r.io/team/app", "docker.io/library/busybox", "[::1]:5000/x", ""}) {
    for (const Credential& credential : keyring.lookup(image)) EXPECT_EQ(credential.hash.size(), 64u);
  }
}

void read(const std::string& text) {
  if (const auto config = parse_docker_config_json(text); config.ok()) use(config.value());
  if (const auto config = parse_dockercfg(text); config.ok()) use(config.value());
  if (const auto response = parse_plugin_response(text, kVersion); response.ok()) use(response.value().logins);
  (void)parse_pull_intent(text);
  if (const auto record = parse_pulled_record(text); record.ok()) {
    const auto again = parse_pulled_record(pulled_record_json(record.value()));
    ASSERT_TRUE(again.ok()) << text;
    EXPECT_EQ(pulled_record_json(again.value()), pulled_record_json(record.value())) << text;
  }
  if (const auto name = normal_repository(text); name.ok()) {
    EXPECT_EQ(normal_repository(name.value()).value(), name.value()) << text;
    EXPECT_EQ(normal_reference(normal_reference(text).value()).value(), normal_reference(text).value()) << text;
    EXPECT_TRUE(matches_image(name.value(), name.value())) << text;
    EXPECT_TRUE(with_default_tag(text).ok());
  }
  (void)matches_image(text, "r.io/team/app");
  (void)matches_image("*.io", text);
}

TEST(OutsideInput, IsReadOrRefused) {
  PulledRecord record;
  record.ref = "sha256:1";
  record.access["r.io/a"].everybody = true;
  record.access["r.io/b"].secrets = {{{"ns", "s", "u"}, "h"}};
  record.access["r.io/c"].accounts = {{"ns", "sa", "u"}};
  const std::string texts[] = {
      R"({"auths":{"https://r.io/v1/":{"auth":"dTpw"},"*.io:5000/x":{"username":"u","password":"p","email":"e"}}})",
      R"({"r.io":{"username":"u","password":"p"},"index.docker.io":{"auth":"dTpw"}})",
      plugin_request(kVersion, "r.io/app", PluginAccount{{}, {{"a", "b"}}, "t"}),
      R"({"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Image",)"
      R"("cacheDuration":"10m","auth":{"*.r.io":{"username":"u","password":"p"}}})",
      pull_intent_json("r.io/app:1"),
      pulled_record_json(record),
      "registry.example:5000/team/app:v1@sha256:" + std::string(64, 'a'),
      "busybox",
      "[::1]:5000/a/b:c",
  };
  std::mt19937 random(20260101);
  for (const std::string& text : texts) {
    read(text);
    for (int i = 0; i < 1000; ++i) read(mutate(text, random));
  }
}

}  // namespace
}  // namespace keelson::agent
