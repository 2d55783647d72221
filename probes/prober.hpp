// One attempt with its tries, and what users are told of it.
//
// Thread: the loop; event_of() is pure. Stops: with the awaiting task. Source: contract 02 §17 (an attempt that errors
// is tried up to three times), §22.2 (texts).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "probes/transport.hpp"

namespace keelson::probes {

// `transport` outlives the call.
base::Task<Attempt> attempt_with_tries(Transport& transport, std::shared_ptr<const Errand> errand);

// A Warning about the container.
struct ProbeEvent {
  std::string reason;
  std::string message;
};
std::optional<ProbeEvent> event_of(Kind kind, const Attempt& attempt);

}  // namespace keelson::probes
