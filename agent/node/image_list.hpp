// ImageList: what the runtime has and is, as node.status tells it: its images and its version.
//
// Asks ListImages and Version every 30 s; between two rounds the last good answers count. Empty at first; a version
// that cannot be had is "Unknown". Only the images that fit into the status are kept. Owner: the agent's wiring.
// Thread: the loop. Stops: with its gate. Source: contract 01 §7.2 (images, containerRuntimeVersion).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

using NodeImages = std::vector<api::core::ContainerImage>;

// Largest first, equal ones by falling id; at most `most` (-1: all), at most five names each, digests before tags.
// Pure.
NodeImages node_images(std::vector<cri::Image> images, std::int32_t most);
// "containerd://1.6.20": without a leading v, and without a tail that semantic versions do not have; "Unknown" for a
// text that is no version. Pure.
std::string runtime_version_text(const cri::Version& version);

class ImageList {
 public:
  static constexpr base::Duration period = std::chrono::seconds(30);

  ImageList(base::Loop& loop, base::Clock& clock, cri::RuntimeService& runtime, cri::ImageService& images,
            std::int32_t most, std::string agent_version, base::Logger log);

  void start(base::Gate& gate);
  // One round now, for the first Node.
  base::Task<void> refresh();
  // The runtime came back or was replaced: do not wait for the next round.
  void refresh_soon() { bell_.notify(); }

  // Shared and never changed.
  std::shared_ptr<const NodeImages> images() const { return current_; }
  const std::string& runtime_version() const { return version_; }

 private:
  base::Task<void> run();

  base::Clock& clock_;
  cri::RuntimeService& runtime_;
  cri::ImageService& service_;
  std::int32_t most_;
  std::string agent_version_;
  base::Logger log_;
  base::Notification bell_;
  std::shared_ptr<const NodeImages> current_ = std::make_shared<const NodeImages>();
  std::string version_ = "Unknown";
  std::string problem_;
};

}  // namespace keelson::agent
