#include "volume/manager/volume_gauge.hpp"

namespace keelson::volume {
namespace {

constexpr auto kTreeLimit = std::chrono::hours(1);
constexpr auto kLookLimit = std::chrono::minutes(2);

}  // namespace

base::Task<Result<std::optional<Measured>>> NodeGauge::measure(MeasureOrder order) {
  std::optional<Measured> out;
  const Measure how = measure_of(order.spec);
  if (how == Measure::none || (how == Measure::driver && driver_ == nullptr)) co_return out;
  if (how == Measure::driver) {
    auto told = co_await driver_->measure(std::move(order));
    co_return told;
  }
  const auto stop = order.stop;
  auto figures = co_await on_disk(order, how);
  if (!figures.ok()) {
    *stop = true;  // a walk that is late is for nobody
    co_return std::move(figures).error();
  }
  out.emplace();
  out->figures = *figures;
  co_return out;
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<VolumeFigures>> NodeGauge::on_disk(const MeasureOrder& order, Measure how) {
  const std::string& uid = order.spec.pod->metadata().uid();
  const std::string what = "measure volume " + order.spec.outer + " of pod " + uid;
  const std::string path = order.path;
  if (how == Measure::tree) {
    return work_.on_own_volume<VolumeFigures>(what, uid, order.spec.outer, kTreeLimit,
                                              [path, stop = order.stop](Mounts&) { return tree_figures(path, *stop); });
  }
  const bool device = how == Measure::device;
  return work_.on_device<VolumeFigures>(
      what, "usage " + uid + "/" + order.spec.outer, kLookLimit,
      [path, device](Mounts&) { return device ? device_figures(path) : file_system_figures(path); });
}

}  // namespace keelson::volume
