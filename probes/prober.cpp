#include "probes/prober.hpp"

namespace keelson::probes {
namespace {

constexpr int kTries = 3;

}  // namespace

base::Task<Attempt> attempt_with_tries(Transport& transport, std::shared_ptr<const Errand> errand) {
  Attempt last;
  for (int i = 0; i < kTries; ++i) {
    last = co_await transport.attempt(errand);
    if (!last.errored) break;
  }
  co_return last;
}

std::optional<ProbeEvent> event_of(Kind kind, const Attempt& attempt) {
  const std::string probe = std::string(to_string(kind)) + " probe ";
  if (attempt.errored) {
    return ProbeEvent{"Unhealthy", probe + "errored and resulted in " + std::string(to_string(attempt.outcome)) +
                                       " state: " + attempt.text};
  }
  switch (attempt.outcome) {
    case Outcome::failure: return ProbeEvent{"Unhealthy", probe + "failed: " + attempt.text};
    case Outcome::warning: return ProbeEvent{"ProbeWarning", probe + "warning: " + attempt.text};
    case Outcome::success:
    case Outcome::unknown: break;
  }
  return std::nullopt;
}

}  // namespace keelson::probes
