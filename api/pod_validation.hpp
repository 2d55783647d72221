// Pod validation: what the API server would say about a pod that somebody wants to create.
//
// Used for manifests, where no API server looks first. The pod must have been defaulted (api/pod_defaults.hpp): as in
// the API server a missing restartPolicy, say, is then an error of its own. All problems are reported at once, in the
// order of the API server's own checks where that is observable, each with the path of the field and with the API
// server's wording, so that what people know from `kubectl apply` is what they find in the log:
//   spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive
// Pure functions, any thread. Windows-only rules are reduced to the shape checks that a Linux node needs.
// Feature gates are those of v1.36 by default (contract 02 section 0).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"

namespace keelson::api {

// One problem of one field. `value` is already rendered (strings quoted) and empty for kinds that show none.
struct ValidationError {
  enum class Kind { required, invalid, unsupported, duplicate, forbidden, not_found, too_long, too_many };

  Kind kind = Kind::invalid;
  std::string path;
  std::string value;
  std::string detail;

  // "PATH: KIND: VALUE: DETAIL" as the API server writes it.
  std::string message() const;
  bool operator==(const ValidationError&) const = default;
};

struct PodValidationOptions {
  // Ephemeral containers can only be added to a pod that exists; a manifest must not have any.
  bool creating = true;
};

std::vector<ValidationError> validate_pod(const core::Pod& pod, const PodValidationOptions& options = {});

// "a: Required value" or "[a: Required value, b: Duplicate value: ...]" for several; empty for none.
std::string join_messages(const std::vector<ValidationError>& errors);

}  // namespace keelson::api
