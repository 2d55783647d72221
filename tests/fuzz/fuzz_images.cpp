// What decides who may use an image: docker configs of secrets and of the node, a credential plugin's answer, the files
// of pull records, and names of images. All share the input; each is read or refused, and what was read is written back
// as the same.
#include <string>

#include "agent/images/credential_plugin.hpp"
#include "agent/images/docker_config.hpp"
#include "agent/images/image_name.hpp"
#include "agent/images/keyring.hpp"
#include "agent/images/pull_record.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson::agent;

constexpr char kVersion[] = "credentialprovider.kubelet.k8s.io/v1";

void look_up(const DockerConfig& config) {
  Keyring keyring;
  keyring.add({}, config);
  for (const char* image : {"r.io/team/app", "docker.io/library/busybox", "[::1]:5000/x", ""}) {
    for (const Credential& credential : keyring.lookup(image)) KEELSON_CHECK(credential.hash.size() == 64);
  }
}

void check_record(std::string_view text) {
  const auto record = parse_pulled_record(text);
  if (!record.ok()) return;
  const std::string written = pulled_record_json(*record);
  const auto again = parse_pulled_record(written);
  KEELSON_CHECK(again.ok() && pulled_record_json(*again) == written);
  for (const auto& [repository, access] : record->access) {
    // A record that opens an image to everybody, and only such a one, needs no credentials.
    KEELSON_CHECK((verdict_of(&*record, repository) == Verdict::open) == access.everybody);
    KEELSON_CHECK(access.everybody || admitting(*record, repository, {}) == nullptr);
  }
}

void check_name(std::string_view text) {
  const auto repository = normal_repository(text);
  KEELSON_CHECK(repository.ok() == with_default_tag(text).ok());
  if (!repository.ok()) return;
  KEELSON_CHECK(normal_repository(*repository).value_or("") == *repository);
  const auto reference = normal_reference(text);
  KEELSON_CHECK(reference.ok() && normal_reference(*reference).value_or("") == *reference);
  KEELSON_CHECK(matches_image(*repository, *repository));
}

}  // namespace

KEELSON_FUZZ_ENTRY(keelson_fuzz_images) {
  if (const auto config = parse_docker_config_json(input); config.ok()) look_up(*config);
  if (const auto config = parse_dockercfg(input); config.ok()) look_up(*config);
  if (const auto response = parse_plugin_response(input, kVersion); response.ok()) look_up(response->logins);
  if (const auto image = parse_pull_intent(input); image.ok()) {
    const auto again = parse_pull_intent(pull_intent_json(*image));
    KEELSON_CHECK(again.ok() && pull_intent_json(*again) == pull_intent_json(*image));
  }
  check_record(input);
  check_name(input);
  (void)matches_image(input, "r.io/team/app");
  (void)matches_image("*.io", input);
}
