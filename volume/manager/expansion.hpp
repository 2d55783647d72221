// Expansion: what is done on this node for a claim whose PersistentVolume has grown.
//
// plan_expansion() decides by the sizes and statuses of both, judge_expansion() what follows from how it ended; the
// others make the status that the claim is to have. Pure functions and values, any thread. Source: contract 04 §24.
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"
#include "api/quantity.hpp"
#include "base/clock.hpp"
#include "volume/manager/plugin.hpp"

namespace keelson::volume {

// spec.capacity and status.capacity of storage; 0 when there is none.
api::Quantity size_of(const api::core::PersistentVolume& pv);
api::Quantity size_of(const api::core::PersistentVolumeClaim& claim);

struct ExpansionFacts {
  const api::core::PersistentVolume& pv;
  const api::core::PersistentVolumeClaim& claim;
  std::optional<api::Quantity> here;  // the size that it has on this node; none: it is being mounted
  bool read_only = false;             // the pod's use of its claim
  bool failed_for_good = false;       // an attempt on this node has ended with a final error
};

struct Expansion {
  enum class Step {
    none,       // it is as large as its PersistentVolume
    read_only,  // it would be due, but is only read
    wait,       // it is not this node's turn
    settled,    // it has grown without this node, which needs to do nothing
    expand,
  };
  Step step = Step::none;
  api::Quantity size;           // to be had
  bool old_controller = false;  // one that tells no status of a resize
  bool claim_done = false;      // the claim shows the size already: another node has been first
  // Should it fail once more, the controller is to decide anew: the claim asks for another size by now.
  bool give_up = false;

  // The claim's status says what becomes of it.
  bool told() const { return !old_controller && !claim_done; }
};
Expansion plan_expansion(const ExpansionFacts& facts);

struct ExpansionVerdict {
  enum class Tell { nothing, finished, failed, infeasible };
  bool settled = false;          // it has the size here
  bool refused = false;          // not to be tried again while it is mounted here
  bool failed_for_good = false;  // from now on
  bool event = false;            // of success
  Tell tell = Tell::nothing;     // the claim
  std::optional<Error> error;    // to be tried again
};
ExpansionVerdict judge_expansion(const Expansion& plan, const ExpandResult& result);

// The claim with another status.
api::core::PersistentVolumeClaim claim_in_progress(api::core::PersistentVolumeClaim claim);
api::core::PersistentVolumeClaim claim_expanded(api::core::PersistentVolumeClaim claim, const api::Quantity& size);
api::core::PersistentVolumeClaim claim_failed(api::core::PersistentVolumeClaim claim, const Error& error,
                                              bool infeasible, base::SystemTime now);

}  // namespace keelson::volume
