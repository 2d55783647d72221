#include "agent/images/image_puller.hpp"

#include <algorithm>

#include "agent/images/image_name.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

constexpr auto kForgetAfter = std::chrono::seconds(600);

ImageOutcome failed(std::string reason, std::string message) {
  ImageOutcome outcome;
  outcome.failure = {std::move(reason), std::move(message)};
  return outcome;
}

std::string quoted(const std::string& image) { return "\"" + image + "\""; }

std::string in_milliseconds(base::Duration duration) {
  return base::format_duration(std::chrono::floor<std::chrono::milliseconds>(duration));
}

bool starts_with(const std::string& text, std::string_view head) { return text.rfind(head, 0) == 0; }

}  // namespace

ImagePuller::ImagePuller(base::Loop& loop, base::Clock& clock, cri::ImageService& images, EventRecorder& events,
                         ImagePullLimits limits)
    : clock_(clock),
      images_(images),
      events_(events),
      limits_(limits),
      slots_(loop, limits.parallel),
      tokens_(limits.burst),
      tokens_at_(clock.steady_now()) {}

void ImagePuller::event(const ImageRequest& request, bool warning, std::string reason, std::string message) {
  events_.record(*request.pod, {warning, std::move(reason), std::move(message), request.field_path});
}

base::Task<ImageOutcome> ImagePuller::ensure(ImageRequest request) {
  auto name = with_default_tag(request.image);
  if (!name.ok()) {
    event(request, true, "InspectFailed",
          "Failed to apply default image tag " + quoted(request.image) + ": " + name.error().message());
    co_return failed("InvalidImageName",
                     "Failed to apply default image tag " + quoted(request.image) + ": " + name.error().message());
  }
  if (request.policy == "Always") {
    auto outcome = co_await pull(std::move(request), std::move(*name));
    co_return outcome;
  }
  cri::ImageSpec spec;
  spec.image = *name;
  spec.annotations = request.annotations;
  auto present = co_await images_.image_status(spec);
  if (!present.ok()) {
    const std::string text = "Failed to inspect image " + quoted(*name) + ": " + present.error().to_string();
    event(request, true, "InspectFailed", text);
    co_return failed("ImageInspectError", text);
  }
  if (present->has_value()) {
    event(request, false, "Pulled",
          "Container image " + quoted(request.image) + " already present on machine and can be accessed by the pod");
    const cri::Image& image = **present;
    ImageOutcome outcome;
    outcome.image = EnsuredImage{image.id, image.uid, image.username};
    co_return outcome;
  }
  if (request.policy == "Never") {
    const std::string text = "Container image " + quoted(request.image) + " is not present with pull policy of Never";
    event(request, true, "ErrImageNeverPull", text);
    co_return failed("ErrImageNeverPull", text);
  }
  auto outcome = co_await pull(std::move(request), std::move(*name));
  co_return outcome;
}

base::Task<ImageOutcome> ImagePuller::pull(ImageRequest request, std::string name) {
  const Key key{request.pod->metadata().uid(), name};
  if (const auto found = failures_.find(key); found != failures_.end()) {
    const base::SteadyTime retry_at = found->second.last + found->second.delay;
    if (clock_.steady_now() < retry_at) {
      const std::string text = "Back-off pulling image " + quoted(request.image);
      event(request, false, "BackOff", text);
      ImageOutcome outcome = failed("ImagePullBackOff", text + ": " + found->second.text);
      outcome.retry_at = retry_at;
      co_return outcome;
    }
  }
  event(request, false, "Pulling", "Pulling image " + quoted(request.image));
  const base::SteadyTime asked = clock_.steady_now();
  if (!take_token()) {
    note_failure(key, "ErrImagePull: pull QPS exceeded");
    event(request, true, "Failed", "Failed to pull image " + quoted(request.image) + ": pull QPS exceeded");
    co_return failed("ErrImagePull", "pull QPS exceeded");
  }
  auto slot = co_await slots_.acquire();
  const base::SteadyTime begun = clock_.steady_now();
  ++pulling_;
  struct Count {
    std::size_t& value;
    ~Count() { --value; }
  } count{pulling_};
  cri::ImageSpec spec;
  spec.image = name;
  spec.annotations = request.annotations;
  auto ref = co_await images_.pull_image(spec, std::nullopt, request.sandbox);
  slot.release();
  if (!ref.ok()) {
    const std::string text = ref.error().to_string();
    std::string reason = "ErrImagePull";
    std::string message = text;
    if (starts_with(text, "RegistryUnavailable")) {
      reason = "RegistryUnavailable";
      message = "image pull failed for " + request.image + " because the registry is unavailable: " + text;
    } else if (starts_with(text, "SignatureValidationFailed")) {
      reason = "SignatureValidationFailed";
      message = "image pull failed for " + request.image + " because the signature validation failed: " + text;
    }
    event(request, true, "Failed", "Failed to pull image " + quoted(request.image) + ": " + text);
    note_failure(key, reason + ": " + message);
    co_return failed(reason, message);
  }
  failures_.erase(key);
  const base::Duration pulled_in = clock_.steady_now() - begun;
  const base::Duration altogether = clock_.steady_now() - asked;
  cri::ImageSpec by_ref;
  by_ref.image = *ref;
  auto described = co_await images_.image_status(by_ref);
  ImageOutcome outcome;
  outcome.image = EnsuredImage{*ref, std::nullopt, ""};
  std::uint64_t size = 0;
  if (described.ok() && described->has_value()) {
    const cri::Image& image = **described;
    outcome.image->uid = image.uid;
    outcome.image->username = image.username;
    size = image.size;
  }
  event(request, false, "Pulled",
        "Successfully pulled image " + quoted(request.image) + " in " + in_milliseconds(pulled_in) + " (" +
            in_milliseconds(altogether) + " including waiting). Image size: " + std::to_string(size) + " bytes.");
  co_return outcome;
}

void ImagePuller::note_failure(const Key& key, const std::string& text) {
  Failure& failure = failures_[key];
  const base::SteadyTime now = clock_.steady_now();
  const bool fresh = failure.delay == base::Duration::zero() || now - failure.last > kForgetAfter;
  failure.delay = fresh ? limits_.backoff_first : std::min(failure.delay * 2, limits_.backoff_cap);
  failure.last = now;
  failure.text = text;
}

bool ImagePuller::take_token() {
  if (limits_.qps <= 0) return true;
  const base::SteadyTime now = clock_.steady_now();
  const double seconds = std::chrono::duration<double>(now - tokens_at_).count();
  tokens_ = std::min(static_cast<double>(limits_.burst), tokens_ + seconds * limits_.qps);
  tokens_at_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void ImagePuller::forget_old() {
  const base::SteadyTime now = clock_.steady_now();
  std::erase_if(failures_, [&](const auto& entry) { return now - entry.second.last > kForgetAfter; });
}

}  // namespace keelson::agent
