// ImageCredentials: every login that a pod may try for an image: its pull secrets', the node's, the plugins', in this
// order.
//
// Owner: PodEngine. Thread: the loop. Stops: with the tasks that await it. What fails: a pull secret that cannot be
// decoded, before anything else is asked. Source: contract 02 §16.2.
#pragma once

#include <string>
#include <vector>

#include "agent/images/credential_plugins.hpp"
#include "agent/images/node_credentials.hpp"
#include "agent/images/pull_secrets.hpp"

namespace keelson::agent {

class ImageCredentials {
 public:
  ImageCredentials(PodObjects& objects, EventRecorder& events, NodeCredentials& node, CredentialPlugins& plugins)
      : objects_(objects), events_(events), node_(node), plugins_(plugins) {}

  base::Task<PullSecretsPtr> secrets_of(api::PodPtr pod) {
    return fetch_pull_secrets(&objects_, &events_, std::move(pod));
  }
  base::Task<Result<std::vector<Credential>>> find(api::PodPtr pod, PullSecretsPtr secrets, std::string repository);

 private:
  PodObjects& objects_;
  EventRecorder& events_;
  NodeCredentials& node_;
  CredentialPlugins& plugins_;
};

}  // namespace keelson::agent
