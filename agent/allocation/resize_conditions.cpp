#include "agent/allocation/resize_conditions.hpp"

#include "agent/status/container_status.hpp"

namespace keelson::agent {
namespace {

using api::core::PodCondition;

constexpr char kInfeasible[] = "Infeasible";
constexpr char kDeferred[] = "Deferred";
constexpr char kError[] = "Error";

// Both are only ever True; a condition that does not hold is absent.
bool set(std::optional<PodCondition>& place, std::string_view type, const std::string& reason,
         const std::string& message, std::int64_t generation, base::SystemTime now) {
  if (place && place->reason() == reason && place->message() == message && place->observedgeneration() == generation) {
    return false;
  }
  PodCondition next;
  next.set_type(std::string(type));
  next.set_status("True");
  *next.mutable_lastprobetime() = to_api_time(now);
  // contract 02 §15.2: of these two the reason counts.
  *next.mutable_lasttransitiontime() =
      place && place->reason() == reason ? place->lasttransitiontime() : to_api_time(now);
  if (!reason.empty()) next.set_reason(reason);
  if (!message.empty()) next.set_message(message);
  if (generation > 0) next.set_observedgeneration(generation);
  place = std::move(next);
  return true;
}

bool clear(std::optional<PodCondition>& place) {
  const bool was = place.has_value();
  place.reset();
  return was;
}

}  // namespace

bool ResizeConditions::refuse(const std::string& reason, const std::string& message, std::int64_t generation,
                              base::SystemTime now) {
  return set(pending, kResizePending, reason == kInfeasible ? kInfeasible : kDeferred, message, generation, now);
}

bool ResizeConditions::stop_pending() { return clear(pending); }

void ResizeConditions::begin(std::int64_t generation, base::SystemTime now) {
  pending.reset();
  in_progress.reset();
  set(in_progress, kResizeInProgress, "", "", generation, now);
}

bool ResizeConditions::go_on(std::int64_t generation, base::SystemTime now) {
  return !in_progress && set(in_progress, kResizeInProgress, "", "", generation, now);
}

bool ResizeConditions::fail(const std::string& message, std::int64_t generation, base::SystemTime now) {
  const std::int64_t of = in_progress ? in_progress->observedgeneration() : generation;
  return set(in_progress, kResizeInProgress, kError, message, of, now);
}

bool ResizeConditions::recover(base::SystemTime now) {
  if (!in_progress || in_progress->reason() != kError) return false;
  in_progress->clear_reason();
  in_progress->clear_message();
  *in_progress->mutable_lastprobetime() = to_api_time(now);
  *in_progress->mutable_lasttransitiontime() = to_api_time(now);
  return true;
}

bool ResizeConditions::finish() { return clear(in_progress); }

ResizeConditions resize_conditions_of(const api::core::PodStatus& status) {
  ResizeConditions out;
  for (const auto& condition : status.conditions()) {
    if (condition.status() != "True") continue;
    if (condition.type() == kResizePending) out.pending = condition;
    if (condition.type() == kResizeInProgress) out.in_progress = condition;
  }
  return out;
}

}  // namespace keelson::agent
