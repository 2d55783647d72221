// Feature gates: which exist, and which are on once the overrides of file and flags are applied.
//
// Values, any thread. An unknown gate and a change of a locked one are refused; both name the gate. AllAlpha and
// AllBeta set every gate of their stage that was not named itself.
//
// Source: contract 01 §1, §2.5; 02 §0; 03 §1; 04 §1.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace keelson::config {

enum class Stage { alpha, beta, ga, deprecated };
// As the metric kubernetes_feature_enabled spells it: "ALPHA", "BETA", "" for GA, "DEPRECATED".
std::string_view to_string(Stage stage);

struct GateSpec {
  std::string_view name;
  bool enabled_by_default;
  Stage stage;
  bool locked;
};

// All gates, sorted by name.
std::span<const GateSpec> known_gates();
const GateSpec* find_gate(std::string_view name);

// Whether `name` may be set to `enabled`: `invalid` with the reason when not.
Status check_gate(std::string_view name, bool enabled);

class FeatureGates {
 public:
  // All defaults.
  FeatureGates() : FeatureGates(std::map<std::string, bool>{}) {}
  // Overrides that check_gate() refuses are left out.
  explicit FeatureGates(const std::map<std::string, bool>& overrides);

  // Asking for a gate that does not exist is a broken invariant.
  bool enabled(std::string_view name) const;
  // Every gate with its effective value, sorted, for the metric.
  const std::vector<std::pair<const GateSpec*, bool>>& all() const { return values_; }

 private:
  std::vector<std::pair<const GateSpec*, bool>> values_;
};

// One line for each gate that is on while a gate it builds on is off.
std::vector<std::string> unmet_gate_dependencies(const FeatureGates& gates);

}  // namespace keelson::config
