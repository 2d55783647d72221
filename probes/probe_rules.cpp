#include "probes/probe_rules.hpp"

#include <algorithm>

namespace keelson::probes {

std::optional<Verdict> first_verdict(Kind kind, const Sight& sight, base::SystemTime agent_started) {
  if (sight.running() && sight.started_at + kAdoptionAge < agent_started) {
    if (kind == Kind::startup && sight.started) return Verdict::success;
    return std::nullopt;
  }
  switch (kind) {
    case Kind::liveness: return Verdict::success;
    case Kind::readiness: return Verdict::failure;
    case Kind::startup: return Verdict::unknown;
  }
  return std::nullopt;
}

ProbeState::ProbeState(const api::core::Probe& probe)
    : period_(std::chrono::seconds(std::max(1, probe.periodseconds()))),
      initial_delay_(std::chrono::seconds(std::max(0, probe.initialdelayseconds()))),
      success_threshold_(std::max(1, probe.successthreshold())),
      failure_threshold_(std::max(1, probe.failurethreshold())) {}

bool ProbeState::may_run(Kind kind, const Sight& sight, base::Duration running_for, bool started) const {
  if (on_hold_ || !sight.running() || sight.container_id.empty()) return false;
  if (std::chrono::floor<std::chrono::seconds>(running_for) < initial_delay_) return false;
  return started != (kind == Kind::startup);
}

std::optional<Verdict> ProbeState::take(Kind kind, bool success) {
  run_ = run_ > 0 && last_ == success ? run_ + 1 : 1;
  last_ = success;
  if (run_ < (success ? success_threshold_ : failure_threshold_)) return std::nullopt;
  if (kind == Kind::startup || (kind == Kind::liveness && !success)) {
    on_hold_ = true;
    run_ = 0;
  }
  return success ? Verdict::success : Verdict::failure;
}

}  // namespace keelson::probes
