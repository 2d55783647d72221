// The families of invariants, each in a file of its own.
#pragma once

#include "tests/sim/invariant.hpp"

namespace keelson::sim {

using Invariants = std::vector<std::unique_ptr<Invariant>>;

void add_runtime_invariants(View view, Invariants& all);  // what runs
void add_start_invariants(View view, Invariants& all);    // what is started, and when
void add_kill_invariants(View view, Invariants& all);     // how it is ended
void add_status_invariants(View view, Invariants& all);   // what the API shows
void add_control_invariants(View view, Invariants& all);  // that faults of others do not matter to a pod
void add_end_invariants(View view, Invariants& all);      // what is left, and whether all settles

}  // namespace keelson::sim
