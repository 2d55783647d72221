// Cluster: everything that makes this agent a node of a cluster, put together.
//
// create() reads the kubeconfig and makes the parts, by assemble(), which a simulation calls with a way to the API
// server of its own; attach() gives it what the rest of the agent is; start() lets them run: first who we are, then the
// Node and its lease, then the pods that are bound to it. Nothing waits for the API server: while it is away, pods run
// on and what is to be told waits. Owner: Agent. Thread: the loop. Stops: stop(), after the workers have stopped. What
// fails: create(), one line each. Source: contract 01 §6, §7, §8, §10; contract 02 §4, §11.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/events/node_events.hpp"
#include "agent/node/machine.hpp"
#include "agent/node/node_object.hpp"
#include "agent/node/node_reporter.hpp"
#include "agent/objects/token_cache.hpp"
#include "agent/status/status_sink.hpp"
#include "agent/sync/events.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_objects.hpp"
#include "agent/sync/pod_workers.hpp"
#include "agent/wiring/api_connection.hpp"
#include "base/counters.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

class ClusterPods;

// Seconds.
inline constexpr std::array<double, 10> kRotationBounds{60,      3600,    14400,    86400,    604800,
                                                        2592000, 7776000, 15552000, 31104000, 124416000};

class Cluster {
 public:
  struct Hooks {
    std::function<void(std::string)> fatal;  // the process must end; the text says why
    std::function<std::string()> pleg_problem;
    std::function<void()> changed;  // something that `keelson ps` or doctor shows
    // What the node's addresses are decided by.
    std::function<base::Task<Result<AddressFacts>>()> addresses;
  };
  // What it stands on; all of it outlives the cluster.
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    const config::Configuration& configuration;
    std::string node_name;
    base::Logger log;
  };
  // The facts are kept up to date (addresses, runtime classes); they outlive the cluster.
  static Result<std::unique_ptr<Cluster>> create(const ApiConnection::Base& base, NodeFacts& facts,
                                                 const Machine& machine, Hooks hooks);
  // The same from parts that are there already; all hooks are set.
  static Result<std::unique_ptr<Cluster>> assemble(Base base, std::unique_ptr<ApiAccess> api, NodeSettings settings,
                                                   NodeFacts& facts, Hooks hooks);
  ~Cluster();

  // For the workers, which come later than these.
  StatusSink& statuses();
  PodObjects& objects();
  EventRecorder& events();
  NodeEventRecorder& node_events();

  // What the cluster and the volumes of this node have to tell each other. Before attach().
  struct VolumeHooks {
    std::function<std::optional<std::vector<std::string>>()> in_use;
    std::function<void()> node_changed;
    std::function<void()> joined;  // requests are made in the node's own name from now on
    std::function<void(const std::string& pod_uid)> objects_changed;  // what a volume of the pod is made of
  };
  void attach_volumes(VolumeHooks hooks);
  kube::Client& client();
  TokenCache& tokens();
  // As it was last heard of; null before.
  std::shared_ptr<const api::core::Node> cached_node() const;
  // Something that the Node's status says has changed.
  void report_soon();

  void attach(PodWorkers& workers, RuntimeHealth& health, cri::RuntimeService& runtime, cri::ImageService& images);
  void start();
  // The runtime was spoken to for the first time, or its state changed.
  void runtime_changed();
  base::Task<void> stop();

  // The newest Node that is known, or one as it would be registered.
  std::shared_ptr<const api::core::Node> node() const;
  // Reads it from the server; null when that fails.
  void read_node(std::function<void(std::shared_ptr<const api::core::Node>)> answer);

  struct View {
    std::string server;
    std::string problem;  // why the API server cannot be reached, empty when all is well
    bool registered = false;
    bool ready = false;
    std::size_t unsent_statuses = 0;
  };
  View view() const;

  // What the metrics page asks; all of it lives as long as the cluster.
  ApiAccess& api();
  const ClusterPods& pods() const;
  const NodeStartup& startup() const;                     // after attach()
  kube::CertificateManager* serving_certificate() const;  // null without serverTLSBootstrap
  // How old serving certificates were when they were replaced.
  using RotationAges = base::Histogram<kRotationBounds>;
  const RotationAges& serving_rotations() const;
  // By signer and state; nothing without the gate.
  std::optional<base::CountsBy<2>> pod_certificates() const;

 private:
  struct Parts;
  explicit Cluster(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson::agent
