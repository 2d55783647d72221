#include "tests/sim/simulation.hpp"

#include <algorithm>

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;
using Kind = fakes::FakeCri::Happening::Kind;

// Faults have ended: the longest wait is a whole back-off (300 s), after a listing that no event hurried (300 s).
constexpr auto kSettlingLimit = 20min;
constexpr auto kListingPeriod = 310s;
constexpr auto kQuietTime = 2min;  // garbage collection has passed

// Worlds stay as they are when their simulation is over: killed agents and their calls are still in them.
World& make_world(std::uint64_t seed) {
  static auto* worlds = new std::vector<std::unique_ptr<World>>;
  worlds->push_back(std::make_unique<World>(seed));
  return *worlds->back();
}

std::string describe(const fakes::FakeCri::Happening& happening) {
  static const std::map<Kind, const char*> kTexts = {
      {Kind::sandbox_created, "sandbox created"}, {Kind::sandbox_stopped, "sandbox stopped"},
      {Kind::sandbox_removed, "sandbox removed"}, {Kind::container_created, "created"},
      {Kind::container_started, "started"},       {Kind::stop_asked, "asked to stop"},
      {Kind::container_killed, "killed"},         {Kind::container_exited, "exited"},
      {Kind::container_removed, "removed"},       {Kind::container_updated, "updated"}};
  std::string text = kTexts.at(happening.kind);
  if (happening.container == nullptr) {
    return happening.sandbox->config.metadata.name + " " + happening.sandbox->id + " " + text;
  }
  const auto& container = *happening.container;
  if (happening.kind == Kind::stop_asked) text += " within " + std::to_string(happening.grace) + " s";
  if (happening.kind == Kind::container_exited) text += " " + std::to_string(container.exit_code);
  const auto name = container.config.labels.find("io.kubernetes.pod.name");
  return (name == container.config.labels.end() ? container.pod_uid : name->second) + "/" +
         container.config.metadata.name + " " + container.id + " #" +
         std::to_string(container.config.metadata.attempt) + " " + text;
}

std::string describe(const std::string& type, const api::Pod& pod) {
  std::string text = pod.metadata().name() + " " + type + " " + pod.status().phase();
  if (!pod.status().reason().empty()) text += " " + pod.status().reason();
  if (pod.metadata().has_deletiontimestamp()) {
    text += " deleting(" + std::to_string(pod.metadata().deletiongraceperiodseconds()) + ")";
  }
  for (const auto* list : {&pod.status().initcontainerstatuses(), &pod.status().containerstatuses()}) {
    for (const auto& entry : *list) {
      text += " " + entry.name() + "=";
      if (entry.state().has_running()) text += entry.ready() ? "ready" : "running";
      if (entry.state().has_terminated()) text += "exit" + std::to_string(entry.state().terminated().exitcode());
      if (entry.state().has_waiting()) text += "waiting:" + entry.state().waiting().reason();
      if (entry.restartcount() > 0) text += "*" + std::to_string(entry.restartcount());
    }
  }
  return text;
}

}  // namespace

Simulation::Simulation(Options options)
    : options_(std::move(options)),
      chance_(options_.seed * 3 + 1),
      world_(make_world(options_.seed * 3 + 2)),
      ledger_(world_.clock),
      inputs_(world_, ledger_, control(), options_.seed * 3, options_.fault_percent) {
  if (options_.print) world_.story.print_to(options_.print);
  invariants_ = make_invariants({world_, ledger_, [this] { return agent_.get(); }, [this] { return faults_stopped_; }});
  listen();
}

Simulation::~Simulation() {
  if (agent_) SimAgent::kill(std::move(agent_));
}

void Simulation::listen() {
  world_.cri.on_happening([this](const fakes::FakeCri::Happening& happening) {
    world_.story.tell("runtime", describe(happening));
    ledger_.on_runtime(happening);
    for (const auto& invariant : invariants_) invariant->on_runtime(happening);
    collect_violations();
  });
  world_.probed = [this](const probes::ProbeKey& key, bool success) { ledger_.on_probed(key, success); };
  world_.ran = [this](const std::string& id, const std::vector<std::string>& command, bool begins) {
    ledger_.on_hook(id, command, begins);
  };
  world_.api.on_change([this](const std::string& type, const google::protobuf::Message& object) {
    if (object.GetDescriptor() != api::Pod::descriptor()) return;
    const auto& pod = static_cast<const api::Pod&>(object);
    world_.story.tell("api", describe(type, pod));
    ledger_.on_api_pod(type, gated(pod, world_.gates));
    for (const auto& invariant : invariants_) invariant->on_api_pod(type, pod);
    collect_violations();
  });
}

