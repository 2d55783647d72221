#include "agent/wiring/cluster.hpp"

#include "agent/events/api_events.hpp"
#include "agent/node/csi_node.hpp"
#include "agent/node/image_list.hpp"
#include "agent/node/lease.hpp"
#include "agent/node/node_reporter.hpp"
#include "agent/node/resource_slices.hpp"
#include "agent/objects/api_pod_objects.hpp"
#include "agent/objects/runtime_classes.hpp"
#include "agent/wiring/cluster_pods.hpp"
#include "agent/wiring/node_facts_builder.hpp"
#include "kube-client/informer.hpp"
#include "kube-client/serving_certificate.hpp"
#include "kube-client/signing_api.hpp"

namespace keelson::agent {
namespace {

kube::Selection of_node(const std::string& name) {
  kube::Selection selection;
  selection.field_selector = "metadata.name=" + name;
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

// contract 02 §22.3; the agent tells it once at its start.
constexpr char kCgroupV1[] =
    "cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future release. Please migrate to "
    "cgroup v2. More information at https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1";
// An agent that starts again beside a healthy runtime must not say NotReady before it has asked.
constexpr auto kRuntimePatience = std::chrono::seconds(5);

using NodeInformer = kube::Informer<api::core::Node>;

}  // namespace

struct Cluster::Parts {
  Parts(Base given, std::unique_ptr<ApiAccess> given_api, NodeFacts& given_facts, NodeSettings given_settings,
        Hooks given_hooks)
      : base(std::move(given)),
        api(std::move(given_api)),
        facts(given_facts),
        settings(std::move(given_settings)),
        hooks(std::move(given_hooks)),
        recorder(api->events(), base.random, base.node_name, base.log),
        nodes(api->main(), base.random, of_node(base.node_name), base.log),
        pods(base.loop, base.clock, base.random, api->main(), base.node_name, base.log),
        services(api->main(), base.random, base.log),
        classes(api->main(), base.random, base.log),
        cache(api->main(), base.random, facts.sync_frequency, base.log),
        tokens(api->main(), base.random, base.log),
        pod_objects(api->main(), cache, services, tokens),
        lease(
            base.clock, base.random, api->lease(), base.node_name,
            base.configuration.kubelet.node_lease_duration_seconds, [this] { api->close_idle(); }, base.log),
        csi(base.loop, base.clock, base.random, api->main(), base.node_name, csi_hooks(), base.log),
        signing(api->main(), base.random, base.log),
        runtime_bell(base.loop),
        gate(base.loop) {
    add_sources();
  }

  void add_sources();
  CsiNode::Hooks csi_hooks();
  NodeHooks node_hooks();
  Status load_serving_certificate();
  ReadyCauses causes() const;
  RuntimeFacts runtime_facts() const;
  void on_node(NodePtr node);
  base::Task<void> bring_up();
  base::Task<void> fetch_node(std::function<void(NodePtr)> answer);
  base::Task<Status> tell_pod_cidrs(std::string cidrs);

  Base base;
  std::unique_ptr<ApiAccess> api;
  NodeFacts& facts;
  NodeSettings settings;
  Hooks hooks;
  ApiEvents recorder;
  NodeInformer nodes;
  ClusterPods pods;
  ServiceList services;
  RuntimeClasses classes;
  ObjectCache cache;
  TokenCache tokens;
  std::unique_ptr<TrustBundles> bundles;          // with gate ClusterTrustBundleProjection
  std::unique_ptr<PodCertificates> certificates;  // with gate PodCertificateRequest
  ApiPodObjects pod_objects;
  NodeLease lease;
  CsiNode csi;
  kube::KubeSigningApi signing;
  RotationAges serving_rotations;
  std::unique_ptr<kube::CertificateManager> serving;  // with serverTLSBootstrap
  base::Notification runtime_bell;                    // it was spoken to
  base::Gate gate;

