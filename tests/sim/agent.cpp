#include "tests/sim/agent.hpp"

#include <boost/asio/co_spawn.hpp>
#include <vector>

#include "agent/node/capacity.hpp"
#include "config/tests/support.hpp"
#include "cri-client/handshake.hpp"
#include "static-pods/manifest.hpp"

namespace keelson::sim {
namespace {

using base::Task;

constexpr char kAddress[] = "192.0.2.10";
constexpr std::uint64_t kGiB = 1ull << 30;
constexpr auto kFirstScan = std::chrono::milliseconds(5);
constexpr auto kHandshakePause = std::chrono::seconds(1);

// The same for every agent of every run.
const config::Configuration& configuration() {
  static const config::Configuration made = [] {
    config::testing::FakeFiles files({{"/k.yaml",
                                       "apiVersion: kubelet.config.k8s.io/v1beta1\n"
                                       "kind: KubeletConfiguration\n"
                                       "staticPodPath: /etc/kubernetes/manifests\n"
                                       "serializeImagePulls: false\n"
                                       "maxParallelImagePulls: 3\n"
                                       "registryPullQPS: 0\n"}});
    auto outcome = config::load({"--config=/k.yaml", "--kubeconfig=/kc", std::string("--node-ip=") + kAddress,
                                 std::string("--hostname-override=") + kNode},
                                files);
    const auto* run = std::get_if<config::Run>(&outcome);
    KEELSON_CHECK(run != nullptr && "the simulation's configuration");
    return run->configuration;
  }();
  return made;
}

agent::Machine machine() {
  agent::Machine out;
  out.memory_bytes = 8 * kGiB;
  out.cpus = 4;
  out.kernel_version = "6.1.0";
  out.os_image = "Simulated";
  out.machine_id = "sim";
  out.system_uuid = "sim";
  out.boot_id = "boot";
  out.architecture = "amd64";
  return out;
}

agent::NodeSettings node_settings() {
  auto capacity = agent::make_capacity(configuration(), machine(), 100 * kGiB);
  KEELSON_CHECK(capacity.ok());
  return agent::node_settings(configuration(), kNode, machine(), std::move(*capacity));
}

agent::NodeFacts node_facts(base::SystemTime now) {
  agent::NodeFacts facts = agent::testing::make_facts(now);
  facts.node_name = kNode;
  facts.standalone = false;
  facts.info.node_ips = {kAddress};
  // Just enough for all pods that may be there at once, so that ranges are given out again and again.
  facts.id_pool.count = 16 * facts.id_pool.length;
  return facts;
}

Task<Result<agent::AddressFacts>> addresses() {
  agent::AddressFacts facts;
  facts.local = {{"eth0", kAddress}};
  facts.default_interface = "eth0";
  co_return facts;
}

// Killed agents, as they were.
std::vector<std::unique_ptr<SimAgent>>& graveyard() {
  static auto* graves = new std::vector<std::unique_ptr<SimAgent>>;
  return *graves;
}

base::Logger logger(World& world, const std::string& name) {
  if (!world.story.watched()) return {};
  return base::Logger(std::make_shared<base::LogSink>(base::LogFormat::text, 0, [&world, name](std::string_view line) {
    world.story.note(name + ": " + std::string(line));
  }));
}

}  // namespace

SimAgent::SimAgent(World& world, int number)
    : world_(world),
      name_("agent " + std::to_string(number)),
      clock_(world.timeline, loop_),
      random_(world.random()),
      log_(logger(world, name_)),
      wire_(world.outside, loop_),
      runtime_(wire_, world.outside, world.cri, world.event_faults, loop_, world.ran),
      files_(wire_, world.disk),
      cgroups_(wire_, world.disk),
      allocations_(wire_, world.disk),
      image_files_(wire_, world.disk),
      probes_(wire_, world),
      hook_http_(wire_, world),
      far_transport_(world.api, world.clock,
                     {std::string("system:node:") + kNode, {"system:nodes", "system:authenticated"}}),
      transport_(wire_, world.outside, far_transport_),
      facts_(node_facts(world.clock.now())),
      gate_(std::make_unique<base::Gate>(loop_)) {
  facts_.restart_rules = world.gates.restart_rules;
  facts_.restarts_all = world.gates.restarts_all;
  world_.add_way(&far_transport_);
}

SimAgent::~SimAgent() = default;

void SimAgent::kill(std::unique_ptr<SimAgent> agent) {
  agent->leave();
  graveyard().push_back(std::move(agent));
}

void SimAgent::bury(std::unique_ptr<SimAgent> agent) {
  agent->leave();
  agent->admission_.reset();
  agent->engine_.reset();
  agent->lifecycle_.reset();
  agent->volumes_.reset();
  agent->cluster_.reset();
  agent->gate_.reset();
  graveyard().push_back(std::move(agent));
}

void SimAgent::leave() {
  clock_.freeze();
  wire_.cut();
  far_transport_.close_all();
  world_.remove_way(&far_transport_);
}

agent::Cluster::Hooks SimAgent::hooks() {
  agent::Cluster::Hooks out;
  out.fatal = [this](std::string why) { fatal_ = std::move(why); };
  out.pleg_problem = [this] {
    const Status healthy = engine_->pleg().healthy();
    return healthy.ok() ? std::string() : healthy.error().message();
  };
  out.changed = [] {};
  out.addresses = [] { return addresses(); };
  return out;
}

std::unique_ptr<agent::AdmissionGate> SimAgent::make_admission() {
  auto made =
      agent::AdmissionGate::create(clock_, configuration(), facts_, machine().kernel_version, engine_->workers(),
                                   engine_->allocations(), cluster_->events(), [this] { return cluster_->node(); });
  KEELSON_CHECK(made.ok());
  (*made)->read_node_by(
      [this](std::function<void(agent::AdmissionGate::NodePtr)> answer) { cluster_->read_node(std::move(answer)); });
  return std::move(*made);
}

void SimAgent::build() {
  auto cluster = agent::Cluster::assemble({loop_, clock_, random_, configuration(), kNode, log_},
                                          std::make_unique<ApiWire>(loop_, clock_, transport_, log_), node_settings(),
                                          facts_, hooks());
  KEELSON_CHECK(cluster.ok());
  cluster_ = std::move(*cluster);
  volumes_ = std::make_unique<SimVolumes>(SimVolumes::Base{loop_, clock_, random_, wire_, world_.disk, log_});
  lifecycle_ = std::make_unique<agent::RuntimeHooks>(clock_, runtime_, hook_http_, cluster_->events());
  agent::PodEngineSettings settings;
  settings.pulls.parallel = 3;
  settings.pulls.qps = 0;
  engine_ = std::make_unique<agent::PodEngine>(
      agent::PodEngineParts{loop_, clock_, random_, facts_, runtime_, runtime_, files_, *volumes_, cgroups_,
                            cluster_->objects(), *lifecycle_, probes_, allocations_, cluster_->events(),
                            cluster_->statuses(), log_, &image_files_},
      settings);
  engine_->workers().expect_source("file");
  cluster_->attach(engine_->workers(), engine_->health(), runtime_, runtime_);
  admission_ = make_admission();
  agent::PodEngine::Hooks engine_hooks;
  engine_hooks.admit = [this](const api::PodPtr& pod) { return admission_->ask(pod); };
  engine_hooks.admit_resize = [this](const api::PodPtr& pod) { return admission_->ask_resize(pod); };
  engine_hooks.runtime_changed = [this] { cluster_->runtime_changed(); };
  engine_->set_hooks(std::move(engine_hooks));
}

void SimAgent::start() {
  build();
  base::spawn(*gate_, "manifests", read_manifests(kFirstScan));
  base::spawn(*gate_, "start", bring_up());
  base::spawn(*gate_, "sources", watch_sources());
}

// As agent/wiring/agent.cpp does it.
Task<void> SimAgent::bring_up() {
  volumes_->start(*gate_, cluster_->events());
  cluster_->start();
  co_await shake_hands();
  co_await engine_->start();
}

Task<void> SimAgent::watch_sources() {
  while (!engine_->workers().all_sources_ready()) co_await clock_.sleep_for(std::chrono::seconds(1));
  volumes_->pods_known();
}

Task<void> SimAgent::shake_hands() {
  while (true) {
    auto hands = co_await cri::shake_hands(runtime_, runtime_, clock_, "/run/cri.sock", "/run/cri.sock");
    if (hands.ok()) {
      facts_.runtime_name = hands->version.runtime_name;
      facts_.runtime_version = hands->version.runtime_version;
      co_return;
    }
    co_await clock_.sleep_for(kHandshakePause);
  }
}

void SimAgent::manifests_changed() {
  base::spawn(*gate_, "manifests", read_manifests(std::chrono::milliseconds(random_() % 200)));
}

Task<void> SimAgent::read_manifests(base::Duration delay) {
  co_await clock_.sleep_for(delay);
  std::vector<api::PodPtr> pods;
  const std::string seen = static_pods::format_seen(clock_.now());
  for (const api::Pod& read : world_.manifests()) {
    auto pod = std::make_shared<api::Pod>(read);
    (*pod->mutable_metadata()->mutable_annotations())[static_pods::kConfigSeen] = seen;
    pods.push_back(std::move(pod));
  }
  engine_->workers().set_pods("file", std::move(pods));
}

void SimAgent::stop() {
  base::asio::co_spawn(loop_.context(), shut_down(), [this](std::exception_ptr) { stopped_ = true; });
}

Task<void> SimAgent::shut_down() {
  co_await engine_->stop_workers();
  co_await volumes_->stop();
  co_await cluster_->stop();
  co_await gate_->stop();
  co_await engine_->stop();
}

}  // namespace keelson::sim
