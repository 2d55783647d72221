// ImagePuller: makes sure that the image of a container is on the node, by its pull policy.
//
// One for the agent. ensure() answers the image's reference, or why there is none: a waiting reason and message as the
// API shows them. Pulls run one at a time or in parallel under a cap (serializeImagePulls, maxParallelImagePulls),
// within registryPullQPS/registryBurst; a failed pull is not tried again before its back-off has passed (10 s, doubled
// to 300 s, per pod and image, forgotten 600 s after the last failure). Thread: the loop. Stops: the awaiting task's
// cancellation gives up its place and its pull. Source: contract 02 §16.1, §7. Credentials (§16.2) and pull records
// (§16.3) are not here yet: pulls are anonymous.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/status/status.hpp"
#include "agent/sync/events.hpp"
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/sync.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

struct ImagePullLimits {
  std::size_t parallel = 1;  // pulls at a time; SIZE_MAX = no limit
  double qps = 5;            // 0 = no limit
  int burst = 10;
  base::Duration backoff_first = std::chrono::seconds(10);
  base::Duration backoff_cap = std::chrono::seconds(300);
};

struct ImageRequest {
  const api::Pod* pod = nullptr;  // outlives the call
  std::string field_path;         // of the container, for events
  std::string image;              // as in the spec
  std::string policy;             // Always, IfNotPresent, Never
  cri::PodSandboxConfig sandbox;
  cri::StringMap annotations;  // the pod's
};

struct EnsuredImage {
  std::string ref;                  // what the container is created from
  std::optional<std::int64_t> uid;  // the image's default user
  std::string username;
};

// Either the image or why not; `retry_at` is set while in back-off.
struct ImageOutcome {
  std::optional<EnsuredImage> image;
  WaitingReason failure;
  std::optional<base::SteadyTime> retry_at;
};

class ImagePuller {
 public:
  ImagePuller(base::Loop& loop, base::Clock& clock, cri::ImageService& images, EventRecorder& events,
              ImagePullLimits limits);

  base::Task<ImageOutcome> ensure(ImageRequest request);
  // Drops back-off entries long past.
  void forget_old();
  std::size_t pulling() const { return pulling_; }
  std::size_t queued() const { return slots_.waiting(); }

 private:
  struct Failure {
    base::Duration delay{};
    base::SteadyTime last{};
    std::string text;  // "ErrImagePull: rpc error ..."
  };
  using Key = std::pair<std::string, std::string>;  // pod UID, image

  base::Task<ImageOutcome> pull(ImageRequest request, std::string name);
  bool take_token();
  void note_failure(const Key& key, const std::string& text);
  void event(const ImageRequest& request, bool warning, std::string reason, std::string message);

  base::Clock& clock_;
  cri::ImageService& images_;
  EventRecorder& events_;
  ImagePullLimits limits_;
  base::Semaphore slots_;
  double tokens_;
  base::SteadyTime tokens_at_;
  std::size_t pulling_ = 0;
  std::map<Key, Failure> failures_;
};

}  // namespace keelson::agent
