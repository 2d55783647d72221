#include "tests/sim/probe_wire.hpp"

namespace keelson::sim {

using base::Task;

Task<probes::Attempt> ProbeWire::attempt(std::shared_ptr<const probes::Errand> errand) {
  return wire_.call(travel(std::move(errand)), Wire::Orphan::ends);
}

Task<probes::Attempt> ProbeWire::travel(std::shared_ptr<const probes::Errand> errand) {
  const probes::ProbeKey key = errand->who;
  const base::Duration limit =
      std::visit([](const auto& action) { return base::Duration(action.limit); }, errand->action);
  const World::Answer answer = world_.answer(key);
  co_await world_.clock.sleep_for(std::min(limit, answer.takes));
  const fakes::FakeCri::Container* container = world_.cri.newest(key.pod_uid, key.container);
  const bool runs = container != nullptr && container->state == cri::ContainerState::running;
  const bool success = runs && answer.success && answer.takes < limit;
  if (world_.probed) world_.probed(key, success);
  if (success) co_return probes::Attempt(probes::Outcome::success, "ok");
  co_return probes::Attempt(probes::Outcome::failure, answer.takes < limit ? "no" : "timed out");
}

Task<probes::HttpOutcome> HookWire::travel(base::Duration) {
  const auto takes = std::chrono::milliseconds(world_.random() % 300);
  co_await world_.clock.sleep_for(takes);
  probes::HttpOutcome out;
  out.kind = probes::HttpOutcome::Kind::answered;
  out.status = 200;
  co_return out;
}

}  // namespace keelson::sim
