#include "volume/manager/expansion.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "api/time.hpp"

namespace keelson::volume {
namespace {

constexpr char kStorage[] = "storage";
constexpr char kPending[] = "NodeResizePending";
constexpr char kInProgress[] = "NodeResizeInProgress";
constexpr char kInfeasible[] = "NodeResizeInfeasible";
constexpr char kResizeError[] = "NodeResizeError";
constexpr char kNotRequired[] = "volume.kubernetes.io/node-expansion-not-required";
// Conditions of a resize; they go when it is done.
constexpr std::array<std::string_view, 4> kConditions = {"FileSystemResizePending", "Resizing", "ControllerResizeError",
                                                         kResizeError};

template <class Map>
api::Quantity storage_of(const Map& sizes) {
  const auto found = sizes.find(kStorage);
  return found == sizes.end() ? api::Quantity() : api::Quantity::of(found->second);
}

std::string status_of(const api::core::PersistentVolumeClaim& claim) {
  const auto& statuses = claim.status().allocatedresourcestatuses();
  const auto found = statuses.find(kStorage);
  return found == statuses.end() ? std::string() : found->second;
}

bool is_read_write_many(const api::core::PersistentVolumeClaim& claim) {
  const auto& modes = claim.spec().accessmodes();
  return std::find(modes.begin(), modes.end(), "ReadWriteMany") != modes.end();
}

bool is_of_resize(const std::string& condition) {
  return std::find(kConditions.begin(), kConditions.end(), condition) != kConditions.end();
}

// With a controller that tells its part.
void plan_with_status(const ExpansionFacts& facts, const std::string& status, Expansion& plan) {
  const auto& allocated = facts.claim.status().allocatedresources();
  if (allocated.contains(kStorage)) plan.size = storage_of(allocated);
  const api::Quantity asked = storage_of(facts.claim.spec().resources().requests());
  plan.give_up = facts.failed_for_good && asked != plan.size;
  plan.claim_done = status.empty() && size_of(facts.claim) >= plan.size;
  if (plan.claim_done) {
    // The other nodes that have it mounted grow their own view of it.
    const bool here_too =
        is_read_write_many(facts.claim) && !facts.claim.metadata().annotations().contains(kNotRequired);
    plan.step = here_too ? Expansion::Step::expand : Expansion::Step::settled;
    return;
  }
  const bool our_turn = status == kPending || status == kInProgress;
  plan.step = our_turn ? Expansion::Step::expand : Expansion::Step::wait;
}

}  // namespace

api::Quantity size_of(const api::core::PersistentVolume& pv) { return storage_of(pv.spec().capacity()); }
api::Quantity size_of(const api::core::PersistentVolumeClaim& claim) { return storage_of(claim.status().capacity()); }

Expansion plan_expansion(const ExpansionFacts& facts) {
  Expansion plan;
  plan.size = size_of(facts.pv);
  if (plan.size <= facts.here.value_or(size_of(facts.claim))) return plan;
  if (facts.read_only) {
    // While it is mounted nobody is told: it was when it was mounted.
    plan.step = facts.here ? Expansion::Step::none : Expansion::Step::read_only;
    return plan;
  }
  const std::string status = status_of(facts.claim);
  if (!status.empty() || !facts.claim.status().allocatedresources().empty()) {
    plan_with_status(facts, status, plan);
    return plan;
  }
  plan.old_controller = true;
  plan.claim_done = size_of(facts.claim) >= plan.size;
  plan.step = Expansion::Step::expand;
  return plan;
}

ExpansionVerdict judge_expansion(const Expansion& plan, const ExpandResult& result) {
  using Outcome = ExpandResult::Outcome;
  using Tell = ExpansionVerdict::Tell;
  ExpansionVerdict out;
  if (result.outcome == Outcome::done) {
    out.settled = true;
    out.event = true;
    out.tell = plan.claim_done ? Tell::nothing : Tell::finished;
    return out;
  }
  if (result.outcome == Outcome::unsupported && !plan.told()) {
    out.settled = true;
    return out;
  }
  out.refused = result.outcome == Outcome::in_use;
  if (!out.refused) out.error = result.error;
  if (result.outcome == Outcome::uncertain || plan.old_controller) return out;
  out.failed_for_good = true;
  // A claim that another node has done says nothing of this one.
  if (plan.claim_done) return out;
  out.tell = result.outcome == Outcome::infeasible || plan.give_up ? Tell::infeasible : Tell::failed;
  return out;
}

api::core::PersistentVolumeClaim claim_in_progress(api::core::PersistentVolumeClaim claim) {
  (*claim.mutable_status()->mutable_allocatedresourcestatuses())[kStorage] = kInProgress;
  return claim;
}

api::core::PersistentVolumeClaim claim_expanded(api::core::PersistentVolumeClaim claim, const api::Quantity& size) {
  auto& status = *claim.mutable_status();
  size.store((*status.mutable_capacity())[kStorage]);
  status.mutable_allocatedresourcestatuses()->erase(kStorage);
  auto& conditions = *status.mutable_conditions();
  const auto rest = std::remove_if(conditions.begin(), conditions.end(),
                                   [](const auto& condition) { return is_of_resize(condition.type()); });
  conditions.erase(rest, conditions.end());
  return claim;
}

api::core::PersistentVolumeClaim claim_failed(api::core::PersistentVolumeClaim claim, const Error& error,
                                              bool infeasible, base::SystemTime now) {
  auto& status = *claim.mutable_status();
  if (infeasible) (*status.mutable_allocatedresourcestatuses())[kStorage] = kInfeasible;
  auto& conditions = *status.mutable_conditions();
  auto known = std::find_if(conditions.begin(), conditions.end(),
                            [](const auto& condition) { return condition.type() == kResizeError; });
  // One that is told already stays as it is.
  if (known != conditions.end() && known->status() == "True") return claim;
  auto& condition = known == conditions.end() ? *conditions.Add() : *known;
  condition.Clear();
  condition.set_type(kResizeError);
  condition.set_status("True");
  *condition.mutable_lasttransitiontime() = api::make_time(now);
  condition.set_message("failed to expand pvc with " + error.to_string());
  return claim;
}

}  // namespace keelson::volume
