#include "agent/images/image_puller.hpp"

#include <algorithm>
#include <iterator>

#include "agent/images/image_name.hpp"
#include "agent/sync/containers.hpp"
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

// The image may be there nevertheless.
bool is_unsure(const Error& error) {
  return error.kind() == ErrorKind::maybe_applied || error.kind() == ErrorKind::cancelled ||
         error.kind() == ErrorKind::deadline_exceeded;
}

// One error as it is; several, each text once, as "[a, b]".
Error joined(const std::vector<Error>& errors) {
  std::vector<std::string> texts;
  for (const Error& error : errors) {
    std::string text = error.to_string();
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
  }
  if (texts.size() == 1) return errors.front();
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  const auto unsure = std::find_if(errors.begin(), errors.end(), is_unsure);
  return Error((unsure == errors.end() ? errors.back() : *unsure).kind(), "[" + all + "]");
}

}  // namespace

std::string_view to_string(PullProgress::State state) {
  switch (state) {
    case PullProgress::State::preparing: return "preparing";
    case PullProgress::State::queued: return "queued";
    case PullProgress::State::pulling: break;
  }
  return "pulling";
}

// An entry in the list of what is under way.
class ImagePuller::Watched {
 public:
  Watched(ImagePuller& owner, const ImageRequest& request) : owner_(owner) {
    PullProgress entry;
    entry.pod_uid = request.pod->metadata().uid();
    entry.pod = pod_path(*request.pod);
    entry.used_by = request.used_by;
    entry.image = request.image;
    entry.since = owner.clock_.steady_now();
    owner.progress_.push_back(std::move(entry));
    entry_ = std::prev(owner.progress_.end());
  }
  ~Watched() { owner_.progress_.erase(entry_); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  void is(PullProgress::State state) {
    entry_->state = state;
    entry_->since = owner_.clock_.steady_now();
    owner_.progress_.splice(owner_.progress_.end(), owner_.progress_, entry_);
  }

 private:
  ImagePuller& owner_;
  std::list<PullProgress>::iterator entry_;
};

ImagePuller::ImagePuller(base::Loop& loop, base::Clock& clock, cri::ImageService& images, ImageCredentials& credentials,
                         PullRecords& records, EventRecorder& events, ImagePullLimits limits)
    : clock_(clock),
      images_(images),
      credentials_(credentials),
      records_(records),
      events_(events),
      limits_(limits),
      slots_(loop, limits.parallel),
      tokens_(limits.burst),
      tokens_at_(clock.steady_now()) {}

std::size_t ImagePuller::pulling() const {
  return static_cast<std::size_t>(std::count_if(progress_.begin(), progress_.end(), [](const PullProgress& entry) {
    return entry.state == PullProgress::State::pulling;
  }));
}

void ImagePuller::event(const ImageRequest& request, bool warning, std::string reason, std::string message) {
  events_.record(*request.pod, {warning, std::move(reason), std::move(message), request.field_path});
}

base::Task<ImageOutcome> ImagePuller::ensure(ImageRequest asked) {
  const auto request = std::make_shared<const ImageRequest>(std::move(asked));
  const CredentialsPtr unknown;
  auto name = with_default_tag(request->image);
  if (!name.ok()) {
    const std::string text =
        "Failed to apply default image tag " + quoted(request->image) + ": " + name.error().message();
    event(*request, true, "InspectFailed", text);
    co_return failed("InvalidImageName", text);
  }
  if (request->policy == "Always") {
    metrics_.requested(request->policy, std::nullopt, true);
    auto outcome = co_await pull(request, *name, unknown);
    co_return outcome;
  }
  cri::ImageSpec spec;
  spec.image = *name;
  spec.annotations = request->annotations;
  auto found = co_await images_.image_status(spec);
  if (!found.ok()) {
    const std::string text = "Failed to inspect image " + quoted(*name) + ": " + found.error().to_string();
    event(*request, true, "InspectFailed", text);
    co_return failed("ImageInspectError", text);
  }
  if (found->has_value()) {
    auto outcome = co_await use_present(request, *name, **found);
    co_return outcome;
  }
  if (request->policy == "Never") {
    metrics_.requested(request->policy, false, std::nullopt);
    co_return not_present(*request);
  }
  metrics_.requested(request->policy, false, true);
  auto outcome = co_await pull(request, *name, unknown);
  co_return outcome;
}

// --- An image that is there ---

ImageOutcome ImagePuller::present(const ImageRequest& request, const cri::Image& image) {
  event(request, false, "Pulled",
        "Container image " + quoted(request.image) + " already present on machine" +
            (records_.enabled() ? " and can be accessed by the pod" : ""));
  ImageOutcome outcome;
  outcome.image = EnsuredImage{image.id, image.uid, image.username};
  metrics_.requested(request.policy, true, false);
  return outcome;
}

ImageOutcome ImagePuller::not_present(const ImageRequest& request) {
  const std::string text = "Container image " + quoted(request.image) + " is not present with pull policy of Never";
  event(request, true, "ErrImageNeverPull", text);
  return failed("ErrImageNeverPull", text);
}

// An image that is there may be another pod's alone; to this pod it is then as one that is not there.
base::Task<ImageOutcome> ImagePuller::use_present(RequestPtr request, std::string name, cri::Image image) {
  CredentialsPtr credentials;
  const Verdict verdict = co_await records_.ask(request->image, image.id);
  if (verdict == Verdict::open) co_return present(*request, image);
  if (verdict == Verdict::by_name) {
    auto found = co_await find_credentials(request);
    if (!found.ok()) {
      metrics_.requested(request->policy, true, std::nullopt);
      co_return not_begun(*request, found.error().to_string());
    }
    credentials = *found;
    if (records_.admits(request->image, image.id, *credentials)) co_return present(*request, image);
  }
  metrics_.requested(request->policy, true, true);
  if (request->policy == "Never") co_return not_present(*request);
  auto outcome = co_await pull(request, name, credentials);
  co_return outcome;
}

// --- Pulls ---

base::Task<Result<ImagePuller::CredentialsPtr>> ImagePuller::find_credentials(RequestPtr request) {
  auto repository = normal_repository(request->image);
  if (!repository.ok()) co_return repository.error();
  auto found = co_await credentials_.find(request->pod, request->secrets, *repository);
  if (!found.ok()) co_return found.error();
  co_return std::make_shared<const Credentials>(std::move(*found));
}

// What keeps a pull from being tried at all: it is tried again with the next sync, without back-off.
ImageOutcome ImagePuller::not_begun(const ImageRequest& request, const std::string& message) {
  event(request, true, "Failed", "Failed to pull image " + quoted(request.image) + ": " + message);
  return failed("ErrImagePull", message);
}

std::optional<ImageOutcome> ImagePuller::backed_off(const ImageRequest& request, const Key& key) {
  const auto found = failures_.find(key);
  if (found == failures_.end()) return std::nullopt;
  const base::SteadyTime retry_at = found->second.last + found->second.delay;
  if (clock_.steady_now() >= retry_at) return std::nullopt;
  const std::string text = "Back-off pulling image " + quoted(request.image);
  event(request, false, "BackOff", text);
  ImageOutcome outcome = failed("ImagePullBackOff", text + ": " + found->second.text);
  outcome.retry_at = retry_at;
  return outcome;
}

base::Task<ImageOutcome> ImagePuller::pull(RequestPtr request, std::string name, CredentialsPtr credentials) {
  const Key key{request->pod->metadata().uid(), name};
  if (auto waiting = backed_off(*request, key)) co_return std::move(*waiting);
  Watched watched(*this, *request);
  if (credentials == nullptr) {
    auto found = co_await find_credentials(request);
    if (!found.ok()) co_return not_begun(*request, found.error().to_string());
    credentials = *found;
  }
  auto intent = co_await records_.intend(request->image);
  if (!intent.ok()) {
    co_return not_begun(*request, "Failed to record image pull intent for container image " + quoted(request->image) +
                                      ": " + intent.error().to_string());
  }
  event(*request, false, "Pulling", "Pulling image " + quoted(request->image));
  const base::SteadyTime asked = clock_.steady_now();
  watched.is(PullProgress::State::queued);
  auto slot = co_await slots_.acquire();
  watched.is(PullProgress::State::pulling);
  const base::SteadyTime begun = clock_.steady_now();
  intent->asked();
  auto pulled = co_await try_credentials(request, name, credentials);
  slot.release();
  if (!pulled.ok() && !is_unsure(pulled.error())) intent->refused();
  if (!pulled.ok()) co_return pull_failed(*request, key, pulled.error().to_string());
  failures_.erase(key);
  intent->pulled(pulled->ref, pulled->credential);
  const base::SteadyTime now = clock_.steady_now();
  if (listener_) listener_(key.first, asked, now);
  auto outcome = co_await describe(request, pulled->ref, now - begun, now - asked);
  co_return outcome;
}

// Each in turn; without any, one anonymous call.
base::Task<Result<ImagePuller::Pulled>> ImagePuller::try_credentials(RequestPtr request, std::string name,
                                                                     CredentialsPtr credentials) {
  cri::ImageSpec spec;
  spec.image = name;
  spec.annotations = request->annotations;
  std::vector<Error> errors;
  Pulled pulled;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, credentials->size()); ++i) {
    std::optional<cri::AuthConfig> auth;
    pulled.credential = i < credentials->size() ? &(*credentials)[i] : nullptr;
    if (pulled.credential != nullptr) auth = pulled.credential->auth;
    if (!take_token()) {
      errors.push_back(Error(ErrorKind::exhausted, "pull QPS exceeded"));
      continue;
    }
    auto ref = co_await images_.pull_image(spec, auth, request->sandbox);
    if (ref.ok()) {
      pulled.ref = std::move(*ref);
      co_return pulled;
    }
    errors.push_back(ref.error());
  }
  co_return joined(errors);
}

