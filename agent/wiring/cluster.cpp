#include "agent/wiring/cluster.hpp"

#include "agent/events/api_events.hpp"
#include "agent/node/csi_node.hpp"
#include "agent/node/image_list.hpp"
#include "agent/node/lease.hpp"
#include "agent/node/node_reporter.hpp"
#include "agent/node/resource_slices.hpp"
#include "agent/objects/api_pod_objects.hpp"
#include "agent/objects/runtime_classes.hpp"
#include "agent/status/mirror_pods.hpp"
#include "agent/status/status_writer.hpp"
#include "agent/wiring/client_pod_api.hpp"
#include "agent/wiring/node_facts_builder.hpp"
#include "static-pods/manifest.hpp"
#include "kube-client/informer.hpp"

namespace keelson::agent {
namespace {

constexpr char kApiSource[] = "api";
constexpr char kConfigSource[] = "kubernetes.io/config.source";
constexpr char kConfigSeen[] = "kubernetes.io/config.seen";
constexpr char kMirror[] = "kubernetes.io/config.mirror";

kube::Selection of_node(const std::string& name) {
  kube::Selection selection;
  selection.field_selector = "metadata.name=" + name;
  return selection;
}

kube::Selection pods_of_node(const std::string& name) {
  kube::Selection selection;
  selection.field_selector = "spec.nodeName=" + name;
  selection.repeat_timeout = false;
  return selection;
}

// InternalIPs, then ExternalIPs, as pods are told of their host (contract 02 §15.4).
std::vector<std::string> host_ips(const api::core::Node& node) {
  std::vector<std::string> out;
  for (const char* type : {"InternalIP", "ExternalIP"}) {
    for (const auto& address : node.status().addresses()) {
      if (address.type() == type) out.push_back(address.address());
    }
  }
  return out;
}

using NodeInformer = kube::Informer<api::core::Node>;
using PodInformer = kube::Informer<api::Pod>;

}  // namespace

struct Cluster::Parts {
  Parts(const ApiConnection::Base& given, std::unique_ptr<ApiConnection> given_api, NodeFacts& given_facts,
        NodeSettings given_settings, Hooks given_hooks)
      : base(given),
        api(std::move(given_api)),
        facts(given_facts),
        settings(std::move(given_settings)),
        hooks(std::move(given_hooks)),
        recorder(api->events(), base.random, base.node_name, base.log),
        nodes(api->main(), base.random, of_node(base.node_name), base.log),
        pods(api->main(), base.random, pods_of_node(base.node_name), base.log),
        services(api->main(), base.random, base.log),
        classes(api->main(), base.random, base.log),
        cache(api->main(), base.random, facts.sync_frequency, base.log),
        tokens(api->main(), base.random, base.log),
        pod_objects(cache, services, tokens),
        pod_api(api->main()),
        writer(base.loop, base.clock, base.random, pod_api, {}, base.log),
        mirrors(base.loop, base.clock, base.random, pod_api, base.log),
        sink(writer, mirrors),
        lease(base.clock, base.random, api->heartbeat(), base.node_name,
              base.configuration.kubelet.node_lease_duration_seconds, [this] { api->close_idle(); }, base.log),
        csi(base.loop, base.clock, base.random, api->main(), base.node_name, csi_hooks(), base.log),
        gate(base.loop) {}

  CsiNode::Hooks csi_hooks();
  NodeHooks node_hooks();
  ReadyCauses causes() const;
  RuntimeFacts runtime_facts() const;
  void on_node(NodePtr node);
  void on_pod(const PodInformer::Event& event);
  void take_api_pod(const api::PodPtr& pod);
  void on_pods_synced();
  base::Task<void> bring_up();
  base::Task<void> fetch_node(std::function<void(NodePtr)> answer);
  base::Task<Status> tell_pod_cidrs(std::string cidrs);

  // What the workers tell goes to the writer; static pods get mirrors as they are synced.
  class Sink final : public StatusSink {
   public:
    Sink(StatusWriter& writer, MirrorPods& mirrors) : writer_(writer), mirrors_(mirrors) {}
    void publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) override {
      if (is_static(*pod)) mirrors_.static_pod(pod);
      writer_.publish(pod, status, containers_may_run);
    }
    void terminated(const api::PodPtr& pod, const api::core::PodStatus& status) override {
      writer_.terminated(pod, status);
    }
    std::optional<api::core::PodStatus> known(const api::Pod& pod) const override { return writer_.known_status(pod); }
    void forget(const std::string& uid) override {
      mirrors_.static_pod_finished(uid);
      writer_.forget(uid);
    }
    void added(const api::PodPtr& pod) override {
      if (is_static(*pod)) mirrors_.static_pod_added(pod);
    }
    void removed(const api::PodPtr& pod) override {
      if (is_static(*pod)) mirrors_.static_pod_removed(pod->metadata().uid());
    }
    void sources_ready() override { mirrors_.sources_ready(); }

