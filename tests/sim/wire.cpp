#include "tests/sim/wire.hpp"

namespace keelson::sim {

void Outside::adopt(const std::string& call) {
  orphans.insert(call);
  base::spawn(gate, "orphan", end_later(call, std::chrono::milliseconds(random() % 500)));
}

base::Task<void> Outside::end_later(std::string call, base::Duration delay) {
  co_await clock.sleep_for(delay);
  if (orphans.erase(call) > 0) gate.cancel(call);
}

void Outside::end_orphans() {
  for (const std::string& name : std::exchange(orphans, {})) gate.cancel(name);
}

void Wire::orphan(const Open& call) {
  if (call.orphan == Orphan::ends || outside_.random() % 2 == 0) {
    outside_.gate.cancel(name_of(call));
  } else {
    outside_.adopt(name_of(call));
  }
}

void Wire::cut() {
  alive_ = false;
  // The dead agent's frames stay as they are: they hold their places in open_ for ever.
  const std::set<Open> open = std::exchange(open_, {});
  for (const Open& call : open) orphan(call);
}

}  // namespace keelson::sim
