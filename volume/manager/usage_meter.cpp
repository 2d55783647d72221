#include "volume/manager/usage_meter.hpp"

#include <algorithm>
#include <utility>

namespace keelson::volume {
namespace {

constexpr auto kLongestPeriod = std::chrono::hours(24 * 365);  // twice any duration is no duration

// They say nothing of the volume: what is known of it holds.
bool was_not_measured(ErrorKind kind) {
  return kind == ErrorKind::deadline_exceeded || kind == ErrorKind::exhausted || kind == ErrorKind::cancelled;
}

}  // namespace

UsageMeter::UsageMeter(Base base) : base_(std::move(base)), gate_(base_.loop) {
  base_.period = std::min<base::Duration>(base_.period, kLongestPeriod);
}

void UsageMeter::start() {
  if (base_.period <= base::Duration::zero()) return;
  base::spawn(gate_, "usage of volumes", run());
}

base::Task<void> UsageMeter::stop() {
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [outer, volume] : pod.volumes) end(*volume);
  }
  co_await gate_.stop();
}

std::optional<PodUsage> UsageMeter::usage(const std::string& uid) const {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return std::nullopt;
  PodUsage out;
  for (const auto& [outer, volume] : pod->second.volumes) {
    if (volume->known) out.volumes.push_back(volume->last);
  }
  if (out.volumes.empty()) return std::nullopt;
  return out;
}

void UsageMeter::forget(const std::string& uid) {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return;
  for (const auto& [outer, volume] : pod->second.volumes) end(*volume);
  pods_.erase(pod);
}

void UsageMeter::end(const Volume& volume) {
  if (volume.stop != nullptr) *volume.stop = true;
}

base::Task<void> UsageMeter::run() {
  while (true) {
    const base::SteadyTime next = look();
    co_await base_.clock.sleep_until(next);
  }
}

base::SteadyTime UsageMeter::look() {
  ++looks_;
  base_.each_mounted([this](const std::string& outer, const VolumeSpec& spec, const MountedVolume& mounted) {
    see(outer, spec, mounted);
  });
  forget_unseen();
  return next_look();
}

void UsageMeter::see(const std::string& outer, const VolumeSpec& spec, const MountedVolume& mounted) {
  if (measure_of(spec) == Measure::none) return;
  Pod& pod = pods_[spec.pod->metadata().uid()];
  // One step for all volumes of a pod: what is due together wakes us once.
  if (std::exchange(pod.seen, looks_) != looks_) pod.step = base::Backoff::jittered(base_.period, 1.0, base_.random);
  VolumePtr& volume = pod.volumes[outer];
  const base::SteadyTime now = base_.clock.steady_now();
  if (volume == nullptr) {
    volume = std::make_shared<Volume>();
    volume->due = now;
  }
  volume->seen = looks_;
  if (volume->busy || volume->due > now) return;
  volume->due = base_.clock.after(pod.step);
  MeasureOrder order;
  order.spec = spec;
  order.spec.outer = outer;  // one mount can have several
  order.path = mounted.path;
  begin(volume, std::move(order));
}

void UsageMeter::begin(const VolumePtr& volume, MeasureOrder order) {
  volume->busy = true;
  volume->stop = order.stop;
  volume->last.name = order.spec.outer;
  volume->last.claim = claim_ref(*order.spec.pod, order.spec.volume());
  volume->last.local_ephemeral = is_local_ephemeral(order.spec.volume());
  const std::string name = "usage of volume " + order.spec.outer + " of pod " + order.spec.pod->metadata().uid();
  base::spawn(gate_, name, measure(volume, std::move(order)));
}

base::Task<void> UsageMeter::measure(VolumePtr volume, MeasureOrder order) {
  const std::string about = order.spec.outer + " of pod " + order.spec.pod->metadata().uid();
  const std::string source = measure_source(order.spec);
  const base::SteadyTime begun = base_.clock.steady_now();
  auto measured = co_await base_.gauge.measure(std::move(order));
  count(source, begun);
  volume->busy = false;
  volume->due = std::max(volume->due, base_.clock.after(base_.period));
  keep(*volume, about, std::move(measured));
}

void UsageMeter::count(const std::string& source, base::SteadyTime begun) {
  if (base_.metrics == nullptr) return;
  base_.metrics->collections[{source}].observe(base_.clock.steady_now() - begun);
}

void UsageMeter::keep(Volume& volume, const std::string& about, Result<std::optional<Measured>> measured) {
  if (!measured.ok()) {
    base_.log.debug(4, "A volume cannot be measured", {{"volume", about}, {"err", measured.error()}});
    if (!was_not_measured(measured.error().kind())) volume.known = false;
    return;
  }
  volume.known = measured->has_value();
  if (!volume.known) return;
  volume.last.time = base_.clock.now();
  volume.last.measured = **measured;
}

void UsageMeter::forget_unseen() {
  for (auto& [uid, pod] : pods_) {
    std::erase_if(pod.volumes, [this](const auto& entry) {
      const bool gone = entry.second->seen != looks_;
      if (gone) end(*entry.second);
      return gone;
    });
  }
  std::erase_if(pods_, [](const auto& entry) { return entry.second.volumes.empty(); });
}

// What ends later than it is due is due a period after that, which is after the next look.
base::SteadyTime UsageMeter::next_look() const {
  const base::SteadyTime now = base_.clock.steady_now();
  base::SteadyTime next = base_.clock.after(base_.period);
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [outer, volume] : pod.volumes) {
      if (volume->due > now) next = std::min(next, volume->due);
    }
  }
  return next;
}

}  // namespace keelson::volume
