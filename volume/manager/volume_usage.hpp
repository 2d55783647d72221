// What is known of how much a pod's volumes use: the values, and what follows from them.
//
// Values and pure functions, any thread. Who measures and keeps them is usage_meter.hpp. Source: contract 04 §3 (column
// metrics), §25; contract 05 §10 (volume[], ephemeral-storage).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "volume/manager/volume_spec.hpp"
#include "volume/usage.hpp"

namespace keelson::volume {

// How a volume is measured.
enum class Measure {
  none,
  tree,         // du, in the file system's capacity
  file_system,  // statfs
  device,       // its capacity alone
  driver,       // the CSI driver is asked
};
Measure measure_of(const VolumeSpec& spec);
// How the metrics page calls that: "du", "statfs", "block", or the driver's name.
std::string measure_source(const VolumeSpec& spec);

struct Measured {
  VolumeFigures figures;
  std::optional<bool> abnormal;  // when the driver says; the kubelet shows it with gate CSIVolumeHealth only
  bool operator==(const Measured&) const = default;
};

struct ClaimRef {
  std::string ns;
  std::string name;
  bool operator==(const ClaimRef&) const = default;
};
// Of a persistentVolumeClaim or a generic ephemeral volume.
std::optional<ClaimRef> claim_ref(const api::Pod& pod, const api::core::Volume& volume);

// Whether it counts to the pod's ephemeral storage.
bool is_local_ephemeral(const api::core::Volume& volume);

struct VolumeUsage {
  std::string name;  // in the pod
  std::optional<ClaimRef> claim;
  bool local_ephemeral = false;
  base::SystemTime time;
  Measured measured;
};

struct PodUsage {
  std::vector<VolumeUsage> volumes;  // by name
};

// The sum of the local ephemeral volumes.
struct LocalUsage {
  std::int64_t bytes = 0;
  std::int64_t inodes = 0;
  bool operator==(const LocalUsage&) const = default;
};
LocalUsage local_usage(const PodUsage& usage);

// The kubelet's message of eviction for the first emptyDir, of any medium, that holds more than its sizeLimit.
std::optional<std::string> exceeded_size_limit(const api::Pod& pod, const PodUsage& usage);

}  // namespace keelson::volume