   private:
    StatusWriter& writer_;
    MirrorPods& mirrors_;
  };

  ApiConnection::Base base;
  std::unique_ptr<ApiConnection> api;
  NodeFacts& facts;
  NodeSettings settings;
  Hooks hooks;
  ApiEvents recorder;
  NodeInformer nodes;
  PodInformer pods;
  ServiceList services;
  RuntimeClasses classes;
  ObjectCache cache;
  TokenCache tokens;
  ApiPodObjects pod_objects;
  ClientPodApi pod_api;
  StatusWriter writer;
  MirrorPods mirrors;
  Sink sink;
  NodeLease lease;
  CsiNode csi;
  base::Gate gate;

  PodWorkers* workers = nullptr;
  RuntimeHealth* health = nullptr;
  cri::RuntimeService* runtime = nullptr;
  std::unique_ptr<ImageList> images;
  std::unique_ptr<NodeReporter> reporter;
  std::map<std::string, std::string> seen;  // config.seen by UID
};

CsiNode::Hooks Cluster::Parts::csi_hooks() {
  CsiNode::Hooks out;
  out.changed = [this] {
    if (reporter) reporter->update_soon();
  };
  out.failed = [this](std::string why) { hooks.fatal(std::move(why)); };
  return out;
}

ReadyCauses Cluster::Parts::causes() const {
  ReadyCauses out;
  out.runtime_status = health->status_problem();
  out.runtime = health->ready_problem();
  out.network = health->network_problem();
  out.pleg = hooks.pleg_problem();
  out.storage = csi.problem();
  return out;
}

RuntimeFacts Cluster::Parts::runtime_facts() const {
  RuntimeFacts out;
  out.version = images->runtime_version();
  out.handlers = health->handlers();
  out.supplemental_groups_policy = health->supplemental_groups_policy();
  out.user_namespaces_host_network = health->user_namespaces_host_network();
  return out;
}

NodeHooks Cluster::Parts::node_hooks() {
  NodeHooks out;
  out.cached_node = [this]() -> NodePtr { return nodes.find(base.node_name); };
  out.causes = [this] { return causes(); };
  out.runtime = [this] { return runtime_facts(); };
  out.addresses = look_up_addresses(base.pool, settings.addresses);
  out.images = [this] { return images->images(); };
  out.check_runtime = [this]() -> base::Task<void> { return health->check(); };
  out.take_pod_cidrs = [this](std::string cidrs) { return tell_pod_cidrs(std::move(cidrs)); };
  out.close_connections = [this] { api->close_idle(); };
  out.registered = [this] {
    csi.node_exists();
    hooks.changed();
  };
  out.answered = [this](const api::core::Node& node) {
    if (auto ips = host_ips(node); !ips.empty()) facts.info.node_ips = std::move(ips);
  };
  return out;
}

base::Task<Status> Cluster::Parts::tell_pod_cidrs(std::string cidrs) {
  auto told = co_await runtime->update_runtime_config(std::move(cidrs));
  co_return told;
}

void Cluster::Parts::on_node(NodePtr node) {
  if (node != nullptr) {
    if (auto ips = host_ips(*node); !ips.empty()) facts.info.node_ips = std::move(ips);
  }
  reporter->node_changed(node);
  mirrors.on_node(node);
}

// The agent's own annotations are on every pod that it holds (contract 02 §4).
void Cluster::Parts::take_api_pod(const api::PodPtr& pod) {
  auto own = std::make_shared<api::Pod>(*pod);
  auto& annotations = *own->mutable_metadata()->mutable_annotations();
  annotations[kConfigSource] = kApiSource;
  std::string& when = seen[pod->metadata().uid()];
  if (when.empty()) when = static_pods::format_seen(base.clock.now());
  annotations[kConfigSeen] = when;
  workers->set_pod(kApiSource, std::move(own));
}

void Cluster::Parts::on_pod(const PodInformer::Event& event) {
  const auto& meta = event.object->metadata();
  const bool mirror = meta.annotations().count(kMirror) > 0;
  if (event.change == kube::Change::removed) {
    mirrors.on_api_pod_removed(meta.uid());
    writer.on_api_pod_removed(meta.uid());
    if (!mirror) workers->remove_pod(meta.uid());
    seen.erase(meta.uid());
    tokens.forget_pod(meta.uid());
    return;
  }
  writer.on_api_pod(event.object);
  if (mirror) {
    mirrors.on_api_pod(event.object);
  } else {
    take_api_pod(event.object);
  }
}

void Cluster::Parts::on_pods_synced() {
  base.log.info("The pods of this node are known", {{"pods", pods.objects().size()}});
  mirrors.pods_synced();
  workers->source_ready(kApiSource);
}

