// Whose probe it is, what one attempt came to, and what a probe holds to be true.
//
// Plain values, any thread. Source: contract 02 §17.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>

namespace keelson::probes {

enum class Kind { liveness, readiness, startup };
constexpr Kind kKinds[] = {Kind::liveness, Kind::readiness, Kind::startup};
// "Liveness", as events and metrics name it.
std::string_view to_string(Kind kind);

struct ProbeKey {
  std::string pod_uid;
  std::string container;
  Kind kind = Kind::liveness;
  auto operator<=>(const ProbeKey&) const = default;
};

enum class Outcome { success, warning, failure, unknown };
std::string_view to_string(Outcome outcome);

// One attempt. When it errored, nothing is known of the container, and `text` is the error; else it is what the probe
// printed.
struct Attempt {
  Attempt() = default;  // no aggregate: see CONTRIBUTING about GCC 12
  Attempt(Outcome what, std::string said, bool is_error = false)
      : outcome(what), errored(is_error), text(std::move(said)) {}

  Outcome outcome = Outcome::unknown;
  bool errored = false;
  std::string text;
};

// What the last attempts, by the probe's thresholds, say.
enum class Verdict { unknown, success, failure };

}  // namespace keelson::probes
