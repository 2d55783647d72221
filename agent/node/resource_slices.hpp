// Removes the ResourceSlices that an earlier run of this node's agent has left.
//
// One DELETE of the collection, tried again after 1 s, 2 s ... at most 5 min until it is answered; a server that does
// not know the resource has none. Ends when done. Thread: the loop. Source: contract 01 §10.
#pragma once

#include <string>

#include "base/backoff.hpp"
#include "base/logger.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

// The client, the clock and the random source outlive the task.
base::Task<void> wipe_resource_slices(kube::Client& client, base::Random& random, std::string node, base::Logger log);

}  // namespace keelson::agent
