// Garbage collection of dead containers, dead sandboxes and the logs of pods that are gone.
//
// choose_garbage() decides purely; GarbageCollector lists, asks it and removes, every minute and some seconds after a
// pod has gone, when log shippers have read its last lines. Of a container that dies again and again the older
// instances go as soon as there are too many. Owner: main(). Thread: the loop. Stops with its gate. What fails: a
// failed removal is logged (event ContainerGCFailed comes with the node's events) and tried again next time. Source:
// contract 02 §20, §12 (dead containers beyond the limit), §19 (logs go with their container).
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/sync/killer.hpp"
#include "agent/sync/pod_files.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

struct GarbagePolicy {
  base::Duration minimum_age{0};  // --minimum-container-ttl-duration
  int per_container = 1;          // --maximum-dead-containers-per-container; negative = no limit
  int overall = -1;               // --maximum-dead-containers; negative = no limit
};

// What is known of one pod UID.
enum class PodFate {
  alive,  // wanted, or still being worked on
  gone,   // in no source and without a worker, or deleted and terminated
};

struct Garbage {
  std::vector<cri::Container> containers;
  std::vector<cri::PodSandbox> sandboxes;
};

Garbage choose_garbage(const std::vector<cri::Container>& containers, const std::vector<cri::PodSandbox>& sandboxes,
                       const std::function<PodFate(const std::string& uid)>& fate, const GarbagePolicy& policy,
                       base::SystemTime now);

// Of the dead instances of the container with that id the older ones that are too many: at least one stays.
std::vector<cri::ContainerStatus> choose_surplus(const ObservedPod& observed, const std::string& id, int per_container);

class GarbageCollector {
 public:
  static constexpr base::Duration period = std::chrono::minutes(1);
  static constexpr base::Duration after_pod_gone = std::chrono::seconds(10);

  GarbageCollector(base::Loop& loop, base::Clock& clock, cri::RuntimeService& runtime, Killer& killer, PodFiles& files,
                   Paths paths, GarbagePolicy policy, base::Logger log)
      : clock_(clock),
        runtime_(runtime),
        killer_(killer),
        files_(files),
        paths_(std::move(paths)),
        policy_(policy),
        log_(std::move(log)),
        bell_(loop) {}

  // `fate` says what is known of a UID; `ready` whether all sources have spoken; `known` the UIDs of pods that are
  // wanted or worked on: their logs stay.
  void start(base::Gate& gate, std::function<PodFate(const std::string&)> fate, std::function<bool()> ready,
             std::function<std::vector<std::string>()> known);
  // A pod has gone: collect what it left behind soon.
  void pod_gone() { bell_.notify(); }
  // That container has ended: what is now too much of it goes at once.
  void container_died(const ObservedPtr& observed, const std::string& id);
  // One pass now.
  base::Task<void> collect();

 private:
  base::Task<void> run();
  base::Task<void> remove_container(std::string id);
  base::Task<Status> kill_unknown(cri::ContainerStatus status);
  base::Task<void> remove_sandbox(cri::PodSandbox sandbox);

  base::Clock& clock_;
  cri::RuntimeService& runtime_;
  Killer& killer_;
  PodFiles& files_;
  Paths paths_;
  GarbagePolicy policy_;
  base::Logger log_;
  base::Notification bell_;
  base::Gate* gate_ = nullptr;
  std::function<PodFate(const std::string&)> fate_;
  std::function<bool()> ready_;
  std::function<std::vector<std::string>()> known_;
};

}  // namespace keelson::agent