AgentControl Simulation::control() {
  AgentControl out;
  out.agent = [this] { return agent_.get(); };
  out.crash_in = [this](std::size_t handlers) {
    if (handlers == 0) return crash_now("");
    crash_in_ = handlers;
  };
  out.stop = [this] { stop_agent(); };
  out.start = [this] {
    if (!agent_) start_agent();
  };
  out.pass = [this](base::Duration duration) { run_for(duration); };
  return out;
}

// --- Agents ---

void Simulation::start_agent() {
  // What the last one had asked for has had its time: the runtime notices that nobody listens.
  world_.outside.end_orphans();
  agent_ = std::make_unique<SimAgent>(world_, ++agents_);
  ledger_.on_agent_started(agents_);
  world_.end_trouble("agent");
  world_.story.tell(agent_->name(), "starts");
  crash_in_.reset();
  agent_->start();
}

void Simulation::stop_agent() {
  if (!agent_) return;
  world_.story.tell(agent_->name(), "is asked to stop");
  world_.begin_trouble("agent");
  agent_->stop();
  if (!run_until([this] { return !agent_ || agent_->stopped(); }, 5min)) {
    fail("stops", "the agent has not stopped 5 minutes after SIGTERM");
  }
  if (!agent_ || !agent_->stopped()) return;
  world_.story.tell(agent_->name(), "has stopped");
  SimAgent::bury(std::move(agent_));
}

void Simulation::crash_now(const std::string& how) {
  crash_in_.reset();
  if (!agent_) return;
  world_.story.tell(agent_->name(), "is killed" + how);
  world_.begin_trouble("agent");
  SimAgent::kill(std::move(agent_));
}

// contract 01: an agent that cannot tell its CSINode for minutes ends itself, and is started again.
bool Simulation::end_by_itself() {
  const bool known = agent_->fatal().find("CSINode") != std::string::npos;
  if (!known) fail("lives", "the agent would end itself: " + agent_->fatal());
  crash_now(", by itself: " + agent_->fatal());
  return true;
}

// --- Time ---

bool Simulation::turn() {
  const bool world_first = chance_() % 2 == 0;
  if (world_first && sim::turn(world_.loop)) return ++handlers_, true;
  if (agent_ && agent_->turn()) {
    ++handlers_;
    if (!agent_->fatal().empty()) return end_by_itself();
    if (crash_in_ && --*crash_in_ == 0) crash_now("");
    return true;
  }
  return !world_first && sim::turn(world_.loop) && ++handlers_ > 0;
}

void Simulation::run_for(base::Duration duration) {
  const base::SteadyTime end = world_.timeline.now() + duration;
  run_until([] { return false; }, end - world_.timeline.now());
}

bool Simulation::run_until(const std::function<bool()>& condition, base::Duration limit) {
  const base::SteadyTime end = world_.timeline.now() + limit;
  while (!failed()) {
    if (turn()) continue;
    if (condition()) return true;
    const base::SteadyTime next = std::min(world_.timeline.next_deadline(), world_.cri.next_end());
    if (next > end) {
      world_.timeline.advance(end);
      return false;
    }
    world_.timeline.advance(next);
    world_.cri.settle();
  }
  return false;
}

// --- What must hold ---

void Simulation::fail(std::string_view invariant, std::string text, std::string_view reason) {
  if (failed()) return;
  failure_.invariant = invariant;
  failure_.violation = std::move(text);
  failure_.reason = reason;
  world_.story.tell("VIOLATED", failure_.invariant + ": " + failure_.violation);
}

void Simulation::collect_violations() {
  for (const auto& invariant : invariants_) {
    if (!invariant->violation().empty()) fail(invariant->name(), invariant->violation(), invariant->reason());
  }
}

