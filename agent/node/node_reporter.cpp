#include "agent/node/node_reporter.hpp"

#include <charconv>

namespace keelson::agent {
namespace {

using api::core::Node;

constexpr base::Duration kFirstRetry = std::chrono::milliseconds(100);
constexpr base::Duration kLastRetry = std::chrono::seconds(7);
constexpr int kTries = 5;
constexpr double kJitter = 0.04;
constexpr base::Duration kFastPathLasts = std::chrono::seconds(120);
constexpr base::Duration kFastPause = std::chrono::milliseconds(100);
constexpr base::Duration kSpacing = std::chrono::seconds(1);
constexpr base::Duration kRuntimePatience = std::chrono::seconds(2);
constexpr base::Duration kFirstAnswers = std::chrono::seconds(5);
constexpr base::Duration kFirstLookup = std::chrono::seconds(5);
constexpr base::Duration kLookupLimit = std::chrono::seconds(60);

// Resource versions grow; one that is no number compares as the oldest.
std::uint64_t version_of(const Node& node) {
  const std::string& text = node.metadata().resourceversion();
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::function<Result<AddressFacts>()> lookup_work(const AddressSettings& settings) {
  return [settings]() -> Result<AddressFacts> { return gather_address_facts(settings); };
}

base::Task<Result<AddressFacts>> look_up(base::BlockingPool& pool, const AddressSettings& settings) {
  std::function<Result<AddressFacts>()> work = lookup_work(settings);
  auto facts = co_await pool.run<AddressFacts>("looking up the node's addresses", kLookupLimit, std::move(work));
  co_return facts;
}

}  // namespace

std::function<base::Task<Result<AddressFacts>>()> look_up_addresses(base::BlockingPool& pool,
                                                                    const AddressSettings& settings) {
  return [&pool, &settings] { return look_up(pool, settings); };
}

NodeReporter::NodeReporter(base::Loop& loop, base::Clock& clock, base::Random& random, NodeSettings settings,
                           kube::Client& main, kube::Client& heartbeat, NodeEventRecorder& events, NodeHooks hooks,
                           base::Logger log)
    : clock_(clock),
      random_(random),
      settings_(std::move(settings)),
      main_(main),
      heartbeat_(heartbeat),
      events_(events),
      hooks_(std::move(hooks)),
      log_(std::move(log)),
      bell_(loop),
      address_bell_(loop),
      addresses_known_(loop),
      times_(settings_.report_frequency, random) {}

void NodeReporter::start(base::Gate& gate) {
  started_ = clock_.steady_now();
  events_.record_node(false, "Starting", "Starting kubelet.");
  base::spawn(gate, "node addresses", keep_addresses());
  base::spawn(gate, "node status", run());
}

base::Task<void> NodeReporter::run() {
  co_await addresses_known_.wait_for(clock_, kFirstLookup);
  if (settings_.register_node) co_await register_node();
  registered_ = true;
  if (hooks_.registered) hooks_.registered();
  co_await await_first_answers();
  while (true) {
    co_await report();
    co_await wait_for_cause();
  }
}

// An agent that starts again on a node that is Ready says nothing else before everything was asked once.
base::Task<void> NodeReporter::await_first_answers() {
  const auto limit = clock_.steady_now() + kFirstAnswers;
  while (clock_.steady_now() < limit) {
    const NodePtr node = newest();
    if (node == nullptr || !is_ready(*node) || texts(hooks_.causes()).empty()) co_return;
    co_await bell_.wait_for(clock_, kFastPause);
  }
}

// Beside the rounds, which never wait for name resolution: each asks for a lookup and takes the last answer.
base::Task<void> NodeReporter::keep_addresses() {
  while (true) {
    auto facts = co_await hooks_.addresses();
    if (facts.ok()) {
      took_addresses(std::move(*facts));
    } else {
      log_.warning("The node's addresses cannot be looked up", {{"err", facts.error()}});
    }
    addresses_known_.notify();
    co_await address_bell_.wait();
  }
}

void NodeReporter::took_addresses(AddressFacts facts) {
  const auto ips = choose_node_ips(settings_.addresses, facts);
  std::vector<std::string> chosen = ips.ok() ? *ips : std::vector<std::string>();
  if (chosen != chosen_ips_) update_soon();
  chosen_ips_ = std::move(chosen);
  addresses_ = std::move(facts);
}

// --- Registration

base::Task<void> NodeReporter::register_node() {
  base::Backoff pause(kFirstRetry, kLastRetry, 2.0);
  std::string problem;
  while (true) {
    co_await clock_.sleep_for(pause.next(random_));
    const Status done = co_await try_to_register();
    if (done.ok()) break;
    const std::string text = done.error().to_string();
    if (text != problem) log_.warning("The node cannot be registered yet", {{"node", settings_.name}, {"err", text}});
    problem = text;
    address_bell_.notify();
  }
}

base::Task<Status> NodeReporter::try_to_register() {
  NextStatus first = first_node(settings_, gather(), clock_.now());
  tell_round(first);
  if (!std::exchange(first_told_, true)) tell(first.events);
  if (!startup_.first_try) startup_.first_try = clock_.now();
  Node copy = first.node;
  auto made = co_await main_.create<Node>("", std::move(copy));
  if (made.ok()) {
    log_.info("Node registered", {{"node", settings_.name}});
    startup_.registered = clock_.now();
    if (is_ready(*made)) startup_.ready = startup_.registered;
    took(std::move(*made));
    co_return Status();
  }
  const int code = made.error().code();
  const bool may_exist = code == 409 || (code == 403 && !settings_.get_only_when_it_exists);
  if (!may_exist) co_return std::move(made).error().wrap("while creating the Node");
  Status adopted = co_await adopt(std::move(first.node));
  // Not there, and not ours to create: the refusal says more.
  if (!adopted.ok() && adopted.error().kind() == ErrorKind::not_found) {
    co_return std::move(made).error().wrap("while creating the Node");
  }
  co_return adopted;
}

base::Task<Status> NodeReporter::adopt(Node wanted) {
  auto existing = co_await main_.get<Node>("", settings_.name);
  if (!existing.ok()) co_return std::move(existing).error().wrap("while reading the existing Node");
  Node before = std::move(*existing);
  const bool reset = hooks_.reset_devices && hooks_.reset_devices();
  std::string patch = status_patch(before, reconciled(before, wanted, reset));
  if (patch == "{}") {
    took(std::move(before));
    co_return Status();
  }
  auto patched =
      co_await main_.patch<Node>("", settings_.name, kube::PatchType::strategic_merge, std::move(patch), "status");
  if (!patched.ok()) co_return std::move(patched).error().wrap("while putting the existing Node right");
  log_.info("Node was there already", {{"node", settings_.name}});
  took(std::move(*patched));
  co_return Status();
}

// --- Status rounds

StatusInputs NodeReporter::gather() const {
  StatusInputs inputs;
  inputs.causes = hooks_.causes();
  inputs.runtime = hooks_.runtime();
  inputs.addresses = addresses_;
  if (hooks_.pressures) inputs.pressures = hooks_.pressures();
  if (hooks_.images) inputs.images = hooks_.images();
  if (hooks_.volumes_in_use) inputs.volumes_in_use = hooks_.volumes_in_use();
  if (hooks_.devices) inputs.devices = hooks_.devices();
  return inputs;
}

base::Task<void> NodeReporter::report() {
  std::string problem = "the Node is not known yet";
  for (int attempt = 0; attempt < kTries; ++attempt) {
    NodePtr before;
    if (attempt == 0) {
      before = newest();
    } else {
      auto read = co_await heartbeat_.get<Node>("", settings_.name);
      if (read.ok()) before = std::make_shared<const Node>(std::move(*read));
      if (!read.ok()) problem = read.error().to_string();
      if (!read.ok() && read.error().kind() == ErrorKind::not_found) {
        answered_ = nullptr;
        break;
      }
    }
    if (before != nullptr) {
      const Status sent = co_await report_once(std::move(before));
      if (sent.ok()) {
        if (!problem_.empty()) log_.info("The node's status can be sent again");
        problem_.clear();
        address_bell_.notify();
        co_return;
      }
      problem = sent.error().to_string();
    }
    if (attempt > 0 && hooks_.close_connections) hooks_.close_connections();
  }
  if (problem != problem_) log_.warning("The node's status cannot be sent", {{"err", problem}});
  problem_ = problem;
  address_bell_.notify();
}

base::Task<Status> NodeReporter::report_once(NodePtr known) {
  const Node& before = *known;
  const bool other_cidrs = co_await hand_over_pod_cidrs(pod_cidrs(before));
  NextStatus next = next_status(settings_, gather(), before, clock_.now());
  tell_round(next);
  tell_schedulable(before);
  const bool changed = other_cidrs || status_differs(before, next.node);
  if (!times_.due(changed, clock_.steady_now())) co_return Status();
  times_.decided(changed, random_);
  std::string patch = status_patch(before, next.node);
  auto patched =
      co_await heartbeat_.patch<Node>("", settings_.name, kube::PatchType::strategic_merge, std::move(patch), "status");
  if (!patched.ok()) co_return std::move(patched).error().wrap("while sending the node's status");
  times_.sent(clock_.steady_now());
  if (startup_.registered && !startup_.ready && is_ready(*patched)) startup_.ready = clock_.now();
  tell(next.events);
  took(std::move(*patched));
  co_return Status();
}

// True when the runtime was told others than before.
base::Task<bool> NodeReporter::hand_over_pod_cidrs(std::string cidrs) {
  if (cidrs.empty() || cidrs == pod_cidrs_ || !hooks_.take_pod_cidrs) co_return false;
  const auto taken = co_await base::with_timeout(clock_, kRuntimePatience, hooks_.take_pod_cidrs(cidrs));
  if (taken && taken->ok()) {
    pod_cidrs_ = cidrs;
    co_return true;
  }
  log_.warning("The runtime does not take the pod CIDRs",
               {{"cidrs", cidrs}, {"err", taken ? taken->error().to_string() : std::string("no answer")}});
  co_return false;
}

// --- When the next round is

base::Task<void> NodeReporter::wait_for_cause() {
  const base::SteadyTime last = clock_.steady_now();
  const base::SteadyTime deadline = last + base::Backoff::jittered(settings_.update_frequency, kJitter, random_);
  while (clock_.steady_now() < deadline) {
    const bool fast = in_fast_path();
    base::Duration pause = deadline - clock_.steady_now();
    const bool looks = fast && must_look();
    if (looks) pause = std::min(pause, kFastPause);
    const bool rung = co_await bell_.wait_for(clock_, pause);
    if (rung) {
      if (!fast) co_await clock_.sleep_until(last + kSpacing);
      co_return;
    }
    if (!looks) continue;
    if (hooks_.check_runtime) co_await base::with_timeout(clock_, kRuntimePatience, hooks_.check_runtime());
    if (becomes_ready()) co_return;
  }
}

bool NodeReporter::in_fast_path() const {
  if (clock_.steady_now() - started_ > kFastPathLasts) return false;
  const NodePtr node = newest();
  return node == nullptr || !is_ready(*node);
}

// The CSINode tells when it is done; what the runtime says must be looked for.
bool NodeReporter::must_look() const {
  ReadyCauses causes = hooks_.causes();
  causes.storage.clear();
  causes.shutting_down = false;
  return !texts(causes).empty();
}

bool NodeReporter::becomes_ready() const {
  const NodePtr node = newest();
  return node != nullptr && !is_ready(*node) && texts(hooks_.causes()).empty();
}

// --- What is known, and what is told

NodePtr NodeReporter::newest() const {
  const NodePtr cached = hooks_.cached_node();
  if (answered_ == nullptr) return cached;
  if (cached == nullptr) return answered_;
  if (cached->metadata().uid() != answered_->metadata().uid()) return cached;
  return version_of(*answered_) > version_of(*cached) ? answered_ : cached;
}

void NodeReporter::took(Node node) {
  answered_ = std::make_shared<const Node>(std::move(node));
  if (hooks_.answered) hooks_.answered(*answered_);
}

void NodeReporter::node_changed(NodePtr node) {
  if (node != nullptr) {
    // Once the cache has caught up, the copy is of no use.
    if (answered_ != nullptr && newest() != answered_) answered_ = nullptr;
    tell_schedulable(*node);
    return;
  }
  answered_ = nullptr;
  log_.warning("The Node object was deleted; it comes back when the agent is started again",
               {{"node", settings_.name}});
}

void NodeReporter::tell(const std::vector<NodeEvent>& events) {
  for (const auto& event : events) {
    if (event.reason == "NodeNotReady") log_.warning("The node is not ready");
    if (event.reason == "NodeReady") log_.info("The node is ready");
    events_.record_node(event.warning, event.reason, event.message);
  }
}

void NodeReporter::tell_schedulable(const Node& node) {
  if (unschedulable_ == node.spec().unschedulable()) return;
  unschedulable_ = node.spec().unschedulable();
  tell({status_event(settings_.name, unschedulable_ ? "NodeNotSchedulable" : "NodeSchedulable")});
}

void NodeReporter::tell_round(const NextStatus& next) {
  if (next.rebooted && !std::exchange(reboot_told_, true)) {
    events_.record_node(true, "Rebooted",
                        "Node " + settings_.name + " has been rebooted, boot id: " + settings_.machine.boot_id);
  }
  // Each round: without its addresses nobody reaches the node.
  if (!next.addresses.ok()) {
    log_.warning("The node's addresses stay as they are", {{"err", next.addresses.error()}});
  }
}

}  // namespace keelson::agent
