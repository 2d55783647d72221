#include "agent/objects/volume_payload.hpp"

#include <gtest/gtest.h>

#include "api/json_codec.hpp"

namespace keelson::agent {
namespace {

api::core::Volume volume_of(const std::string& json) {
  api::core::Volume volume;
  auto node = api::parse_json(json);
  EXPECT_TRUE(node.ok());
  const Status read = api::decode(*node, volume);
  EXPECT_TRUE(read.ok()) << json;
  return volume;
}

api::Pod pod_of() {
  api::Pod pod;
  pod.mutable_metadata()->set_name("p");
  pod.mutable_metadata()->set_uid("u");
  (*pod.mutable_metadata()->mutable_labels())["l"] = "1";
  auto& container = *pod.mutable_spec()->add_containers();
  container.set_name("main");
  (*container.mutable_resources()->mutable_limits())["cpu"].set_string("1500m");
  return pod;
}

PayloadObjects objects_of() {
  auto map = std::make_shared<api::core::ConfigMap>();
  (*map->mutable_data())["a"] = "1";
  (*map->mutable_binarydata())["b"] = std::string("\0", 1);
  auto secret = std::make_shared<api::core::Secret>();
  (*secret->mutable_data())["a"] = "s";
  PayloadObjects objects;
  objects.config_maps.emplace("cm", std::shared_ptr<const api::core::ConfigMap>(map));
  objects.config_maps.emplace("gone", Error(ErrorKind::not_found, "configmap \"gone\" not found"));
  objects.config_maps.emplace("away", Error(ErrorKind::unavailable, "failed to sync configmap cache"));
  objects.secrets.emplace("se", std::shared_ptr<const api::core::Secret>(secret));
  objects.tokens.emplace(TokenNeed{"", 3607}, std::string("token"));
  return objects;
}

// "path=content mode[ owner]" for each file, or the error.
std::string made(const std::string& json, const api::Pod& pod = pod_of()) {
  auto payload = make_payload(pod, volume_of(json).volumesource(), objects_of(), {});
  if (!payload.ok()) return "error: " + payload.error().to_string();
  std::string out;
  for (const auto& [path, file] : *payload) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", file.mode);
    out += (out.empty() ? "" : "; ") + path + "=" + (file.content == std::string("\0", 1) ? "NUL" : file.content) +
           " " + mode + (file.owner ? " " + std::to_string(*file.owner) : "");
  }
  return out;
}

TEST(VolumePayload, TakesKeysItemsAndModesAsTheyAreAskedFor) {
  struct Row {
    const char* volume;
    const char* files;
  };
  const Row rows[] = {
      {R"({"name":"v","configMap":{"name":"cm","defaultMode":420}})", "a=1 0644; b=NUL 0644"},
      {R"({"name":"v","configMap":{"name":"cm","defaultMode":420,"items":[{"key":"a","path":"x/y","mode":256}]}})",
       "x/y=1 0400"},
      {R"({"name":"v","configMap":{"name":"cm"}})",
       "error: no defaultMode used, not even the default value for it (configMap)"},
      {R"({"name":"v","configMap":{"name":"cm","defaultMode":420,"items":[{"key":"no","path":"x"}]}})",
       "error: configmap references non-existent config key: no"},
      {R"({"name":"v","configMap":{"name":"cm","optional":true,"defaultMode":420,"items":[{"key":"no","path":"x"}]}})",
       ""},
      {R"({"name":"v","configMap":{"name":"gone","defaultMode":420}})", "error: configmap \"gone\" not found"},
      {R"({"name":"v","configMap":{"name":"gone","optional":true,"defaultMode":420}})", ""},
      {R"({"name":"v","configMap":{"name":"away","optional":true,"defaultMode":420}})",
       "error: failed to sync configmap cache"},
      {R"({"name":"v","secret":{"secretName":"se","defaultMode":384}})", "a=s 0600"},
      {R"({"name":"v","secret":{"secretName":"se","defaultMode":384,"items":[{"key":"no","path":"x"}]}})",
       "error: references non-existent secret key: no"},
      {R"({"name":"v","downwardAPI":{"defaultMode":420,"items":[
          {"path":"n","fieldRef":{"fieldPath":"metadata.name"}},
          {"path":"c","mode":256,"resourceFieldRef":{"containerName":"main","resource":"limits.cpu"}}]}})",
       "c=2 0400; n=p 0644"},
      {R"({"name":"v","projected":{"defaultMode":420,"sources":[
          {"serviceAccountToken":{"path":"token","expirationSeconds":3607}},
          {"configMap":{"name":"cm","items":[{"key":"a","path":"ca"}]}},
          {"secret":{"name":"se","items":[{"key":"a","path":"ca"}]}}]}})",
       "ca=s 0644; token=token 0644"},
      {R"({"name":"v","projected":{"defaultMode":420,"sources":[
          {"configMap":{"name":"gone"}},{"secret":{"name":"se","items":[{"key":"no","path":"x"}]}}]}})",
       "error: [configmap \"gone\" not found, references non-existent secret key: no]"},
  };
  for (const Row& row : rows) EXPECT_EQ(made(row.volume), row.files) << row.volume;
}

