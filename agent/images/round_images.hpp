// RoundImages: the images that one round of a pod's worker needs: first those of its image volumes, then each
// container's.
//
// Made anew for each round. The first container that is started has the pod's pull secrets read and every image
// volume's image ensured; what became of those is shown by each container that mounts them. Owner: the execution of a
// plan. Thread: the loop. Stops: with the awaiting task. What fails: as ImagePuller::ensure(). Source: contract 02
// §3.4, §5.1 step 8, §16.
#pragma once

#include <map>
#include <string>

#include "agent/images/image_puller.hpp"
#include "agent/pod_config/mounts.hpp"
#include "agent/sync/containers.hpp"
#include "agent/sync/journal.hpp"

namespace keelson::agent {

class RoundImages {
 public:
  // Both outlive the round.
  RoundImages(ImagePuller& puller, Journal& journal, api::PodPtr pod)
      : puller_(puller), journal_(journal), pod_(std::move(pod)) {}

  // The container's image; or why there is none, or none of a volume that it mounts.
  base::Task<ImageOutcome> for_container(ContainerRef ref, cri::PodSandboxConfig sandbox);
  // The pod's image volumes, as far as their images are there.
  void add_volumes(ResolvedVolumes& volumes) const;

 private:
  base::Task<void> prepare(cri::PodSandboxConfig sandbox);
  ImageRequest request(const std::string& image, const std::string& policy, const cri::PodSandboxConfig& sandbox) const;
  const ImageOutcome* failed_volume(const api::core::Container& container) const;

  ImagePuller& puller_;
  Journal& journal_;
  api::PodPtr pod_;
  bool prepared_ = false;
  PullSecretsPtr secrets_;
  std::map<std::string, ImageOutcome> volumes_;  // by name
};

}  // namespace keelson::agent
