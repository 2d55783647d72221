#include "probes/outcome.hpp"

namespace keelson::probes {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::liveness: return "Liveness";
    case Kind::readiness: return "Readiness";
    case Kind::startup: return "Startup";
  }
  return "Liveness";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::success: return "success";
    case Outcome::warning: return "warning";
    case Outcome::failure: return "failure";
    case Outcome::unknown: return "unknown";
  }
  return "unknown";
}

}  // namespace keelson::probes