TEST(VolumePayload, ATokenBelongsToTheUserThatAllContainersRunAs) {
  const char* token = R"({"name":"v","projected":{"defaultMode":420,"sources":[
      {"serviceAccountToken":{"path":"token","expirationSeconds":3607}}]}})";
  api::Pod pod = pod_of();
  pod.mutable_spec()->mutable_securitycontext()->set_runasuser(1000);
  EXPECT_EQ(made(token, pod), "token=token 0600 1000");
  pod.mutable_spec()->add_containers()->mutable_securitycontext()->set_runasuser(1001);
  EXPECT_EQ(made(token, pod), "token=token 0644") << "two users: nobody's";
  pod.mutable_spec()->mutable_securitycontext()->set_fsgroup(2000);
  EXPECT_EQ(made(token, pod), "token=token 0600") << "readable by the group, which is given later";
}

TEST(VolumePayload, TrustAnchorsAndCertificatesArePutUnderTheirPaths) {
  const auto source = volume_of(R"({"name":"v","projected":{"defaultMode":420,"sources":[
      {"clusterTrustBundle":{"name":"b","path":"anchors"}},
      {"podCertificate":{"signerName":"s","keyType":"ED25519","credentialBundlePath":"both","keyPath":"key",
                         "certificateChainPath":"chain"}},
      {"clusterTrustBundle":{"signerName":"s","path":"empty","optional":true}}]}})")
                          .volumesource();
  const PayloadNeeds needs = payload_needs(source);
  EXPECT_EQ(needs.trust_bundles, (std::vector<int>{0, 2}));
  EXPECT_EQ(needs.certificates, std::vector<int>{1});
  PayloadObjects objects;
  objects.trust_anchors.emplace(0, std::string("PEM"));
  objects.trust_anchors.emplace(2, std::string());
  objects.credentials.emplace(1, PodCredential{"KEY", "CHAIN"});
  api::Pod pod = pod_of();
  auto payload = make_payload(pod, source, objects, {});
  ASSERT_TRUE(payload.ok()) << payload.error().to_string();
  std::map<std::string, std::string> contents;
  for (const auto& [path, file] : *payload) {
    contents[path] = file.content;
    EXPECT_EQ(file.mode, 0644u);
  }
  EXPECT_EQ(contents,
            (std::map<std::string, std::string>{
                {"anchors", "PEM"}, {"both", "KEYCHAIN"}, {"key", "KEY"}, {"chain", "CHAIN"}, {"empty", ""}}));
  pod.mutable_spec()->mutable_securitycontext()->set_runasuser(1000);
  payload = make_payload(pod, source, objects, {});
  ASSERT_TRUE(payload.ok());
  for (const auto& [path, file] : *payload) {
    EXPECT_EQ(file.mode, 0600u) << path;
    EXPECT_EQ(file.owner, 1000) << path;
  }
  objects.credentials.clear();
  objects.credentials.emplace(1, Error(ErrorKind::unavailable, "credential bundle is not issued yet"));
  payload = make_payload(pod, source, objects, {});
  ASSERT_FALSE(payload.ok());
  EXPECT_EQ(payload.error().to_string(), "credential bundle is not issued yet");
}

TEST(VolumePayload, SaysWhatItNeeds) {
  const auto needs = payload_needs(volume_of(R"({"name":"v","projected":{"sources":[
      {"serviceAccountToken":{"path":"t","audience":"x"}},{"configMap":{"name":"m"}},{"secret":{"name":"s"}}]}})")
                                       .volumesource());
  EXPECT_EQ(needs.config_maps, std::set<std::string>{"m"});
  EXPECT_EQ(needs.secrets, std::set<std::string>{"s"});
  EXPECT_EQ(needs.tokens, (std::set<TokenNeed>{{"x", 3600}}));
}

}  // namespace
}  // namespace keelson::agent
