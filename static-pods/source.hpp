// What a source of static pods delivers, and to whom.
//
// Owner: agent/wiring implements Listener and outlives the sources. Thread: the loop. on_pods() always carries the
// complete set of that source: first once the source is ready (even when there is nothing), then whenever something
// changed. The listener merges sources and decides what to start and to stop.
// Source: contract 02 section 4.
#pragma once

#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::static_pods {

struct StaticPod {
  api::PodPtr pod;
  std::string source;  // the file's path, or the URL without its password
};

// Something wrong with a source or one of its manifests, for as long as it is so.
struct Problem {
  std::string source;
  std::string message;  // one line, without the source
  base::SystemTime since;
  bool warning = false;   // the pod runs all the same
  bool pod_kept = false;  // the last good version of the pod is kept running
};

// A Kubernetes event about a pod that the source refused.
struct SourceEvent {
  api::PodPtr pod;
  std::string type;
  std::string reason;
  std::string message;
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_pods(std::vector<StaticPod> pods) = 0;
  virtual void on_event(SourceEvent event) = 0;
};

}  // namespace keelson::static_pods