  VolumeHooks volumes;
  RuntimeHealth* health = nullptr;
  cri::RuntimeService* runtime = nullptr;
  std::unique_ptr<ImageList> images;
  std::unique_ptr<NodeReporter> reporter;
};

// What gates let volumes be made of.
void Cluster::Parts::add_sources() {
  const config::FeatureGates& gates = base.configuration.gates;
  if (gates.enabled("ClusterTrustBundleProjection")) {
    bundles = std::make_unique<TrustBundles>(api->main(), base.random, base.log);
    pod_objects.use(*bundles);
  }
  if (gates.enabled("PodCertificateRequest")) {
    PodCertificates::Base own{
        api->main(), base.random, recorder, base.node_name, [this] { return nodes.find(base.node_name); }, base.log};
    certificates = std::make_unique<PodCertificates>(std::move(own));
    pod_objects.use(*certificates);
  }
}

CsiNode::Hooks Cluster::Parts::csi_hooks() {
  CsiNode::Hooks out;
  out.changed = [this] {
    if (reporter) reporter->update_soon();
  };
  out.failed = [this](std::string why) { hooks.fatal(std::move(why)); };
  return out;
}

// By signing requests of its own, whatever the HTTPS API does with it (contract 01 §6.2).
Status Cluster::Parts::load_serving_certificate() {
  const auto& kubelet = base.configuration.kubelet;
  if (!kubelet.server_tls_bootstrap) return {};
  kube::CertificateStore store(base.configuration.flags.cert_dir, "kubelet-server", kubelet.tls_cert_file,
                               kubelet.tls_private_key_file);
  auto purpose = kube::serving_purpose(base.node_name, [this] {
    std::vector<api::core::NodeAddress> out;
    if (const NodePtr node = nodes.find(base.node_name)) {
      out.assign(node->status().addresses().begin(), node->status().addresses().end());
    }
    return out;
  });
  purpose.replaceable = true;
  purpose.rotated = [this](base::Duration age) { serving_rotations.observe(age); };
  serving = std::make_unique<kube::CertificateManager>(base.loop, base.clock, base.random, std::move(store),
                                                       std::move(purpose), base.log);
  return serving->load().wrap("while loading the serving certificate");
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
  out.addresses = hooks.addresses;
  out.images = [this] { return images->images(); };
  out.check_runtime = [this] { return health->check(); };
  out.take_pod_cidrs = [this](std::string cidrs) { return tell_pod_cidrs(std::move(cidrs)); };
  // There is no device manager, so nothing that an earlier agent offered can be given out.
  out.reset_devices = [] { return true; };
  out.close_connections = [this] { api->close_idle(); };
  if (volumes.in_use) out.volumes_in_use = volumes.in_use;
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
  if (serving) serving->names_changed();
  if (volumes.node_changed) volumes.node_changed();
  pods.on_node(node);
}

// A certificate may have to come first; then all at once, and each part goes on by itself whatever the others do.
base::Task<void> Cluster::Parts::bring_up() {
  auto joined = co_await api->join();
  if (!joined.ok()) {
    hooks.fatal("no client certificate could be had: " + joined.error().to_string());
    co_return;
  }
  if (volumes.joined) volumes.joined();
  recorder.start();
  cache.start();
  nodes.start(gate);
  services.start(gate);
  classes.start(gate);
  lease.start(gate);
  csi.start(gate);
  images->start(gate);
  if (serving) serving->start(gate, signing, nullptr);
  base::spawn(gate, "wipe resource slices", wipe_resource_slices(api->main(), base.random, base.node_name, base.log));
  co_await runtime_bell.wait_for(base.clock, kRuntimePatience);
  reporter->start(gate);
  if (!facts.info.cgroup_v2) recorder.record_node(true, "CgroupV1", kCgroupV1);
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
  Base own{base.loop, base.clock, base.random, base.configuration, base.node_name, base.log};
  auto cluster = assemble(std::move(own), std::move(*api), std::move(settings), facts, std::move(hooks));
  if (!cluster.ok()) return cluster;
  Parts& parts = *(*cluster)->parts_;
  parts.hooks.addresses = look_up_addresses(base.pool, parts.settings.addresses);
  return cluster;
}

Result<std::unique_ptr<Cluster>> Cluster::assemble(Base base, std::unique_ptr<ApiAccess> api, NodeSettings settings,
                                                   NodeFacts& facts, Hooks hooks) {
  auto parts = std::make_unique<Parts>(std::move(base), std::move(api), facts, std::move(settings), std::move(hooks));
  KEELSON_TRY(parts->load_serving_certificate());
  facts.runtime_class = [classes = &parts->classes](const std::string& name) { return classes->handler_of(name); };
  return std::unique_ptr<Cluster>(new Cluster(std::move(parts)));
}

Cluster::Cluster(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Cluster::~Cluster() = default;

StatusSink& Cluster::statuses() { return parts_->pods.sink(); }
PodObjects& Cluster::objects() { return parts_->pod_objects; }
EventRecorder& Cluster::events() { return parts_->recorder; }
NodeEventRecorder& Cluster::node_events() { return parts_->recorder; }

void Cluster::attach(PodWorkers& workers, RuntimeHealth& health, cri::RuntimeService& runtime,
                     cri::ImageService& images) {
  Parts& p = *parts_;
  p.health = &health;
  p.runtime = &runtime;
  p.images = std::make_unique<ImageList>(p.base.loop, p.base.clock, runtime, images, p.settings.max_images,
                                         p.settings.version, p.base.log);
  p.reporter = std::make_unique<NodeReporter>(p.base.loop, p.base.clock, p.base.random, p.settings, p.api->main(),
                                              p.api->heartbeat(), p.recorder, p.node_hooks(), p.base.log);
  p.nodes.on_event([&p](const NodeInformer::Event& event) {
    p.on_node(event.change == kube::Change::removed ? nullptr : event.object);
  });
  // contract 01 §10: pods are not read before the Node was.
  p.nodes.when_synced([&p] { p.pods.start(p.gate); });
  p.pods.attach(workers, [&p](const std::string& uid) { p.tokens.forget_pod(uid); });
  const auto objects_changed = [&workers, &p](const std::string& uid) {
    p.base.loop.post([&workers, &p, uid] {
      if (p.volumes.objects_changed) p.volumes.objects_changed(uid);
      workers.wake(uid);
    });
  };
  p.cache.on_change(objects_changed);
  if (p.bundles) p.bundles->on_change(objects_changed);
  if (p.certificates) p.certificates->on_change(objects_changed);
}

void Cluster::attach_volumes(VolumeHooks hooks) { parts_->volumes = std::move(hooks); }
kube::Client& Cluster::client() { return parts_->api->main(); }
TokenCache& Cluster::tokens() { return parts_->tokens; }
std::shared_ptr<const api::core::Node> Cluster::cached_node() const {
  return parts_->nodes.find(parts_->base.node_name);
}
void Cluster::report_soon() {
  if (parts_->reporter) parts_->reporter->update_soon();
}

void Cluster::start() {
  parts_->api->start(parts_->gate);
  base::spawn(parts_->gate, "cluster", parts_->bring_up());
}

void Cluster::runtime_changed() {
  parts_->runtime_bell.notify();
  parts_->images->refresh_soon();
  parts_->reporter->update_soon();
}

base::Task<void> Cluster::stop() {
  Parts& p = *parts_;
  co_await p.pods.stop();
  co_await p.gate.stop();
  co_await p.recorder.stop();
  co_await p.cache.stop();
  if (p.bundles) co_await p.bundles->stop();
  if (p.certificates) co_await p.certificates->stop();
  co_await p.api->stop();
}

std::shared_ptr<const api::core::Node> Cluster::node() const {
  const Parts& p = *parts_;
  if (NodePtr newest = p.reporter->newest()) return newest;
  return std::make_shared<const api::core::Node>(first_node(p.settings, p.reporter->gather(), p.base.clock.now()).node);
}

void Cluster::read_node(std::function<void(std::shared_ptr<const api::core::Node>)> answer) {
  base::spawn(parts_->gate, "read node", parts_->fetch_node(std::move(answer)));
}

ApiAccess& Cluster::api() { return *parts_->api; }
const ClusterPods& Cluster::pods() const { return parts_->pods; }
const NodeStartup& Cluster::startup() const { return parts_->reporter->startup(); }
kube::CertificateManager* Cluster::serving_certificate() const { return parts_->serving.get(); }
std::optional<base::CountsBy<2>> Cluster::pod_certificates() const {
  if (parts_->certificates == nullptr) return std::nullopt;
  return parts_->certificates->states();
}

const Cluster::RotationAges& Cluster::serving_rotations() const { return parts_->serving_rotations; }

Cluster::View Cluster::view() const {
  Parts& p = *parts_;
  View out;
  out.server = p.api->server();
  out.problem = !p.nodes.problem().empty() ? p.nodes.problem() : p.pods.problem();
  out.registered = p.reporter->registered();
  const NodePtr node = p.reporter->newest();
  out.ready = node != nullptr && is_ready(*node);
  out.unsent_statuses = p.pods.writer().pending();
  return out;
}

}  // namespace keelson::agent
