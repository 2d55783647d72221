#include "volume/csi/volume_stats.hpp"

#include <algorithm>

#include "volume/csi/paths.hpp"

namespace keelson::volume {
namespace {

// contract 04 §25: the pod's mount, or GLOBAL/UID.
std::string asked_path(const std::string& root, const MeasureOrder& order) {
  if (!order.spec.block) return order.path;
  return csi_block_paths(root, order.spec.name).devices + "/" + order.spec.pod->metadata().uid();
}

std::int64_t counted(std::int64_t value) { return std::max<std::int64_t>(value, 0); }

}  // namespace

std::optional<Measured> measured_by_driver(const CsiStats& stats) {
  if (!stats.bytes && !stats.inodes) return std::nullopt;
  const CsiUsage bytes = stats.bytes.value_or(CsiUsage());
  const CsiUsage inodes = stats.inodes.value_or(CsiUsage());
  Measured out;
  out.figures.capacity = counted(bytes.total);
  out.figures.available = counted(bytes.available);
  out.figures.used = counted(bytes.used);
  out.figures.inodes = counted(inodes.total);
  out.figures.inodes_free = counted(inodes.available);
  out.figures.inodes_used = counted(inodes.used);
  out.abnormal = stats.abnormal;
  return out;
}

base::Task<Result<std::optional<Measured>>> CsiGauge::measure(MeasureOrder order) {
  const auto volume = csi_volume(order.spec);
  if (!volume.ok()) co_return volume.error();
  const std::string path = asked_path(root_, order);
  const auto stats = co_await csi_.stats(volume->driver, volume->handle, path);
  if (!stats.ok()) co_return stats.error().error;
  std::optional<Measured> out;
  if (!stats->has_value()) co_return out;
  out = measured_by_driver(**stats);
  if (!out) co_return Error(ErrorKind::unavailable, "driver " + volume->driver + " told no usage of " + volume->handle);
  co_return out;
}

}  // namespace keelson::volume
