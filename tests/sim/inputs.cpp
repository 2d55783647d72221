#include "tests/sim/inputs.hpp"

namespace keelson::sim {

using fakes::FakeFault;
using fakes::FakeRun;
using namespace std::chrono_literals;

namespace {

constexpr int kImages = 3;

constexpr FakeFault::Kind kFaultKinds[] = {FakeFault::Kind::fails, FakeFault::Kind::hangs,
                                           FakeFault::Kind::loses_answer};
constexpr const char* kFaultNames[] = {"fails", "hangs", "loses its answer"};

std::string text_of(const fakes::ApiFault& fault) {
  std::string how = fault.hang                  ? "hang"
                    : fault.reset               ? "break"
                    : fault.latency.count() > 0 ? "are slow"
                                                : "answer " + std::to_string(fault.status);
  return std::to_string(fault.times) + " requests " + fault.method + " " + fault.path_contains + ", which " + how +
         (fault.after_effect ? " after their effect" : "");
}

std::string image(int number) { return "image:" + std::to_string(number); }

}  // namespace

struct Inputs::Row {
  enum class Kind { user, aimed, shared };  // aimed and shared ones are faults: at one pod, or felt by all
  int weight;
  Kind kind;
  void (Inputs::*method)();
};

const Inputs::Row Inputs::kRows[] = {
    {16, Row::Kind::user, &Inputs::create_pod},
    {8, Row::Kind::user, &Inputs::delete_pod},
    {2, Row::Kind::user, &Inputs::delete_again},
    {2, Row::Kind::user, &Inputs::force_delete_pod},
    {6, Row::Kind::user, &Inputs::edit_pod},
    {5, Row::Kind::user, &Inputs::resize_pod},
    {2, Row::Kind::user, &Inputs::debug_pod},
    {2, Row::Kind::user, &Inputs::set_gate},
    {3, Row::Kind::user, &Inputs::write_config_map},
    {1, Row::Kind::user, &Inputs::remove_config_map},
    {3, Row::Kind::user, &Inputs::write_login},
    {1, Row::Kind::user, &Inputs::remove_login},
    {6, Row::Kind::user, &Inputs::grow_claim},
    {6, Row::Kind::user, &Inputs::control_claims},
    {4, Row::Kind::user, &Inputs::write_manifest},
    {2, Row::Kind::user, &Inputs::remove_manifest},
    {2, Row::Kind::user, &Inputs::rewrite_same_manifest},
    {8, Row::Kind::user, &Inputs::end_process},
    {4, Row::Kind::user, &Inputs::control_pod},
    {3, Row::Kind::user, &Inputs::late_pod},
    {3, Row::Kind::user, &Inputs::end_control},
    {16, Row::Kind::aimed, &Inputs::runtime_fault},
    {10, Row::Kind::aimed, &Inputs::disk_fault},
    {4, Row::Kind::aimed, &Inputs::api_pod_fault},
    {2, Row::Kind::aimed, &Inputs::mirror_conflict},
    {12, Row::Kind::aimed, &Inputs::clear_faults},
    {6, Row::Kind::aimed, &Inputs::probe_trouble},
    {3, Row::Kind::aimed, &Inputs::probes_recover},
    {5, Row::Kind::aimed, &Inputs::break_sandbox},
    {4, Row::Kind::aimed, &Inputs::forget_container},
    {2, Row::Kind::aimed, &Inputs::forget_sandbox},
    {5, Row::Kind::aimed, &Inputs::image_fault},
    {2, Row::Kind::aimed, &Inputs::jump_clock},
    {3, Row::Kind::shared, &Inputs::disk_full},
    {3, Row::Kind::shared, &Inputs::runtime_list_fault},
    {3, Row::Kind::shared, &Inputs::runtime_goes},
    {6, Row::Kind::shared, &Inputs::runtime_comes},
    {1, Row::Kind::shared, &Inputs::network_goes},
    {3, Row::Kind::shared, &Inputs::api_goes},
    {6, Row::Kind::shared, &Inputs::api_comes},
    {5, Row::Kind::shared, &Inputs::api_fault},
    {4, Row::Kind::shared, &Inputs::cut_watches},
    {2, Row::Kind::shared, &Inputs::expire_watches},
    {3, Row::Kind::shared, &Inputs::lose_events},
    {2, Row::Kind::shared, &Inputs::cut_events},
    {14, Row::Kind::shared, &Inputs::crash_agent},
    {5, Row::Kind::shared, &Inputs::restart_agent},
    {1, Row::Kind::shared, &Inputs::reboot},
};

Inputs::Inputs(World& world, Ledger& ledger, AgentControl control, std::uint64_t seed, int fault_percent)
    : world_(world), ledger_(ledger), control_(std::move(control)), random_(seed), fault_percent_(fault_percent) {
  world_.cri.script = [this](const std::string& uid, const std::string& name, auto) { return run(uid, name); };
  world_.cri.latency = [this](const std::string&) {
    const base::Duration takes = 100us + 1us * below(quiet_ || !chance(5) ? 5'000 : 300'000);
    on_call(takes);
    return takes;
  };
  world_.cri.exec = [this](const std::string& about, const std::vector<std::string>& command) {
    return hook(about, command);
  };
  world_.answer = [this](const probes::ProbeKey& key) { return answer(key); };
  world_.cri.times_go_back = chance(50);
  world_.gates.restart_rules = !chance(10);
  world_.gates.restarts_all = world_.gates.restart_rules && !chance(10);
  const bool aimed_only = chance(30);
  const bool picky = chance(60);
  for (const Row& row : kRows) {
    const bool known = !(aimed_only && row.kind == Row::Kind::shared) && !(picky && chance(35));
    // A life without pods is none.
    if (known || row.method == &Inputs::create_pod || row.method == &Inputs::clear_faults) rows_.push_back(&row);
  }
}

void Inputs::on_call(base::Duration takes) {
  const fakes::FakeCall& call = world_.cri.calls().back();
  if (call.name == "stop_container") ledger_.on_stop_sent(call.id);
  if (call.name == "list_containers") ledger_.on_listing();
  if (!world_.story.watched()) return;
  world_.story.note(time_text(world_.timeline.elapsed()) + " call " + call.name + " " + call.about + " " + call.id +
                    " takes " + std::to_string(takes.count() / 1000) + " us");
}

void Inputs::fill_image(int number) {
  const std::string name = image(number);
  world_.cri.images[name] = {"sha256:" + name, {name}, {}, 1};
}

void Inputs::begin() {
  for (int i = 1; i <= kImages; ++i) {
    if (i == 1 || chance(60)) fill_image(i);
  }
  world_.cri.private_images[kPrivateImage] = {{"sim", "secret"}};
  const int first = static_cast<int>(below(5));
  for (int i = 0; i < first; ++i) chance(70) ? create_pod() : write_manifest();
  if (chance(70)) control_pod();
}

base::Duration Inputs::pause() {
  switch (below(10)) {
    case 0:
    case 1:
    case 2: return 1ms * below(100);
    case 3:
    case 4:
    case 5: return 1ms * below(2'000);
    case 6:
    case 7: return 1ms * below(10'000);
    case 8: return 1ms * below(40'000);
    default: return chance(20) ? 1ms * below(400'000) : 1ms * below(60'000);
  }
}

void Inputs::act() {
  const bool fault = static_cast<int>(below(100)) < fault_percent_;
  int total = 0;
  for (const Row* row : rows_) total += (row->kind != Row::Kind::user) == fault ? row->weight : 0;
  auto ticket = static_cast<int>(below(static_cast<std::uint64_t>(total)));
  for (const Row* row : rows_) {
    if ((row->kind != Row::Kind::user) != fault) continue;
    ticket -= row->weight;
    if (ticket < 0) return (this->*row->method)();
  }
}

void Inputs::end_faults() {
  quiet_ = true;
  note_lost_events();
  clear_faults();
  probes_recover();
  runtime_comes();
  api_comes();
  world_.event_faults = {};
  world_.end_trouble("events");
  for (int i = 1; i <= kImages; ++i) fill_image(i);
  write_config_map();
  write_login();
  world_.cri.private_images.clear();
  control_claims();
  tell("from now on there are no more faults");
}

// --- Processes and the runtime ---

// What a process does, once it is started.
FakeRun Inputs::run(const std::string& uid, const std::string& name) {
  FakeRun out;
  const PodLife* pod = ledger_.find(uid);
  const bool init = name.starts_with("init");
  if (pod != nullptr && pod->control) return out;
  if (init) {
    out.lasts = 1ms * below(5'000);
    out.exit_code = !quiet_ && chance(25) ? 1 : 0;
  } else if (!quiet_ && chance(35)) {
    out.lasts = 1ms * below(40'000);
    out.exit_code = static_cast<int>(below(3));
    if (out.exit_code == 2) out.reason = "OOMKilled";
  }
  if (chance(20)) {
    out.stops_in = std::nullopt;
  } else {
    out.stops_in = 1ms * below(8'000);
  }
  return out;
}

PodLife* Inputs::some_pod() {
  std::vector<PodLife*> candidates;
  for (auto& [uid, pod] : ledger_.pods()) {
    if (!pod.control && !pod.late && (!pod.gone || pod.any_running())) candidates.push_back(&pod);
  }
  return candidates.empty() ? nullptr : candidates[below(candidates.size())];
}

// What a hook does.
fakes::FakeExec Inputs::hook(const std::string&, const std::vector<std::string>&) {
  fakes::FakeExec out;
  out.lasts = 1ms * below(quiet_ || chance(80) ? 500 : 40'000);
  out.exit_code = !quiet_ && chance(15) ? 1 : 0;
  return out;
}

World::Answer Inputs::answer(const probes::ProbeKey& key) {
  World::Answer out;
  out.takes = 1ms * (1 + below(20));
  const auto trouble = sick_.find({key.pod_uid, key.container, static_cast<int>(key.kind)});
  if (trouble == sick_.end()) return out;
  if (trouble->second) {
    out.takes = 1h;
  } else {
    out.success = false;
  }
  return out;
}

void Inputs::probe_trouble() {
  static const probes::Kind kKinds[] = {probes::Kind::liveness, probes::Kind::readiness, probes::Kind::startup};
  PodLife* pod = some_pod();
  if (pod == nullptr || pod->instances.empty()) return;
  const std::string name = pod->instances[below(pod->instances.size())].name;
  const probes::Kind kind = kKinds[below(3)];
  const bool hangs = chance(40);
  sick_[{pod->uid, name, static_cast<int>(kind)}] = hangs;
  tell(std::string(probes::to_string(kind)) + " probes of " + pod->name + "/" + name + (hangs ? " hang" : " fail"));
}

void Inputs::probes_recover() {
  if (sick_.empty()) return;
  tell("all probes succeed again");
  sick_.clear();
}

void Inputs::end_process() {
  PodLife* pod = some_pod();
  if (pod == nullptr || pod->instances.empty()) return;
  const std::string name = pod->instances[below(pod->instances.size())].name;
  const int code = static_cast<int>(below(3));
  if (world_.cri.end_process(pod->uid, name, code)) {
    tell("ends the process of " + pod->name + "/" + name + " with " + std::to_string(code));
  }
}

void Inputs::runtime_fault() {
  static const char* const kCalls[] = {"run_pod_sandbox",  "create_container",          "start_container",
                                       "stop_container",   "stop_pod_sandbox",          "remove_container",
                                       "container_status", "remove_pod_sandbox",        "pod_sandbox_status",
                                       "exec_sync",        "update_container_resources"};
  FakeFault fault;
  fault.kind = kFaultKinds[below(3)];
  fault.times = static_cast<int>(1 + below(4));
  if (chance(50)) fault.error = Error(ErrorKind::deadline_exceeded, "no answer in time");
  PodLife* pod = some_pod();
  if (pod == nullptr) return;
  fault.call = kCalls[below(std::size(kCalls))];
  fault.about = pod->uid;
  tell("runtime call " + fault.call + " of " + pod->name + " " + pod->uid + " " +
       kFaultNames[static_cast<int>(fault.kind)] + " " + std::to_string(fault.times) + " times");
  world_.cri.inject(fault);
}

void Inputs::runtime_list_fault() {
  static const char* const kCalls[] = {"list_containers", "list_pod_sandboxes", "status", "version"};
  FakeFault fault;
  fault.kind = kFaultKinds[below(3)];
  fault.times = static_cast<int>(1 + below(4));
  fault.call = kCalls[below(4)];
  tell("runtime call " + fault.call + " " + kFaultNames[static_cast<int>(fault.kind)] + " " +
       std::to_string(fault.times) + " times");
  world_.cri.inject(fault);
  world_.begin_trouble("calls");
}

void Inputs::disk_fault() {
  static const char* const kCalls[] = {
      "make_pod_directories", "make_log_directory",   "prepare_container", "log_names",        "link_log",
      "termination_message",  "remove_pod_directory", "pod_directories",   "read_host_file",   "remove_container_logs",
      "remove_orphan_logs",   "set_up_volume",        "set_up_volume",     "tear_down_volume", "sweep_volumes",
      "clear_sub_paths",      "stage_volume",         "unstage_volume",    "find_volumes",     "read_claim",
      "expand_volume",        "expand_volume",        "patch_claim",       "ensure_cgroup",    "remove_cgroup",
      "read_cgroup",          "list_cgroups"};
  PodLife* pod = some_pod();
  if (pod == nullptr) return;
  FakeFault fault;
  fault.kind = kFaultKinds[below(3)];
  fault.times = static_cast<int>(1 + below(4));
  fault.call = kCalls[below(std::size(kCalls))];
  fault.about = pod->uid;
  fault.error = Error(ErrorKind::exhausted, "no space left on device");
  if (fault.call == "expand_volume" && fault.kind == FakeFault::Kind::fails && chance(60)) {
    fault.error = Error(ErrorKind::invalid, "the driver does not make it larger");
  }
  if (chance(15)) {
    // The disk is full for what the agent keeps of its own.
    static const char* const kOwn[] = {"save_checkpoint", "write_image_file", "remove_image_file", "read_image_file"};
    fault.call = kOwn[below(4)];
    fault.about.clear();
    world_.begin_trouble("calls");
  }
  const bool about_all = fault.call == "pod_directories" || fault.call == "remove_orphan_logs" ||
                         fault.call == "list_cgroups" || fault.call == "read_host_file" ||
                         fault.call == "stage_volume" || fault.call == "unstage_volume" ||
                         fault.call == "find_volumes" || fault.call == "read_claim" || fault.call == "expand_volume" ||
                         fault.call == "patch_claim";
  if (about_all) fault.about.clear();
  // Every pod waits for these; until one that hangs comes back, for minutes.
  if (fault.call == "find_volumes") fault.kind = FakeFault::Kind::fails;
  if (fault.call == "read_host_file" || fault.call == "find_volumes") world_.begin_trouble("calls");
  tell("disk call " + fault.call + " of " + fault.about + " " + kFaultNames[static_cast<int>(fault.kind)] + " " +
       std::to_string(fault.times) + " times");
  world_.disk.faults.push_back(fault);
}

// For what the agent keeps of its own, until single faults are over.
void Inputs::disk_full() {
  FakeFault fault;
  fault.call = "save_checkpoint";
  fault.error = Error(ErrorKind::exhausted, "no space left on device");
  world_.begin_trouble("calls");
  tell("the disk is full for checkpoints");
  world_.disk.faults.push_back(fault);
}

void Inputs::clear_faults() {
  tell("single faults are over");
  world_.cri.clear_faults();
  world_.disk.faults.clear();
  world_.api.clear_faults();
  world_.end_trouble("calls");
}

void Inputs::runtime_goes() {
  tell("the runtime goes away");
  world_.cri.go_away();
  world_.begin_trouble("runtime");
}

void Inputs::runtime_comes() {
  tell("the runtime is there, and its network");
  world_.cri.come_back();
  world_.cri.runtime_status.conditions[1] = {"NetworkReady", true, "", ""};
  world_.end_trouble("runtime");
}

void Inputs::network_goes() {
  tell("the network is not ready");
  world_.cri.runtime_status.conditions[1] = {"NetworkReady", false, "NetworkPluginNotReady", "no CNI"};
  world_.begin_trouble("runtime");
}

void Inputs::break_sandbox() {
  PodLife* pod = some_pod();
  if (pod == nullptr) return;
  const bool alone = chance(30);
  tell("the sandbox of " + pod->name + " dies" + (alone ? " alone" : ""));
  world_.cri.break_sandbox(pod->uid, !alone);
}

void Inputs::forget_container() {
  PodLife* pod = some_pod();
  if (pod == nullptr || pod->instances.empty()) return;
  const std::string name = pod->instances[below(pod->instances.size())].name;
  tell("the runtime forgets container " + pod->name + "/" + name);
  ledger_.expect_forgotten(pod->uid, name);
  world_.cri.forget_container(pod->uid, name);
}

void Inputs::forget_sandbox() {
  PodLife* pod = some_pod();
  if (pod == nullptr) return;
  tell("the runtime forgets pod " + pod->name);
  ledger_.expect_forgotten(pod->uid, "");
  world_.cri.forget_sandbox(pod->uid);
}

void Inputs::lose_events() {
  note_lost_events();
  world_.event_faults.lost = static_cast<int>(below(60));
  world_.event_faults.doubled = static_cast<int>(below(30));
  world_.event_faults.late = static_cast<int>(below(40));
  if (chance(40)) world_.event_faults = {};
  world_.event_faults.lost + world_.event_faults.late > 0 ? world_.begin_trouble("events")
                                                          : world_.end_trouble("events");
  tell("runtime events: " + std::to_string(world_.event_faults.lost) + "% lost, " +
       std::to_string(world_.event_faults.doubled) + "% doubled, " + std::to_string(world_.event_faults.late) +
       "% late");
}

// To be called before they change.
void Inputs::note_lost_events() {
  const EventFaults& now = world_.event_faults;
  if (now.lost + now.late > 0) world_.events_lost = world_.timeline.now();
}

void Inputs::cut_events() {
  tell("the stream of runtime events breaks");
  world_.cri.cut_events();
  world_.trouble_until(world_.timeline.now());
}

void Inputs::image_fault() {
  const std::string name = image(static_cast<int>(1 + below(kImages)));
  if (name == image(1)) return;  // the control pod's
  if (chance(40)) {
    tell("image " + name + " is gone");
    world_.cri.images.erase(name);
    return;
  }
  FakeFault fault;
  fault.call = "pull_image";
  fault.about = name;
  fault.kind = chance(50) ? FakeFault::Kind::fails : FakeFault::Kind::hangs;
  fault.times = static_cast<int>(1 + below(5));
  fault.error = Error(ErrorKind::internal, "no such manifest");
  tell("pulling " + name + " has trouble");
  world_.cri.inject(fault);
}

// --- The API server ---

void Inputs::api_goes() {
  tell("the API server goes away");
  world_.set_api_down(true);
}

void Inputs::api_comes() {
  tell("the API server is there");
  world_.set_api_down(false);
}

void Inputs::api_fault() {
  fakes::ApiFault fault = some_api_fault();
  if (chance(60)) fault.path_contains = "/pods";
  world_.begin_trouble("calls");
  tell("the API server has trouble with " + text_of(fault));
  world_.api.add_fault(fault);
}

void Inputs::api_pod_fault() {
  PodLife* pod = some_pod();
  if (pod == nullptr) return;
  fakes::ApiFault fault = some_api_fault();
  fault.path_contains = "/pods/" + pod->name;
  tell("the API server has trouble with " + text_of(fault));
  world_.api.add_fault(fault);
}

// Somebody else writes the mirror when it is to be deleted for a new manifest.
void Inputs::mirror_conflict() {
  if (world_.manifest_files.empty()) return;
  const std::string name = world_.manifest_files.begin()->second.metadata().name();
  fakes::ApiFault fault;
  fault.method = "DELETE";
  fault.path_contains = "/pods/" + name;
  fault.status = 409;
  fault.times = static_cast<int>(1 + below(2));
  tell("the API server has trouble with " + text_of(fault));
  world_.api.add_fault(fault);
  chance(70) ? write_manifest_again(world_.manifest_files.begin()->first) : remove_manifest();
}

fakes::ApiFault Inputs::some_api_fault() {
  fakes::ApiFault fault;
  static const char* const kMethods[] = {"", "GET", "PATCH", "POST", "DELETE", "PUT"};
  fault.method = kMethods[below(6)];
  fault.times = static_cast<int>(1 + below(6));
  switch (below(6)) {
    case 0: fault.latency = 1ms * below(20'000); break;
    case 1: fault.hang = true; break;
    case 2:
      fault.status = 429;
      fault.retry_after = 1;
      break;
    case 3: fault.status = 500; break;
    case 4: fault.status = 409; break;
    default: fault.reset = true; break;
  }
  fault.after_effect = chance(40);
  return fault;
}

void Inputs::cut_watches() {
  tell("watches are cut");
  world_.api.cut_watches();
  world_.trouble_until(world_.timeline.now());
}

void Inputs::expire_watches() {
  tell("watches are cut, and the history is gone");
  world_.api.compact();
  world_.api.cut_watches();
  world_.trouble_until(world_.timeline.now());
}

// --- The node ---

void Inputs::jump_clock() {
  const auto jump = 1s * (static_cast<std::int64_t>(below(7200)) - 3600);
  tell("the system time jumps by " + std::to_string(jump.count()) + " s");
  world_.timeline.jump_system(jump);
  ledger_.clock_jumped = world_.timeline.now();
}

void Inputs::crash_agent() { control_.crash_in(chance(50) ? below(30) : below(400)); }

void Inputs::restart_agent() {
  control_.stop();
  control_.pass(1ms * below(5'000));
  control_.start();
}

void Inputs::reboot() {
  tell("the node reboots");
  control_.crash_in(0);
  world_.cri.reboot();
  world_.disk.node_volumes.mounts.clear();
  world_.disk.node_volumes.staged.clear();
  world_.disk.cgroups.groups.clear();
  control_.start();
}

}  // namespace keelson::sim
