// What the getting of images comes to, for the metrics page.
//
// Plain values and pure functions; ImagePuller, RoundImages and PullRecords count, on the loop. Source: contract 05
// §12.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/counters.hpp"

namespace keelson::agent {

struct ImageMetrics {
  base::ByLabels<1, base::Histogram<base::buckets::kImagePulls>> pulls;  // image_size_in_bytes; with the waiting
  base::CountsBy<3> requests;                                            // pull_policy, present_locally, pull_required

  // Volumes made of images, each time that a pod's containers are started.
  std::uint64_t volumes_requested = 0;
  std::uint64_t volumes_mounted = 0;
  std::uint64_t volume_errors = 0;

  // Nothing: it is not known.
  void requested(const std::string& policy, std::optional<bool> present, std::optional<bool> pull);
};

// "10MB-100MB", the label of a size; "N/A" for one that is not known.
std::string image_size_label(std::uint64_t bytes);

// Of plugins that know logins.
struct CredentialPluginMetrics {
  base::CountsBy<1> errors;                                                 // plugin_name
  base::ByLabels<1, base::Histogram<base::buckets::kDurations>> durations;  // plugin_name
};

}  // namespace keelson::agent