ImageOutcome ImagePuller::pull_failed(const ImageRequest& request, const Key& key, const std::string& text) {
  std::string reason = "ErrImagePull";
  std::string message = text;
  if (text.starts_with("RegistryUnavailable")) {
    reason = "RegistryUnavailable";
    message = "image pull failed for " + request.image + " because the registry is unavailable: " + text;
  } else if (text.starts_with("SignatureValidationFailed")) {
    reason = "SignatureValidationFailed";
    message = "image pull failed for " + request.image + " because the signature validation failed: " + text;
  }
  event(request, true, "Failed", "Failed to pull image " + quoted(request.image) + ": " + text);
  note_failure(key, reason + ": " + message);
  return failed(reason, message);
}

// What the runtime says of the image that it has now.
base::Task<ImageOutcome> ImagePuller::describe(RequestPtr request, std::string ref, base::Duration pulling,
                                               base::Duration all) {
  cri::ImageSpec by_ref;
  by_ref.image = ref;
  auto described = co_await images_.image_status(by_ref);
  ImageOutcome outcome;
  outcome.image = EnsuredImage{ref, std::nullopt, ""};
  std::uint64_t size = 0;
  if (described.ok() && described->has_value()) {
    const cri::Image& image = **described;
    outcome.image->uid = image.uid;
    outcome.image->username = image.username;
    size = image.size;
  }
  metrics_.pulls[{image_size_label(size)}].observe(all);
  event(*request, false, "Pulled",
        "Successfully pulled image " + quoted(request->image) + " in " + in_milliseconds(pulling) + " (" +
            in_milliseconds(all) + " including waiting). Image size: " + std::to_string(size) + " bytes.");
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
