// FakeCri's script and what happened: what tests do to the runtime, and what they read of it.
#include <algorithm>
#include <set>

#include "tests/support/fake_cri.hpp"

namespace keelson::fakes {
namespace {

const std::set<std::string, std::less<>> kReads = {
    "version",          "status",          "runtime_config", "pod_sandbox_status", "list_pod_sandboxes",
    "container_status", "list_containers", "image_status",   "list_images",        "image_fs_info"};

}  // namespace

// --- Script and what happened ---

void FakeCri::clear_faults() {
  faults_.clear();
  released_.notify();
}

bool FakeCri::end_process(const std::string& uid, const std::string& name, int exit_code) {
  settle();
  for (Container& entry : containers_) {
    if (entry.pod_uid != uid || entry.config.metadata.name != name) continue;
    if (entry.state != cri::ContainerState::running) continue;
    end(entry, exit_code, "");
    return true;
  }
  return false;
}

void FakeCri::lose_track(const std::string& uid, const std::string& name) {
  settle();
  Container* newest = nullptr;
  for (Container& entry : containers_) {
    if (entry.pod_uid == uid && entry.config.metadata.name == name) newest = &entry;
  }
  if (newest == nullptr) return;
  newest->state = cri::ContainerState::unknown;
  newest->ends_at = base::SteadyTime::max();
}

void FakeCri::break_sandbox(const std::string& uid, bool with_containers) {
  for (Sandbox& entry : sandboxes_) {
    if (entry.config.metadata.uid != uid) continue;
    for (Container& member : containers_) {
      const bool dies = with_containers && member.sandbox_id == entry.id;
      if (dies && member.state == cri::ContainerState::running) end(member, 137, "Error");
    }
    if (entry.state == cri::SandboxState::not_ready) continue;
    entry.state = cri::SandboxState::not_ready;
    tell(Happening::Kind::sandbox_stopped, &entry, nullptr);
  }
}

void FakeCri::forget_container(const std::string& uid, const std::string& name) {
  for (auto entry = containers_.begin(); entry != containers_.end();) {
    if (entry->pod_uid != uid || entry->config.metadata.name != name) {
      ++entry;
      continue;
    }
    tell(Happening::Kind::container_removed, nullptr, &*entry);
    entry = containers_.erase(entry);
  }
}

void FakeCri::forget_sandbox(const std::string& uid) {
  for (auto entry = containers_.begin(); entry != containers_.end();) {
    if (entry->pod_uid != uid) {
      ++entry;
      continue;
    }
    tell(Happening::Kind::container_removed, nullptr, &*entry);
    entry = containers_.erase(entry);
  }
  for (auto entry = sandboxes_.begin(); entry != sandboxes_.end();) {
    if (entry->config.metadata.uid != uid) {
      ++entry;
      continue;
    }
    tell(Happening::Kind::sandbox_removed, &*entry, nullptr);
    entry = sandboxes_.erase(entry);
  }
}

void FakeCri::reboot() {
  for (Container& entry : containers_) {
    if (entry.state == cri::ContainerState::running) end(entry, 255, "Unknown");
  }
  for (Sandbox& entry : sandboxes_) {
    if (entry.state == cri::SandboxState::not_ready) continue;
    entry.state = cri::SandboxState::not_ready;
    tell(Happening::Kind::sandbox_stopped, &entry, nullptr);
  }
  cut_events();
}

void FakeCri::cut_events() {
  for (const auto& reader : readers_) {
    reader->cut = true;
    reader->bell.notify();
  }
}

std::size_t FakeCri::count(std::string_view call, std::string_view about) const {
  return static_cast<std::size_t>(std::count_if(calls_.begin(), calls_.end(), [&](const FakeCall& entry) {
    return entry.name == call && entry.about.find(about) != std::string::npos;
  }));
}

std::vector<std::string> FakeCri::writes() const {
  std::vector<std::string> out;
  for (const FakeCall& entry : calls_) {
    if (kReads.count(entry.name) == 0 && entry.name != "container_events")
      out.push_back(entry.name + " " + entry.about);
  }
  return out;
}

const std::list<FakeCri::Sandbox>& FakeCri::sandboxes() {
  settle();
  return sandboxes_;
}

const std::list<FakeCri::Container>& FakeCri::containers() {
  settle();
  return containers_;
}

const FakeCri::Container* FakeCri::newest(const std::string& uid, const std::string& name) {
  settle();
  const Container* found = nullptr;
  for (const Container& entry : containers_) {
    if (entry.pod_uid == uid && entry.config.metadata.name == name) found = &entry;
  }
  return found;
}

std::size_t FakeCri::running(const std::string& uid) {
  settle();
  return static_cast<std::size_t>(std::count_if(containers_.begin(), containers_.end(), [&](const Container& c) {
    return c.pod_uid == uid && c.state == cri::ContainerState::running;
  }));
}

bool FakeCri::knows(const std::string& uid) {
  return std::any_of(sandboxes_.begin(), sandboxes_.end(),
                     [&](const Sandbox& s) { return s.config.metadata.uid == uid; }) ||
         std::any_of(containers_.begin(), containers_.end(), [&](const Container& c) { return c.pod_uid == uid; });
}

void FakeCri::tell(Happening::Kind kind, const Sandbox* home, const Container* about, std::int64_t grace) {
  if (about != nullptr && home == nullptr) home = sandbox(about->sandbox_id);
  if (listener_) listener_({kind, home, about, grace});
  using Kind = Happening::Kind;
  static const std::map<Kind, cri::ContainerEventType> kEvents = {
      {Kind::sandbox_created, cri::ContainerEventType::created},
      {Kind::sandbox_stopped, cri::ContainerEventType::stopped},
      {Kind::sandbox_removed, cri::ContainerEventType::deleted},
      {Kind::container_created, cri::ContainerEventType::created},
      {Kind::container_started, cri::ContainerEventType::started},
      {Kind::container_exited, cri::ContainerEventType::stopped},
      {Kind::container_removed, cri::ContainerEventType::deleted}};
  const auto type = kEvents.find(kind);
  if (type == kEvents.end() || readers_.empty()) return;
  cri::ContainerEvent event;
  event.container_id = about != nullptr ? about->id : home->id;
  event.type = type->second;
  event.created_at = now_nanos();
  // As containerd does: the sandbox's state comes with the event while there is a sandbox.
  if (home != nullptr) event.sandbox = status_of(*home);
  for (const auto& reader : readers_) {
    reader->events.push_back(event);
    reader->bell.notify();
  }
}

base::SteadyTime FakeCri::next_end() const {
  base::SteadyTime next = base::SteadyTime::max();
  for (const Container& entry : containers_) {
    if (entry.state == cri::ContainerState::running) next = std::min(next, entry.ends_at);
  }
  return next;
}

void FakeCri::kill(Container& entry) {
  tell(Happening::Kind::container_killed, nullptr, &entry);
  end(entry, 137, "Error");
}

}  // namespace keelson::fakes
