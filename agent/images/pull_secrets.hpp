// Pull secrets: the logins that a pod brings along by its imagePullSecrets.
//
// fetch_pull_secrets() reads them side by side; those that cannot be had are told as one event and left out. A secret
// that cannot be decoded makes the whole keyring an error, which names the secret and not what it holds. Thread: the
// loop. Stops: with the task. Source: contract 02 §5.1 step 8, §16.2, §22.2.
#pragma once

#include <memory>
#include <vector>

#include "agent/images/keyring.hpp"
#include "agent/sync/events.hpp"
#include "agent/sync/pod_objects.hpp"

namespace keelson::agent {

using SecretPtr = std::shared_ptr<const api::core::Secret>;

// Pure. Secrets of another type, or without the key of theirs, hold no logins.
Result<Keyring> keyring_of(const std::vector<SecretPtr>& secrets);

// What a pod's pull secrets came to; null where a pod has none.
using PullSecretsPtr = std::shared_ptr<const Result<Keyring>>;
base::Task<PullSecretsPtr> fetch_pull_secrets(PodObjects* objects, EventRecorder* events, api::PodPtr pod);

}  // namespace keelson::agent
