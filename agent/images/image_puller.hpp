// ImagePuller: makes sure that an image is on the node and that this pod may use it, by its pull policy.
//
// One for the agent. ensure() answers the image's reference, or why there is none: a waiting reason and message as the
// API shows them. An image that is there is used at once, unless the records say that the pod must show credentials
// first. Pulls try each credential in turn, one pull at a time or in parallel under a cap (serializeImagePulls,
// maxParallelImagePulls), first come first served, within registryPullQPS/registryBurst; a failed pull is not tried
// again before its back-off has passed (10 s, doubled to 300 s, per pod and image, forgotten 600 s after the last
// failure). Who waits for a place holds nothing else, so a pull that hangs delays only pulls. Thread: the loop. Stops:
// the awaiting task's cancellation gives up its place and its pull. Source: contract 02 §16.1, §16.3, §7.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/images/image_credentials.hpp"
#include "agent/images/image_metrics.hpp"
#include "agent/images/pull_records.hpp"
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
  api::PodPtr pod;
  PullSecretsPtr secrets;  // the pod's
  std::string used_by;     // "container web", "volume data": for people
  std::string field_path;  // of the container, for events; empty for an image volume
  std::string image;       // as in the spec
  std::string policy;      // Always, IfNotPresent, Never
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

// One image that is being got, for `keelson ps` and explain.
struct PullProgress {
  enum class State { preparing, queued, pulling };  // preparing: credentials, and the record of the intent
  std::string pod_uid;
  std::string pod;      // "namespace/name"
  std::string used_by;  // "container web", "volume data"
  std::string image;    // as in the spec
  State state = State::preparing;
  base::SteadyTime since{};  // in this state
};

std::string_view to_string(PullProgress::State state);

class ImagePuller {
 public:
  ImagePuller(base::Loop& loop, base::Clock& clock, cri::ImageService& images, ImageCredentials& credentials,
              PullRecords& records, EventRecorder& events, ImagePullLimits limits);

  // The pod's own logins, for its requests.
  base::Task<PullSecretsPtr> secrets_of(api::PodPtr pod) { return credentials_.secrets_of(std::move(pod)); }
  base::Task<ImageOutcome> ensure(ImageRequest request);
  // Drops back-off entries long past.
  void forget_old();
  // Everything that is under way; of those that are queued the next one first.
  std::vector<PullProgress> progress() const { return {progress_.begin(), progress_.end()}; }
  std::size_t pulling() const;
  std::size_t queued() const { return slots_.waiting(); }

  ImageMetrics& metrics() { return metrics_; }
  const ImageMetrics& metrics() const { return metrics_; }
  // Called after each pull that succeeded, the time it waited for its turn included.
  using PullListener = std::function<void(const std::string& pod_uid, base::SteadyTime begun, base::SteadyTime ended)>;
  void on_pulled(PullListener listener) { listener_ = std::move(listener); }

 private:
  struct Failure {
    base::Duration delay{};
    base::SteadyTime last{};
    std::string text;  // "ErrImagePull: rpc error ..."
  };
  using Key = std::pair<std::string, std::string>;  // pod UID, image
  using RequestPtr = std::shared_ptr<const ImageRequest>;
  using Credentials = std::vector<Credential>;
  using CredentialsPtr = std::shared_ptr<const Credentials>;  // null: not looked for yet
  class Watched;
  // What trying the credentials came to.
  struct Pulled {
    std::string ref;
    const Credential* credential = nullptr;  // null: anonymous
  };

  base::Task<ImageOutcome> use_present(RequestPtr request, std::string name, cri::Image image);
  base::Task<Result<CredentialsPtr>> find_credentials(RequestPtr request);
  base::Task<ImageOutcome> pull(RequestPtr request, std::string name, CredentialsPtr credentials);
  base::Task<Result<Pulled>> try_credentials(RequestPtr request, std::string name, CredentialsPtr credentials);
  base::Task<ImageOutcome> describe(RequestPtr request, std::string ref, base::Duration pulling, base::Duration all);
  std::optional<ImageOutcome> backed_off(const ImageRequest& request, const Key& key);
  ImageOutcome present(const ImageRequest& request, const cri::Image& image);
  ImageOutcome not_present(const ImageRequest& request);
  ImageOutcome not_begun(const ImageRequest& request, const std::string& message);
  ImageOutcome pull_failed(const ImageRequest& request, const Key& key, const std::string& text);
  bool take_token();
  void note_failure(const Key& key, const std::string& text);
  void event(const ImageRequest& request, bool warning, std::string reason, std::string message);

  base::Clock& clock_;
  cri::ImageService& images_;
  ImageCredentials& credentials_;
  PullRecords& records_;
  EventRecorder& events_;
  ImagePullLimits limits_;
  base::Semaphore slots_;
  double tokens_;
  base::SteadyTime tokens_at_;
  std::list<PullProgress> progress_;
  std::map<Key, Failure> failures_;
  ImageMetrics metrics_;
  PullListener listener_;
};

}  // namespace keelson::agent
