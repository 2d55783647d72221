// What the configuration, the flags and our environment say about pulling images.
//
// Pure but for the environment and the working directory, which are those of the process. Source: contract 01 §2.3,
// §2.6; contract 02 §16.
#pragma once

#include "agent/images/credential_plugins.hpp"
#include "agent/images/image_puller.hpp"
#include "agent/images/node_credentials.hpp"
#include "agent/images/pull_record.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

ImagePullLimits pull_limits(const config::KubeletConfiguration& kubelet);
PullVerification pull_verification(const config::KubeletConfiguration& kubelet);
PluginSettings plugin_settings(const config::Configuration& configuration);
NodeConfigFiles node_logins(const config::Configuration& configuration);

}  // namespace keelson::agent