Outcome Simulation::play() {
  inputs_.begin();
  start_agent();
  const int steps = options_.steps > 0 ? options_.steps : 10 + static_cast<int>(chance_() % 51);
  for (int step = 0; step < steps && !failed(); ++step) {
    inputs_.act();
    run_for(inputs_.pause());
    // A crash that was to come in so many handlers comes when the agent did not run as many.
    if (crash_in_) crash_now(" while it waits");
    if (!agent_ && !failed()) {
      run_for(std::chrono::milliseconds(chance_() % 20'000));
      start_agent();
    }
    for (const auto& invariant : invariants_) invariant->after_step();
    collect_violations();
  }
  if (!failed()) settle();
  failure_.hash = world_.story.hash();
  failure_.lines = world_.story.lines();
  failure_.virtual_time = world_.timeline.elapsed();
  failure_.handlers = handlers_;
  failure_.agents = static_cast<std::uint64_t>(agents_);
  failure_.last.assign(world_.story.last().begin(), world_.story.last().end());
  return failure_;
}

void Simulation::settle() {
  inputs_.end_faults();
  faults_stopped_ = true;
  come_to_rest();
  if (!failed()) run_for(kQuietTime);
  // An exit of which no event told is seen by the next listing.
  const base::Duration unsure = world_.events_lost + kListingPeriod - world_.timeline.now();
  if (!failed() && world_.events_lost > base::SteadyTime{} && unsure.count() > 0) run_for(unsure);
  // What has its time still ends: by its deadline, or by itself.
  if (!failed()) come_to_rest();
  for (int i = 0; i < 12 && !failed() && changed_lately(); ++i) run_for(5s);
  if (failed()) return;
  for (const auto& invariant : invariants_) invariant->at_rest();
  collect_violations();
}

// Something has ended or begun of which the API cannot have heard yet, or is being ended.
bool Simulation::changed_lately() const {
  const base::SteadyTime lately = world_.timeline.now() - 5s;
  for (const auto& [uid, pod] : ledger_.pods()) {
    for (const Instance& instance : pod.instances) {
      if (instance.running() && instance.stop_tried) return true;
      if (instance.exited.value_or(instance.started.value_or(base::SteadyTime{})) > lately) return true;
    }
  }
  return false;
}

void Simulation::come_to_rest() {
  const base::SteadyTime end = world_.timeline.now() + kSettlingLimit;
  while (!failed() && !settled() && world_.timeline.now() < end) {
    run_for(10s);
    if (!agent_) start_agent();
    // What the node gave up its controller hands to it anew.
    inputs_.control_claims();
  }
  if (!failed() && !settled()) {
    fail("settles", why_unsettled(), "after faults stop, actual = desired within a bounded time");
  }
}

// contract 02 §6.1: under Never a pod that has containers gets no second sandbox, even if its init containers alone
// ran: it stays Pending as it is.
bool Simulation::lost_its_sandbox(const PodLife& pod) const {
  const bool any_ready =
      std::any_of(pod.sandboxes.begin(), pod.sandboxes.end(), [](const auto& each) { return each.second; });
  return pod.pod.spec().restartpolicy() == "Never" && !pod.any_running() && !pod.sandboxes.empty() && !any_ready;
}

bool Simulation::settled() { return why_unsettled().empty(); }

std::string Simulation::why_unsettled() {
  for (PodLife* pod : ledger_.wanted()) {
    const std::string about = "pod " + pod->name + " " + pod->uid + " ";
    const auto shown = pod->is_static ? world_.api.get<api::Pod>(kNamespace, pod->name) : std::optional(pod->pod);
    if (shown && is_terminal(*shown)) continue;
    agent::PodWorker* worker = agent_->engine().workers().worker(pod->uid);
    if (worker == nullptr) return about + "has no worker";
    if (lost_its_sandbox(*pod) || pod->cannot_be_told()) continue;
    // An image that some cut pull has left belongs to nobody, and this pod pulls none.
    const std::string& waits_for = worker->journal().waiting().what;
    if (waits_for.find("ErrImageNeverPull") != std::string::npos) continue;
    if (worker->status().phase() != "Running") {
      return about + "is " + worker->status().phase() + ", waits for: " + waits_for;
    }
    if (!shown || shown->status().phase() != "Running") {
      return about + (shown ? "is shown as " + shown->status().phase() : "is not shown");
    }
  }
  for (const auto& [uid, pod] : ledger_.pods()) {
    const std::string about = "pod " + pod.name + " " + uid + " ";
    if (pod.control && !pod.is_static && pod.wanted() && !pod.any_running()) return about + "does not run";
    if (pod.deletion_asked && !pod.gone) return about + "is still in the API";
    if (pod.gone && world_.cri.knows(uid)) return about + "is still in the runtime";
    if (pod.gone && agent_->engine().workers().worker(uid) != nullptr) return about + "still has a worker";
  }
  for (const char* claim : kClaims) {
    if (!world_.disk.node_volumes.shows(device_of(pv_of(claim)))) continue;
    if (std::string lacks = world_.disk.claims.lacks(claim); !lacks.empty()) return lacks;
  }
  return "";
}

}  // namespace keelson::sim
