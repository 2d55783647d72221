// PodEngine: everything that runs pods, put together: runtime health, PLEG, images, probes, workers, garbage.
//
// The agent and the simulation are made of the same engine; they differ only in the parts that it is given: a runtime
// over gRPC or a fake one, a disk or a map, the real clock or a virtual one. Owner: Agent, or a test. Thread: the loop.
// Stops: stop(), which leaves pods as they are. What fails: nothing to the outside. Source: contract 02 §5, §10, §12,
// §20.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/allocation/resizes.hpp"
#include "agent/images/image_puller.hpp"
#include "agent/sync/garbage.hpp"
#include "agent/sync/killer.hpp"
#include "agent/sync/pod_runtime.hpp"
#include "agent/sync/pod_workers.hpp"
#include "agent/sync/resizer.hpp"
#include "agent/sync/runtime_health.hpp"
#include "agent/wiring/pleg_adapter.hpp"
#include "agent/wiring/probes_adapter.hpp"
#include "base/gate.hpp"
#include "base/sync.hpp"
#include "pleg/pleg.hpp"

namespace keelson::agent {

// What the engine works with; all of it outlives the engine.
struct PodEngineParts {
  base::Loop& loop;
  base::Clock& clock;
  base::Random& random;
  NodeFacts& facts;  // the runtime's handlers are kept up to date in it
  cri::RuntimeService& runtime;
  cri::ImageService& images;
  PodFiles& files;
  PodVolumes& volumes;
  PodCgroups& cgroups;
  PodObjects& objects;
  LifecycleHooks& lifecycle;
  probes::Transport& probes;
  AllocationFiles& allocations;
  EventRecorder& events;
  StatusSink& sink;
  base::Logger log;
  ImageFiles* image_files = nullptr;  // null: pulls are recorded in memory only, the node has no logins
  ProgramRunner* programs = nullptr;  // null: there are no credential plugins
};

struct PodEngineSettings {
  ImagePullLimits pulls;
  GarbagePolicy garbage;
  StartLimits starts;
  base::Duration housekeeping = std::chrono::seconds(30);  // a safety net: what ends a pod asks for it at once
  PullVerification verification;
  PluginSettings plugins;
  NodeConfigFiles node_logins;
  ResizeRules resize{};
  bool allocates_plain_init = true;  // gate InPlacePodVerticalScalingInitContainers
};

class PodEngine {
 public:
  PodEngine(PodEngineParts parts, PodEngineSettings settings);
  PodEngine(const PodEngine&) = delete;
  PodEngine& operator=(const PodEngine&) = delete;

  // What the owner knows and wants to know. Unset members restrain nothing. Before start().
  struct Hooks {
    std::function<bool(const std::string& source)> source_unsure;       // see PodWorkers::Knowledge
    std::function<PodAdmission(const api::PodPtr& pod)> admit;          // likewise
    std::function<ResizeVerdict(const api::PodPtr& pod)> admit_resize;  // see Resizes::Hooks
    std::function<void()> runtime_changed;                              // its health or its handlers
    std::function<void(const std::string& id)> container_started;
    std::function<bool()> calm = [] { return true; };  // nothing is under way outside the engine
    std::function<void()> idle;                        // a whole housekeeping period was quiet
  };
  void set_hooks(Hooks hooks);

  // The runtime has been spoken to. Asks it for its health, then lets everything run.
  base::Task<void> start();
  // Two halves, for an owner that must stop something in between: first nothing is done to pods any more, then nothing
  // runs here any more.
  base::Task<void> stop_workers();
  base::Task<void> stop();

  PodWorkers& workers() { return workers_; }
  const PodWorkers& workers() const { return workers_; }
  RuntimeHealth& health() { return health_; }
  const RuntimeHealth& health() const { return health_; }
  pleg::Pleg& pleg() { return pleg_; }
  ImagePuller& images() { return images_; }
  const ProbesAdapter& probes() const { return probes_; }
  PullRecords& pull_records() { return pull_records_; }
  Allocations& allocations() { return allocations_; }
  // For the metrics.
  const PodRuntime& runtime() const { return runtime_; }
  const CredentialPlugins& credential_plugins() const { return plugins_; }
  const Resizes& resizes() const { return resizes_; }

  // Every pod of the runtime has been looked at once, so that none that runs is taken for absent.
  bool runtime_listed();
  // The pod has something running in the runtime, or may have.
  bool runs(const std::string& uid) const;
  void keep_house_soon() { housekeeping_bell_.notify(); }

 private:
  ImageFiles& image_files() { return parts_.image_files == nullptr ? no_image_files_ : *parts_.image_files; }
  void begin();
  void runtime_changed();
  void on_pleg_event(const pleg::PodEvent& event);
  void adopt_runtime_pods();
  base::Task<void> keep_house();
  void on_probe(const std::string& uid);
  bool namesake_runs(const api::Pod& pod) const;
  std::vector<std::string> known_uids() const;

  PodEngineParts parts_;
  PodEngineSettings settings_;
  Hooks hooks_;
  RuntimeHealth health_;
  PlegLister lister_;
  pleg::Pleg pleg_;
  PlegObserver observer_;
  NoImageFiles no_image_files_;
  NodeCredentials node_credentials_;
  CredentialPlugins plugins_;
  ImageCredentials credentials_;
  PullRecords pull_records_;
  ImagePuller images_;
  StartSlots slots_;
  Killer killer_;
  UserNamespaces user_namespaces_;
  RuntimeConfigs configs_;
  Allocations allocations_;
  Resizes resizes_;
  Resizer resizer_;
  PodRuntime runtime_;
  ProbesAdapter probes_;
  PodWorkers workers_;
  GarbageCollector garbage_;
  base::Notification housekeeping_bell_;
  bool pods_went_ = false;  // since the last round of housekeeping
  base::Gate gate_;
  bool listed_ = false;
  std::optional<base::SteadyTime> listing_since_;
};

}  // namespace keelson::agent
