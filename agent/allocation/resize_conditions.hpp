// ResizeConditions: the conditions PodResizePending and PodResizeInProgress of one pod.
//
// A plain value that knows how the two change; the same pair of functions serves every caller, so that times, reasons
// and generations obey one rule. Thread: any. Source: contract 02 §8, §15.2.
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

struct ResizeConditions {
  std::optional<api::core::PodCondition> pending;
  std::optional<api::core::PodCondition> in_progress;

  bool is_deferred() const { return pending && pending->reason() == "Deferred"; }

  // Each answers whether anything but a time has changed.
  // `reason` as admission gives it: all but Infeasible are told as Deferred.
  bool refuse(const std::string& reason, const std::string& message, std::int64_t generation, base::SystemTime now);
  bool stop_pending();
  // A resize was accepted: what was told of an earlier one is over.
  void begin(std::int64_t generation, base::SystemTime now);
  // Something has yet to be put in force. The generation and an error that was told stay.
  bool go_on(std::int64_t generation, base::SystemTime now);
  bool fail(const std::string& message, std::int64_t generation, base::SystemTime now);
  // The error is over, the resize is not yet known to be.
  bool recover(base::SystemTime now);
  bool finish();
};

// What the API's copy says, for an agent that has just started.
ResizeConditions resize_conditions_of(const api::core::PodStatus& status);

inline constexpr std::string_view kResizePending = "PodResizePending";
inline constexpr std::string_view kResizeInProgress = "PodResizeInProgress";

}  // namespace keelson::agent