// A certificate may have to come first; then all at once, and each part goes on by itself whatever the others do.
base::Task<void> Cluster::Parts::bring_up() {
  auto joined = co_await api->join();
  if (!joined.ok()) {
    hooks.fatal("no client certificate could be had: " + joined.error().to_string());
    co_return;
  }
  recorder.start();
  recorder.record_node(false, "Starting", "Starting kubelet.");
  cache.start();
  nodes.start(gate);
  services.start(gate);
  classes.start(gate);
  lease.start(gate);
  csi.start(gate);
  images->start(gate);
  reporter->start(gate);
  base::spawn(gate, "wipe resource slices",
              wipe_resource_slices(api->main(), base.random, base.node_name, base.log));
}

base::Task<void> Cluster::Parts::fetch_node(std::function<void(NodePtr)> answer) {
  auto read = co_await api->main().get<api::core::Node>("", base.node_name);
  answer(read.ok() ? std::make_shared<const api::core::Node>(std::move(*read)) : nullptr);
}

Result<std::unique_ptr<Cluster>> Cluster::create(const ApiConnection::Base& base, NodeFacts& facts,
                                                 const Machine& machine, Hooks hooks) {
  auto fatal = hooks.fatal;
  auto api = ApiConnection::create(base, [fatal] {
    fatal("the client certificate has expired and the API server gives no new one; starting anew");
  });
  if (!api.ok()) return api.error();
  auto capacity = read_capacity(base.configuration, machine, base.log);
  if (!capacity.ok()) return capacity.error();
  NodeSettings settings = node_settings(base.configuration, base.node_name, machine, std::move(*capacity));
  auto parts =
      std::make_unique<Parts>(base, std::move(*api), facts, std::move(settings), std::move(hooks));
  facts.runtime_class = [classes = &parts->classes](const std::string& name) { return classes->handler_of(name); };
  return std::unique_ptr<Cluster>(new Cluster(std::move(parts)));
}

Cluster::Cluster(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Cluster::~Cluster() = default;

StatusSink& Cluster::statuses() { return parts_->sink; }
PodObjects& Cluster::objects() { return parts_->pod_objects; }
EventRecorder& Cluster::events() { return parts_->recorder; }
NodeEventRecorder& Cluster::node_events() { return parts_->recorder; }

void Cluster::attach(PodWorkers& workers, RuntimeHealth& health, cri::RuntimeService& runtime,
                     cri::ImageService& images) {
  Parts& p = *parts_;
  p.workers = &workers;
  p.health = &health;
  p.runtime = &runtime;
  workers.expect_source(kApiSource);
  p.images = std::make_unique<ImageList>(p.base.loop, p.base.clock, runtime, images, p.settings.max_images,
                                         p.settings.version, p.base.log);
  p.reporter = std::make_unique<NodeReporter>(p.base.loop, p.base.clock, p.base.random, p.settings, p.api->main(),
                                              p.api->heartbeat(), p.recorder, p.node_hooks(), p.base.log);
  p.nodes.on_event([&p](const NodeInformer::Event& event) {
    p.on_node(event.change == kube::Change::removed ? nullptr : event.object);
  });
  // contract 01 §10: pods are not read before the Node was.
  p.nodes.when_synced([&p] { p.pods.start(p.gate); });
  p.pods.on_event([&p](const PodInformer::Event& event) { p.on_pod(event); });
  p.pods.when_synced([&p] { p.on_pods_synced(); });
  p.cache.on_change([&workers, &p](const std::string& uid) { p.base.loop.post([&workers, uid] { workers.wake(uid); }); });
}

void Cluster::start() {
  parts_->api->start(parts_->gate);
  base::spawn(parts_->gate, "cluster", parts_->bring_up());
}

void Cluster::runtime_changed() {
  parts_->images->refresh_soon();
  parts_->reporter->update_soon();
}

base::Task<void> Cluster::stop() {
  Parts& p = *parts_;
  co_await p.writer.stop();
  co_await p.mirrors.stop();
  co_await p.gate.stop();
  co_await p.recorder.stop();
  co_await p.cache.stop();
  co_await p.api->stop();
}

std::shared_ptr<const api::core::Node> Cluster::node() const {
  const Parts& p = *parts_;
  if (NodePtr newest = p.reporter->newest()) return newest;
  return std::make_shared<const api::core::Node>(
      first_node(p.settings, p.reporter->gather(), p.base.clock.now()).node);
}

void Cluster::read_node(std::function<void(std::shared_ptr<const api::core::Node>)> answer) {
  base::spawn(parts_->gate, "read node", parts_->fetch_node(std::move(answer)));
}

Cluster::View Cluster::view() const {
  const Parts& p = *parts_;
  View out;
  out.server = p.api->server();
  out.problem = !p.nodes.problem().empty() ? p.nodes.problem() : p.pods.problem();
  out.registered = p.reporter->registered();
  const NodePtr node = p.reporter->newest();
  out.ready = node != nullptr && is_ready(*node);
  out.unsent_statuses = p.writer.pending();
  return out;
}

}  // namespace keelson::agent
