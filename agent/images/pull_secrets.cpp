#include "agent/images/pull_secrets.hpp"

#include "base/when_all.hpp"

namespace keelson::agent {
namespace {

using base::Task;

struct Form {
  const char* type;
  const char* key;
  Result<DockerConfig> (*parse)(std::string_view text);
};
constexpr Form kForms[] = {
    {"kubernetes.io/dockerconfigjson", ".dockerconfigjson", parse_docker_config_json},
    {"kubernetes.io/dockercfg", ".dockercfg", parse_dockercfg},
};

std::vector<std::string> secret_names(const api::Pod& pod) {
  std::vector<std::string> names;
  for (const auto& reference : pod.spec().imagepullsecrets()) {
    if (!reference.name().empty()) names.push_back(reference.name());
  }
  return names;
}

void tell_missing(EventRecorder& events, const api::Pod& pod, const std::vector<std::string>& missing) {
  std::string list;
  for (const std::string& name : missing) list += (list.empty() ? "" : ", ") + name;
  events.record(
      pod,
      {true, "FailedToRetrieveImagePullSecret",
       "Unable to retrieve some image pull secrets (" + list + "); attempting to pull the image may not succeed.", ""});
}

}  // namespace

Result<Keyring> keyring_of(const std::vector<SecretPtr>& secrets) {
  Keyring keyring;
  for (const SecretPtr& secret : secrets) {
    for (const Form& form : kForms) {
      const auto found = secret->data().find(form.key);
      if (secret->type() != form.type || found == secret->data().end() || found->second.empty()) continue;
      const auto& meta = secret->metadata();
      const auto config = form.parse(found->second);
      if (!config.ok()) {
        return Error(ErrorKind::invalid, "pull secret " + meta.namespace_() + "/" + meta.name() + ", key " + form.key +
                                             ": " + config.error().to_string());
      }
      CredentialOrigin origin;
      origin.secret = ObjectIdentity{meta.namespace_(), meta.name(), meta.uid()};
      keyring.add(origin, config.value());
    }
  }
  return keyring;
}

Task<PullSecretsPtr> fetch_pull_secrets(PodObjects* objects, EventRecorder* events, api::PodPtr pod) {
  const std::vector<std::string> names = secret_names(*pod);
  if (names.empty()) co_return nullptr;
  std::vector<Task<Result<SecretPtr>>> reads;
  for (const std::string& name : names) reads.push_back(objects->secret(pod, name));
  auto answers = co_await base::when_all(std::move(reads));
  std::vector<SecretPtr> secrets;
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (answers[i].ok()) {
      secrets.push_back(*answers[i]);
    } else {
      missing.push_back(names[i]);
    }
  }
  if (!missing.empty()) tell_missing(*events, *pod, missing);
  co_return std::make_shared<const Result<Keyring>>(keyring_of(secrets));
}

}  // namespace keelson::agent
