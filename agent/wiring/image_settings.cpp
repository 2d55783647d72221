#include "agent/wiring/image_settings.hpp"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "kube-client/environment_proxy.hpp"

namespace keelson::agent {

ImagePullLimits pull_limits(const config::KubeletConfiguration& kubelet) {
  ImagePullLimits limits;
  limits.parallel = 1;
  if (!kubelet.serialize_image_pulls) {
    limits.parallel =
        kubelet.max_parallel_image_pulls ? static_cast<std::size_t>(*kubelet.max_parallel_image_pulls) : SIZE_MAX;
  }
  limits.qps = kubelet.registry_pull_qps;
  limits.burst = kubelet.registry_burst;
  return limits;
}

PullVerification pull_verification(const config::KubeletConfiguration& kubelet) {
  PullVerification verification;
  const auto policy = verification_policy(kubelet.image_pull_credentials_verification_policy);
  KEELSON_CHECK(policy && "the configuration was validated");
  verification.policy = *policy;
  verification.allowlist = kubelet.preloaded_images_verification_allowlist;
  return verification;
}

PluginSettings plugin_settings(const config::Configuration& configuration) {
  PluginSettings settings;
  settings.providers = configuration.credential_providers;
  settings.directory = configuration.flags.image_credential_provider_bin_dir;
  settings.environment = kube::process_environment();
  return settings;
}

NodeConfigFiles node_logins(const config::Configuration& configuration) {
  std::error_code failed;
  const auto directory = std::filesystem::current_path(failed);
  const char* home = std::getenv("HOME");
  return node_config_files(configuration.flags.root_dir, failed ? "" : directory.string(), home == nullptr ? "" : home);
}

}  // namespace keelson::agent
