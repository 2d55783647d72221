#include "volume/manager/volume_usage.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "api/quantity.hpp"
#include "volume/local.hpp"

namespace keelson::volume {
namespace {

using MeasureRow = std::pair<std::string_view, Measure>;

// contract 04 §3; all others have none.
constexpr std::array<MeasureRow, 8> kInline{{{"emptyDir", Measure::tree},
                                             {"configMap", Measure::tree},
                                             {"secret", Measure::tree},
                                             {"downwardAPI", Measure::tree},
                                             {"projected", Measure::tree},
                                             {"nfs", Measure::file_system},
                                             {"iscsi", Measure::file_system},
                                             {"csi", Measure::driver}}};

Measure measure_of_pv(const api::core::PersistentVolumeSource& source, bool block) {
  if (source.has_csi()) return Measure::driver;
  if (block) return source.has_local() || source.has_iscsi() || source.has_fc() ? Measure::device : Measure::none;
  return source.has_nfs() || source.has_iscsi() || source.has_local() ? Measure::file_system : Measure::none;
}

const VolumeUsage* usage_of(const PodUsage& usage, const std::string& volume) {
  const auto found = std::find_if(usage.volumes.begin(), usage.volumes.end(),
                                  [&volume](const VolumeUsage& one) { return one.name == volume; });
  return found == usage.volumes.end() ? nullptr : &*found;
}

}  // namespace

Measure measure_of(const VolumeSpec& spec) {
  if (spec.pv != nullptr) return measure_of_pv(spec.pv->spec().persistentvolumesource(), spec.block);
  const std::string type = source_type(spec.volume().volumesource());
  const auto row =
      std::find_if(kInline.begin(), kInline.end(), [&type](const MeasureRow& one) { return one.first == type; });
  return row == kInline.end() ? Measure::none : row->second;
}

std::string measure_source(const VolumeSpec& spec) {
  switch (measure_of(spec)) {
    case Measure::tree: return "du";
    case Measure::file_system: return "statfs";
    case Measure::device: return "block";
    case Measure::driver:
      return spec.pv != nullptr ? spec.pv->spec().persistentvolumesource().csi().driver()
                                : spec.volume().volumesource().csi().driver();
    case Measure::none: break;
  }
  return {};
}

std::optional<ClaimRef> claim_ref(const api::Pod& pod, const api::core::Volume& volume) {
  std::string name = claim_name(pod, volume);
  if (name.empty()) return std::nullopt;
  return ClaimRef{pod.metadata().namespace_(), std::move(name)};
}

bool is_local_ephemeral(const api::core::Volume& volume) {
  const auto& source = volume.volumesource();
  const std::string type = source_type(source);
  if (type == "emptyDir") return source.emptydir().medium().empty();
  return type == "configMap" || type == "gitRepo";
}

LocalUsage local_usage(const PodUsage& usage) {
  LocalUsage out;
  for (const auto& volume : usage.volumes) {
    if (!volume.local_ephemeral) continue;
    out.bytes += volume.measured.figures.used;
    out.inodes += volume.measured.figures.inodes_used;
  }
  return out;
}

std::optional<std::string> exceeded_size_limit(const api::Pod& pod, const PodUsage& usage) {
  for (const auto& volume : pod.spec().volumes()) {
    const auto& source = volume.volumesource();
    const VolumeUsage* known = usage_of(usage, volume.name());
    if (known == nullptr || !source.has_emptydir() || !source.emptydir().has_sizelimit()) continue;
    const auto limit = api::Quantity::of(source.emptydir().sizelimit());
    if (limit.sign() <= 0 || api::Quantity::bytes(known->measured.figures.used) <= limit) continue;
    return "Usage of EmptyDir volume \"" + volume.name() + "\" exceeds the limit \"" + limit.to_string() + "\". ";
  }
  return std::nullopt;
}

}  // namespace keelson::volume
