#include "tests/support/fake_cri.hpp"

#include <algorithm>

namespace keelson::fakes {
namespace {

using base::Task;
using namespace std::chrono_literals;

constexpr base::Duration kLimit = 2min;  // runtimeRequestTimeout
constexpr base::Duration kNoLimit = base::Duration::max();

// What is not set stays as it was.
void merge_resources(const cri::LinuxContainerResources& update, cri::LinuxContainerResources& resources) {
  if (update.cpu_period != 0) resources.cpu_period = update.cpu_period;
  if (update.cpu_quota != 0) resources.cpu_quota = update.cpu_quota;
  if (update.cpu_shares != 0) resources.cpu_shares = update.cpu_shares;
  if (update.memory_limit_in_bytes != 0) resources.memory_limit_in_bytes = update.memory_limit_in_bytes;
}

Error no_such(const std::string& what, const std::string& id) {
  return Error(ErrorKind::not_found, what + " \"" + id + "\": not found");
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

bool matches(const cri::StringMap& labels, const cri::StringMap& selector) {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

}  // namespace

// --- Inside ---

std::int64_t FakeCri::now_nanos() {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.now().time_since_epoch()).count();
  if (times_go_back) return now;
  last_nanos_ = std::max(last_nanos_ + 1, static_cast<std::int64_t>(now));
  return last_nanos_;
}

void FakeCri::settle() {
  for (Container& entry : containers_) {
    if (entry.state != cri::ContainerState::running || entry.ends_at > clock_.steady_now()) continue;
    end(entry, entry.exit_code, entry.reason, clock_.steady_now() - entry.ends_at);
  }
}

void FakeCri::end(Container& entry, int exit_code, std::string reason, base::Duration ago) {
  entry.state = cri::ContainerState::exited;
  entry.exit_code = exit_code;
  entry.reason = !reason.empty() ? std::move(reason) : exit_code == 0 ? "Completed" : "Error";
  entry.finished_at = std::max(now_nanos() - ago.count(), entry.started_at);
  entry.ends_at = base::SteadyTime::max();
  tell(Happening::Kind::container_exited, nullptr, &entry);
}

FakeCri::Sandbox* FakeCri::sandbox(const std::string& id) {
  const auto found = std::find_if(sandboxes_.begin(), sandboxes_.end(), [&](const Sandbox& s) { return s.id == id; });
  return found == sandboxes_.end() ? nullptr : &*found;
}

FakeCri::Container* FakeCri::container(const std::string& id) {
  const auto found =
      std::find_if(containers_.begin(), containers_.end(), [&](const Container& c) { return c.id == id; });
  return found == containers_.end() ? nullptr : &*found;
}

std::string FakeCri::about_sandbox(const std::string& id) {
  const Sandbox* found = sandbox(id);
  return found == nullptr ? id : found->config.metadata.uid;
}

std::string FakeCri::about_container(const std::string& id) {
  const Container* found = container(id);
  return found == nullptr ? id : found->pod_uid + "/" + found->config.metadata.name;
}

FakeFault* FakeCri::match(FakeFault::Kind kind, const std::string& call, const std::string& about) {
  for (FakeFault& fault : faults_) {
    if (fault.kind != kind || fault.times == 0) continue;
    if (!fault.call.empty() && fault.call != call) continue;
    if (about.find(fault.about) == std::string::npos) continue;
    if (fault.after > 0 && kind != FakeFault::Kind::hangs) {
      --fault.after;
      continue;
    }
    return &fault;
  }
  return nullptr;
}

Task<void> FakeCri::hang(std::string call, std::string about) {
  FakeFault* fault = match(FakeFault::Kind::hangs, call, about);
  if (fault != nullptr && fault->times > 0) {
    --fault->times;
    co_await released_.wait();
    co_return;
  }
  while (match(FakeFault::Kind::hangs, call, about) != nullptr) co_await released_.wait();
}

Task<Status> FakeCri::enter(std::string call, std::string about, std::string id, base::Duration limit,
                            std::int64_t grace) {
  calls_.push_back({call, about, id, clock_.steady_now(), grace});
  const base::Duration pause = latency(call);
  if (pause.count() > 0) co_await clock_.sleep_for(pause);
  if (match(FakeFault::Kind::hangs, call, about) == nullptr) {
    // Nothing is in its way.
  } else if (limit == kNoLimit) {
    co_await hang(call, about);
  } else {
    const bool in_time = co_await base::with_timeout(clock_, limit, hang(call, about));
    if (!in_time) co_return Error(ErrorKind::deadline_exceeded, call + ": context deadline exceeded");
  }
  settle();
  if (away_) co_return Error(ErrorKind::unavailable, call + ": connection refused");
  if (FakeFault* fault = match(FakeFault::Kind::fails, call, about); fault != nullptr) {
    if (fault->times > 0) --fault->times;
    co_return fault->error;
  }
  co_return Status();
}

Status FakeCri::leave(const std::string& call, const std::string& about) {
  FakeFault* fault = match(FakeFault::Kind::loses_answer, call, about);
  if (fault == nullptr) return {};
  if (fault->times > 0) --fault->times;
  return fault->error;
}

// --- Runtime ---

Task<Result<cri::Version>> FakeCri::version(std::string) {
  auto entered = co_await enter("version", "", "", kLimit);
  if (!entered.ok()) co_return entered.error();
  co_return cri::Version{"0.1.0", "fake", "1.0.0", "v1"};
}

Task<Result<cri::RuntimeStatus>> FakeCri::status() {
  auto entered = co_await enter("status", "", "", kLimit);
  if (!entered.ok()) co_return entered.error();
  co_return runtime_status;
}

Task<Result<std::optional<cri::CgroupDriver>>> FakeCri::runtime_config() {
  auto entered = co_await enter("runtime_config", "", "", kLimit);
  if (!entered.ok()) co_return entered.error();
  co_return std::optional<cri::CgroupDriver>();
}

Task<Status> FakeCri::update_runtime_config(std::string) { return enter("update_runtime_config", "", "", kLimit); }

// --- Sandboxes ---

Task<Result<std::string>> FakeCri::run_pod_sandbox(cri::PodSandboxConfig config, std::string) {
  const std::string uid = config.metadata.uid;
  auto entered = co_await enter("run_pod_sandbox", uid, "", 2 * kLimit);
  if (!entered.ok()) co_return entered.error();
  for (const Sandbox& other : sandboxes_) {
    if (other.config.metadata == config.metadata) {
      co_return Error(ErrorKind::already_exists, "failed to reserve sandbox name: it is taken by " + other.id);
    }
    if (other.config.metadata.uid == uid && other.state == cri::SandboxState::ready) {
      violations_.push_back("a second ready sandbox of pod " + uid);
    }
  }
  Sandbox made;
  made.id = "sandbox-" + std::to_string(++next_id_);
  made.config = std::move(config);
  made.created_at = now_nanos();
  for (const std::string& prefix : pod_ips_prefix) made.ips.push_back(prefix + std::to_string(next_id_ % 250 + 2));
  const std::string id = made.id;
  sandboxes_.push_back(std::move(made));
  tell(Happening::Kind::sandbox_created, &sandboxes_.back(), nullptr);
  auto left = leave("run_pod_sandbox", uid);
  if (!left.ok()) co_return left.error();
  co_return id;
}

Task<Status> FakeCri::stop_pod_sandbox(std::string id) {
  const std::string about = about_sandbox(id);
  auto entered = co_await enter("stop_pod_sandbox", about, id, kLimit);
  if (!entered.ok()) co_return entered.error();
  Sandbox* found = sandbox(id);
  if (found == nullptr) co_return Status();
  for (Container& member : containers_) {
    if (member.sandbox_id == id && member.state == cri::ContainerState::running && !member.run.immortal) kill(member);
  }
  if (found->state == cri::SandboxState::ready) {
    found->state = cri::SandboxState::not_ready;
    tell(Happening::Kind::sandbox_stopped, found, nullptr);
  }
  co_return leave("stop_pod_sandbox", about);
}

Task<Status> FakeCri::remove_pod_sandbox(std::string id) {
  const std::string about = about_sandbox(id);
  auto entered = co_await enter("remove_pod_sandbox", about, id, kLimit);
  if (!entered.ok()) co_return entered.error();
  const bool live = std::any_of(containers_.begin(), containers_.end(), [&](const Container& c) {
    return c.sandbox_id == id && c.state == cri::ContainerState::running;
  });
  if (live) violations_.push_back("a sandbox is removed under running containers of pod " + about);
  for (auto entry = containers_.begin(); entry != containers_.end();) {
    if (entry->sandbox_id == id) tell(Happening::Kind::container_removed, nullptr, &*entry);
    entry = entry->sandbox_id == id ? containers_.erase(entry) : std::next(entry);
  }
  if (const Sandbox* found = sandbox(id); found != nullptr) tell(Happening::Kind::sandbox_removed, found, nullptr);
  sandboxes_.remove_if([&](const Sandbox& s) { return s.id == id; });
  co_return leave("remove_pod_sandbox", about);
}

cri::PodSandboxStatus FakeCri::status_of(const Sandbox& found) {
  cri::PodSandboxStatus out;
  out.id = found.id;
  out.metadata = found.config.metadata;
  out.state = found.state;
  out.created_at = found.created_at;
  out.has_network = true;
  if (found.config.linux_config && found.config.linux_config->security_context &&
      found.config.linux_config->security_context->namespace_options) {
    out.network_mode = found.config.linux_config->security_context->namespace_options->network;
  }
  if (out.network_mode == cri::NamespaceMode::pod && found.state == cri::SandboxState::ready) out.ips = found.ips;
  out.labels = found.config.labels;
  out.annotations = found.config.annotations;
  return out;
}

Task<Result<cri::PodSandboxStatus>> FakeCri::pod_sandbox_status(std::string id) {
  const std::string about = about_sandbox(id);
  auto entered = co_await enter("pod_sandbox_status", about, id, kLimit);
  if (!entered.ok()) co_return entered.error();
  const Sandbox* found = sandbox(id);
  if (found == nullptr) co_return no_such("sandbox", id);
  co_return status_of(*found);
}

Task<Result<std::vector<cri::PodSandbox>>> FakeCri::list_pod_sandboxes(cri::PodSandboxFilter filter) {
  auto entered = co_await enter("list_pod_sandboxes", "", "", kLimit);
  if (!entered.ok()) co_return entered.error();
  std::vector<cri::PodSandbox> out;
  for (const Sandbox& entry : sandboxes_) {
    if (!matches(entry.config.labels, filter.label_selector)) continue;
    cri::PodSandbox item;
    item.id = entry.id;
    item.metadata = entry.config.metadata;
    item.state = entry.state;
    item.created_at = entry.created_at;
    item.labels = entry.config.labels;
    item.annotations = entry.config.annotations;
    out.push_back(std::move(item));
  }
  co_return out;
}

Task<Status> FakeCri::update_pod_sandbox_resources(std::string id, std::optional<cri::LinuxContainerResources> overhead,
                                                   std::optional<cri::LinuxContainerResources> resources) {
  const std::string about = about_sandbox(id);
  auto entered = co_await enter("update_pod_sandbox_resources", about, id, kLimit);
  if (!entered.ok()) co_return entered.error();
  if (sandbox(id) == nullptr) co_return no_such("sandbox", id);
  tell_resources({about, "", std::move(overhead), resources.value_or(cri::LinuxContainerResources())});
  co_return leave("update_pod_sandbox_resources", about);
}

// --- Containers ---

Task<Result<std::string>> FakeCri::create_container(std::string sandbox_id, cri::ContainerConfig config,
                                                    cri::PodSandboxConfig sandbox_config) {
  const std::string about = sandbox_config.metadata.uid + "/" + config.metadata.name;
  auto entered = co_await enter("create_container", about, "", kLimit);
  if (!entered.ok()) co_return entered.error();
  const Sandbox* home = sandbox(sandbox_id);
  if (home == nullptr) co_return no_such("sandbox", sandbox_id);
  if (home->state != cri::SandboxState::ready) {
    co_return Error(ErrorKind::internal, "sandbox " + sandbox_id + " is not running");
  }
  for (const Container& other : containers_) {
    if (other.sandbox_id == sandbox_id && other.config.metadata == config.metadata) {
      co_return Error(ErrorKind::already_exists, "failed to reserve container name: it is taken by " + other.id);
    }
  }
  Container made;
  made.id = "container-" + std::to_string(++next_id_);
  made.sandbox_id = sandbox_id;
  made.pod_uid = sandbox_config.metadata.uid;
  made.log_path = sandbox_config.log_directory + "/" + config.log_path;
  made.config = std::move(config);
  if (made.config.linux_config) made.resources = made.config.linux_config->resources;
  made.created_at = now_nanos();
  const std::string id = made.id;
  containers_.push_back(std::move(made));
  tell(Happening::Kind::container_created, nullptr, &containers_.back());
  auto left = leave("create_container", about);
  if (!left.ok()) co_return left.error();
  co_return id;
}

Task<Status> FakeCri::start_container(std::string id) {
  const std::string about = about_container(id);
  auto entered = co_await enter("start_container", about, id, kLimit);
  if (!entered.ok()) {
    // A start that fails leaves the container exited, as containerd does; one that was never heard of leaves nothing.
    Container* created = container(id);
    if (created != nullptr && entered.error().kind() == ErrorKind::internal) {
      created->started_at = 0;
      end(*created, 128, "StartError");
    }
    co_return entered.error();
  }
  Container* found = container(id);
  if (found == nullptr) co_return no_such("container", id);
  if (found->state != cri::ContainerState::created) {
    co_return Error(ErrorKind::internal, "container " + id + " is not in created state");
  }
  const Sandbox* within = sandbox(found->sandbox_id);
  if (within == nullptr || within->state != cri::SandboxState::ready) {
    co_return Error(ErrorKind::internal, "sandbox container " + found->sandbox_id + " is not running");
  }
  for (const Container& other : containers_) {
    if (other.id != id && other.pod_uid == found->pod_uid && other.state == cri::ContainerState::running &&
        other.config.metadata.name == found->config.metadata.name) {
      violations_.push_back("a second running instance of " + about);
    }
  }
  found->state = cri::ContainerState::running;
  found->started_at = now_nanos();
  if (script) found->run = script(found->pod_uid, found->config.metadata.name, found->config.metadata.attempt);
  found->exit_code = found->run.exit_code;
  found->reason = found->run.reason;
  if (found->run.lasts) found->ends_at = clock_.steady_now() + *found->run.lasts;
  tell(Happening::Kind::container_started, nullptr, found);
  co_return leave("start_container", about);
}

Task<Status> FakeCri::stop_container(std::string id, std::chrono::seconds grace) {
  const std::string about = about_container(id);
  auto entered = co_await enter("stop_container", about, id, kLimit + grace, grace.count());
  if (!entered.ok()) co_return entered.error();
  Container* found = container(id);
  if (found != nullptr && found->state == cri::ContainerState::unknown) end(*found, 255, "Unknown");
  if (found == nullptr || found->state != cri::ContainerState::running || found->run.immortal) {
    co_return leave("stop_container", about);
  }
  tell(Happening::Kind::stop_asked, nullptr, found, grace.count());
  const base::SteadyTime kill_at = clock_.steady_now() + grace;
  if (found->run.stops_in) {
    const base::SteadyTime stops = clock_.steady_now() + *found->run.stops_in;
    if (stops < found->ends_at) {
      found->ends_at = stops;
      found->exit_code = found->run.stop_code;
      found->reason = found->run.stop_code == 0 ? "Completed" : "Error";
    }
  }
  co_await clock_.sleep_until(std::min(kill_at, found->ends_at));
  settle();
  found = container(id);
  // Not reached by a caller that went away: then nobody sends the SIGKILL, as with containerd.
  if (found != nullptr && found->state == cri::ContainerState::running) kill(*found);
  co_return leave("stop_container", about);
}

Task<Status> FakeCri::remove_container(std::string id) {
  const std::string about = about_container(id);
  auto entered = co_await enter("remove_container", about, id, kLimit);
  if (!entered.ok()) co_return entered.error();
  const Container* found = container(id);
  if (found != nullptr && found->state == cri::ContainerState::running) {
    violations_.push_back("a running container is removed: " + about);
  }
  if (found != nullptr && found->state == cri::ContainerState::unknown) {
    violations_.push_back("a container that may run is removed: " + about);
  }
  if (found != nullptr) tell(Happening::Kind::container_removed, nullptr, found);
  containers_.remove_if([&](const Container& c) { return c.id == id; });
  co_return leave("remove_container", about);
}

Task<Result<cri::ContainerStatus>> FakeCri::container_status(std::string id) {
  auto entered = co_await enter("container_status", about_container(id), id, kLimit);
  if (!entered.ok()) co_return entered.error();
  const Container* found = container(id);
  if (found == nullptr) co_return no_such("container", id);
  cri::ContainerStatus out;
  out.id = id;
  out.metadata = found->config.metadata;
  out.state = found->state;
  out.created_at = found->created_at;
  out.started_at = found->started_at;
  out.finished_at = found->finished_at;
  out.exit_code = found->state == cri::ContainerState::exited ? found->exit_code : 0;
  out.image = found->config.image;
  for (const auto& [name, image] : images) {
    if (image.id == found->config.image.image) out.image.image = name;
  }
  out.image_ref = found->config.image.image;
  out.image_id = out.image_ref;
  if (found->state == cri::ContainerState::exited) out.reason = found->reason;
  out.message = found->message;
  out.labels = found->config.labels;
  out.annotations = found->config.annotations;
  out.mounts = found->config.mounts;
  out.log_path = found->log_path;
  out.resources = found->resources;
  co_return out;
}

Task<Result<std::vector<cri::Container>>> FakeCri::list_containers(cri::ContainerFilter filter) {
  auto entered = co_await enter("list_containers", "", "", kLimit);
  if (!entered.ok()) co_return entered.error();
  std::vector<cri::Container> out;
  for (const Container& entry : containers_) {
    if (!matches(entry.config.labels, filter.label_selector)) continue;
    cri::Container item;
    item.id = entry.id;
    item.pod_sandbox_id = entry.sandbox_id;
    item.metadata = entry.config.metadata;
    item.state = entry.state;
    item.created_at = entry.created_at;
    item.image = entry.config.image;
    item.image_ref = entry.config.image.image;
    item.labels = entry.config.labels;
    item.annotations = entry.config.annotations;
    out.push_back(std::move(item));
  }
  co_return out;
}

Task<Status> FakeCri::update_container_resources(std::string id, cri::LinuxContainerResources resources) {
  const std::string about = about_container(id);
  auto entered = co_await enter("update_container_resources", about, id, kLimit);
  if (!entered.ok()) co_return entered.error();
  Container* found = container(id);
  if (found == nullptr) co_return no_such("container", id);
  if (found->state == cri::ContainerState::exited) {
    co_return Error(ErrorKind::internal, "container " + id + " does not run: its resources cannot be updated");
  }
  tell_resources({found->pod_uid, found->config.metadata.name, std::nullopt, resources});
  if (!found->resources) found->resources.emplace();
  merge_resources(resources, *found->resources);
  co_return leave("update_container_resources", about);
}

void FakeCri::tell_resources(const FakeResources& update) {
  if (on_resources) on_resources(update);
}

Task<Status> FakeCri::reopen_container_log(std::string id) {
  return enter("reopen_container_log", about_container(id), id, kLimit);
}

Task<Result<cri::ExecSyncResult>> FakeCri::exec_sync(std::string id, std::vector<std::string> command,
                                                     std::chrono::seconds timeout) {
  const std::string about = about_container(id);
  const bool limited = timeout.count() > 0;
  auto entered = co_await enter("exec_sync", about, id, limited ? kLimit + timeout : kNoLimit);
  if (!entered.ok()) co_return entered.error();
  const Container* home = container(id);
  if (home == nullptr) co_return no_such("container", id);
  if (home->state != cri::ContainerState::running) {
    co_return Error(ErrorKind::internal, "container " + id + " is not running");
  }
  const FakeExec run = exec ? exec(about, command) : FakeExec();
  const bool late = limited && run.lasts > timeout;
  co_await clock_.sleep_for(late ? timeout : run.lasts);
  if (late) co_return Error(ErrorKind::deadline_exceeded, "command \"" + joined(command) + "\" timed out");
  settle();
  home = container(id);
  if (home == nullptr || home->state != cri::ContainerState::running) co_return cri::ExecSyncResult{"", "", 137};
  co_return cri::ExecSyncResult{run.out, run.err, run.exit_code};
}

Task<Status> FakeCri::container_events(std::function<void(cri::ContainerEvent)> on_event) {
  calls_.push_back({"container_events", "", "", clock_.steady_now()});
  if (!has_events) co_return Error(ErrorKind::unimplemented, "no event stream");
  if (away_) co_return Error(ErrorKind::unavailable, "container_events: connection refused");
  auto reader = std::make_shared<Reader>(loop_);
  readers_.push_back(reader);
  struct Leave {
    std::list<std::shared_ptr<Reader>>& readers;
    const std::shared_ptr<Reader>& reader;
    ~Leave() { readers.remove(reader); }
  } leaves{readers_, reader};
  while (!reader->cut) {
    while (!reader->events.empty()) {
      cri::ContainerEvent event = std::move(reader->events.front());
      reader->events.pop_front();
      on_event(std::move(event));
    }
    co_await reader->bell.wait();
  }
  co_return Error(ErrorKind::unavailable, "container_events: the stream broke");
}

// --- Images ---

Task<Result<std::optional<cri::Image>>> FakeCri::image_status(cri::ImageSpec image) {
  auto entered = co_await enter("image_status", image.image, "", kLimit);
  if (!entered.ok()) co_return entered.error();
  for (const auto& [name, known] : images) {
    if (name == image.image || known.id == image.image) co_return std::optional<cri::Image>(known);
  }
  co_return std::optional<cri::Image>();
}

Task<Result<std::vector<cri::Image>>> FakeCri::list_images() {
  auto entered = co_await enter("list_images", "", "", kLimit);
  if (!entered.ok()) co_return entered.error();
  std::vector<cri::Image> out;
  for (const auto& [name, image] : images) out.push_back(image);
  co_return out;
}

bool FakeCri::may_pull(const std::string& image, const std::optional<cri::AuthConfig>& auth) const {
  const auto logins = private_images.find(image);
  if (logins == private_images.end()) return true;
  const auto login = auth ? logins->second.find(auth->username) : logins->second.end();
  return login != logins->second.end() && login->second == auth->password;
}

Task<Result<std::string>> FakeCri::pull_image(cri::ImageSpec image, std::optional<cri::AuthConfig> auth,
                                              cri::PodSandboxConfig) {
  ++pulls_;
  most_pulls_ = std::max(most_pulls_, pulls_);
  struct Leave {
    std::size_t& count;
    ~Leave() { --count; }
  } leaves{pulls_};
  const std::string user = auth ? auth->username : "";
  auto entered = co_await enter("pull_image", image.image, user, kNoLimit);
  if (!entered.ok()) co_return entered.error();
  if (!may_pull(image.image, auth)) {
    const std::string who = auth ? " as " + user : ", no credentials";
    co_return Error(ErrorKind::permission_denied, "pull access denied for " + image.image + who);
  }
  co_await clock_.sleep_for(pull_time);
  cri::Image& made = images[image.image];
  if (made.id.empty()) {
    made.id = "sha256:" + image.image;
    made.repo_tags = {image.image};
    made.size = 1234;
  }
  auto left = leave("pull_image", image.image);
  if (!left.ok()) co_return left.error();
  co_return made.id;
}

Task<Status> FakeCri::remove_image(cri::ImageSpec image) {
  auto entered = co_await enter("remove_image", image.image, "", kLimit);
  if (!entered.ok()) co_return entered.error();
  images.erase(image.image);
  co_return leave("remove_image", image.image);
}

Task<Result<cri::ImageFsInfo>> FakeCri::image_fs_info() {
  auto entered = co_await enter("image_fs_info", "", "", kLimit);
  if (!entered.ok()) co_return entered.error();
  co_return cri::ImageFsInfo();
}

}  // namespace keelson::fakes
