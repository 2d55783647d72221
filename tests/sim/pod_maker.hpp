// Pods of every kind, made at random.
//
// Pure but for the random source. Source: contract 02 §6.
#pragma once

#include <string>

#include "api/objects.hpp"
#include "base/backoff.hpp"

namespace keelson::sim {

// Feature gates of the cluster.
struct Gates {
  bool restart_rules = true;  // ContainerRestartRules
  bool restarts_all = true;   // RestartAllContainersOnContainerExits
};
// The pod without what the gates switch off: what an API server keeps of it, and what an agent heeds of a manifest.
api::Pod gated(api::Pod pod, const Gates& gates);

// A pod for the API server, bound to the node, not yet defaulted.
api::Pod make_api_pod(const std::string& name, base::Random& random);
// The same for a manifest: nothing that needs the API.
api::Pod make_static_pod(const std::string& name, base::Random& random);
// A plain pod that no fault is aimed at.
api::Pod make_control_pod(const std::string& name);
// An image that only this login may pull; a pod that has it names the Secret.
inline constexpr char kPrivateImage[] = "registry.test/app:1";
inline constexpr char kLogin[] = "login";
// The same, with an image whose pull hangs.
inline constexpr char kHangingImage[] = "image:hangs";
api::Pod make_late_pod(const std::string& name);

}  // namespace keelson::sim
