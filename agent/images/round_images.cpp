#include "agent/images/round_images.hpp"

#include <utility>

namespace keelson::agent {

ImageRequest RoundImages::request(const std::string& image, const std::string& policy,
                                  const cri::PodSandboxConfig& sandbox) const {
  ImageRequest out;
  out.pod = pod_;
  out.secrets = secrets_;
  out.image = image;
  out.policy = policy;
  out.sandbox = sandbox;
  out.annotations = sandbox.annotations;
  return out;
}

base::Task<void> RoundImages::prepare(cri::PodSandboxConfig sandbox) {
  if (std::exchange(prepared_, true)) co_return;
  secrets_ = co_await puller_.secrets_of(pod_);
  for (int i = 0; i < pod_->spec().volumes_size(); ++i) {
    const auto& volume = pod_->spec().volumes(i);
    if (!volume.volumesource().has_image()) continue;
    const auto& source = volume.volumesource().image();
    ImageRequest wanted = request(source.reference(), source.pullpolicy(), sandbox);
    wanted.used_by = "volume " + volume.name();
    journal_.waits_for("image " + source.reference() + " of volume " + volume.name());
    ++puller_.metrics().volumes_requested;
    auto outcome = co_await puller_.ensure(std::move(wanted));
    ++(outcome.image ? puller_.metrics().volumes_mounted : puller_.metrics().volume_errors);
    volumes_[volume.name()] = std::move(outcome);
  }
}

// The last of those that the container mounts, as the kubelet shows it.
const ImageOutcome* RoundImages::failed_volume(const api::core::Container& container) const {
  const ImageOutcome* failed = nullptr;
  for (const auto& mount : container.volumemounts()) {
    const auto found = volumes_.find(mount.name());
    if (found != volumes_.end() && !found->second.image) failed = &found->second;
  }
  return failed;
}

base::Task<ImageOutcome> RoundImages::for_container(ContainerRef ref, cri::PodSandboxConfig sandbox) {
  co_await prepare(sandbox);
  const api::core::Container container = container_of(*pod_, ref);
  if (const ImageOutcome* failed = failed_volume(container)) co_return *failed;
  ImageRequest wanted = request(container.image(), container.imagepullpolicy(), sandbox);
  wanted.used_by = "container " + container.name();
  wanted.field_path = field_path(*pod_, ref);
  journal_.waits_for("image " + container.image() + " of container " + container.name());
  auto outcome = co_await puller_.ensure(std::move(wanted));
  co_return outcome;
}

void RoundImages::add_volumes(ResolvedVolumes& volumes) const {
  for (const auto& volume : pod_->spec().volumes()) {
    const auto found = volumes_.find(volume.name());
    if (found == volumes_.end() || !found->second.image) continue;
    cri::ImageSpec image;
    image.image = found->second.image->ref;
    image.user_specified_image = volume.volumesource().image().reference();
    volumes[volume.name()].image = std::move(image);
  }
}

}  // namespace keelson::agent
