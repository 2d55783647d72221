#include "static-pods/directory_source.hpp"

#include <algorithm>
#include <functional>

#include "static-pods/pod_hash.hpp"

namespace keelson::static_pods {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kScanLimit = 60s;
constexpr base::Duration kAbandonedWriter = 10s;
constexpr base::Duration kFirstScanPatience = 5s;

std::string full_name(const api::Pod& pod) { return pod.metadata().name() + "_" + pod.metadata().namespace_(); }

Result<ManifestScan> scan_on_pool(const std::string& path, const std::string& node, const KnownFiles& known) {
  return scan_manifests(path, node, known);
}

}  // namespace

DirectorySource::DirectorySource(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, base::Logger log,
                                 DirectoryConfig config, Listener& listener)
    : clock_(clock),
      pool_(pool),
      log_(log),
      config_(std::move(config)),
      listener_(listener),
      bell_(loop),
      watch_(loop, config_.path),
      problems_(clock, log),
      gate_(loop) {}

void DirectorySource::start() {
  started_ = clock_.steady_now();
  base::spawn(gate_, "static-pods scan", run_scans());
  if (watch_.available()) {
    base::spawn(gate_, "static-pods watch", run_watch());
  } else {
    log_.warning("No inotify; manifests are only read at each rescan", {{"error", *watch_.error()}});
  }
}

base::Task<void> DirectorySource::stop() { co_await gate_.stop(); }

base::Task<void> DirectorySource::run_watch() {
  for (;;) {
    co_await watch_.readable();
    take_events();
  }
}

base::Task<void> DirectorySource::run_scans() {
  for (;;) {
    co_await scan_once();
    const base::Duration wait = std::min(config_.rescan, recheck_.value_or(config_.rescan));
    recheck_.reset();
    co_await bell_.wait_for(clock_, wait);
  }
}

base::Task<void> DirectorySource::scan_once() {
  watch_.arm();
  take_events();
  const std::uint64_t started = events_;
  KnownFiles known;
  for (const auto& [path, file] : files_) known.emplace(path, file.fingerprint);
  std::function<Result<ManifestScan>()> look =
      std::bind(scan_on_pool, config_.path, config_.node_name, std::move(known));
  auto scan = co_await pool_.run<ManifestScan>("read manifests of " + config_.path, kScanLimit, std::move(look));
  ManifestScan result;
  if (scan.ok()) {
    result = std::move(*scan);
  } else {
    result.outcome = ManifestScan::Outcome::failed;
    result.error = scan.error();
  }
  apply(std::move(result), started);
}

// Rings for what may have changed what a scan would find; a write in progress does not, its end will.
void DirectorySource::take_events() {
  for (const auto& event : watch_.drain()) {
    using Kind = PathEvent::Kind;
    ++events_;
    if (!event.file.empty()) touched_[event.file] = events_;
    switch (event.kind) {
      case Kind::writing: {
        const bool first = hints_.count(event.file) == 0;
        hints_[event.file] = Hint::writing;
        if (!first) continue;
        break;
      }
      case Kind::complete: hints_[event.file] = Hint::complete; break;
      case Kind::gone: hints_.erase(event.file); break;
      case Kind::lost: hints_.clear(); break;
      case Kind::touched:
      case Kind::path: break;
    }
    bell_.notify();
  }
}

void DirectorySource::recheck_in(base::Duration wait) { recheck_ = std::min(wait, recheck_.value_or(wait)); }

// Whether what was read may be half of what somebody is about to write.
bool DirectorySource::must_wait(const std::string& path, const ScannedFile& scanned, std::uint64_t started) {
  const auto touch = touched_.find(path);
  const bool since_scan = touch != touched_.end() && touch->second > started;
  const auto hint = hints_.find(path);
  const bool writing = hint != hints_.end() && hint->second == Hint::writing;
  const bool complete = hint != hints_.end() && hint->second == Hint::complete;
  if (complete && !since_scan && !scanned.torn) return false;

  const auto now = clock_.steady_now();
  const auto [it, inserted] = deferred_.try_emplace(path, Deferred{scanned.fingerprint, now});
  if (it->second.fingerprint != scanned.fingerprint) it->second = Deferred{scanned.fingerprint, now};
  if (!since_scan && !scanned.torn) {
    const auto changed = base::SystemTime(
        std::chrono::nanoseconds(std::max(scanned.fingerprint.modified_ns, scanned.fingerprint.changed_ns)));
    const auto age = clock_.now() - changed;
    const bool old = age < 0s || age >= config_.settle;  // a time in the future says nothing
    if (!writing && (old || now - it->second.since >= config_.settle)) return false;
    if (writing && now - it->second.since >= kAbandonedWriter) return false;
  }
  recheck_in(writing ? std::min<base::Duration>(kAbandonedWriter, config_.rescan) : config_.settle);
  return true;
}

DirectorySource::GoodPod DirectorySource::keep(api::Pod pod) {
  GoodPod good;
  Fnv128a hash;
  hash.add(canonical_form(pod));
  good.form = hash.hex();
  const auto [seen, first] = seen_.try_emplace(pod.metadata().uid(), "");
  if (first) seen->second = format_seen(clock_.now());
  (*pod.mutable_metadata()->mutable_annotations())[kConfigSeen] = seen->second;
  good.pod = std::make_shared<const api::Pod>(std::move(pod));
  return good;
}

void DirectorySource::accept(const std::string& path, ScannedFile& scanned) {
  auto& file = files_[path];
  file.fingerprint = scanned.fingerprint;
  file.since = clock_.steady_now();
  file.error = join(scanned.manifest->errors);
  file.warning = join(scanned.manifest->warnings);
  if (scanned.manifest->pods.empty()) return;
  GoodPod good = keep(std::move(scanned.manifest->pods.front()));
  // The same pod stays the same object, for whoever compares.
  if (!file.good || file.good->form != good.form) file.good = std::move(good);
}

void DirectorySource::apply(ManifestScan scan, std::uint64_t started) {
  take_events();
  if (scan.outcome != ManifestScan::Outcome::failed) {
    for (auto it = files_.begin(); it != files_.end();) {
      it = scan.files.count(it->first) == 0 ? files_.erase(it) : std::next(it);
    }
    std::map<std::string, Deferred> still_deferred;
    for (auto& [path, scanned] : scan.files) {
      if (!scanned.manifest) continue;
      if (!must_wait(path, scanned, started)) {
        accept(path, scanned);
      } else {
        still_deferred[path] = deferred_[path];
      }
    }
    deferred_ = std::move(still_deferred);
    for (auto it = touched_.begin(); it != touched_.end();) {
      it = it->second <= started && scan.files.count(it->first) == 0 ? touched_.erase(it) : std::next(it);
    }
  }
  problems_.begin();
  note_problems(scan);
  const bool first_may_wait = !deferred_.empty() && clock_.steady_now() - started_ < kFirstScanPatience;
  const bool ready = delivered_ || (scan.outcome != ManifestScan::Outcome::failed && !first_may_wait);
  if (ready) deliver_if_changed();
  problems_.finish();
}

void DirectorySource::note_problems(const ManifestScan& scan) {
  if (scan.outcome == ManifestScan::Outcome::missing) {
    problems_.note(config_.path, "does not exist; waiting for it to appear", true, false);
  } else if (scan.outcome == ManifestScan::Outcome::failed) {
    problems_.note(config_.path, scan.error->to_string(), false, delivered_);
  }
  if (watch_.error())
    problems_.note(config_.path, "changes are noticed late: " + watch_.error()->to_string(), true, false);
  for (const auto& [path, file] : files_) {
    if (!file.error.empty()) {
      const auto quiet = clock_.steady_now() - file.since;
      if (quiet < config_.settle) {
        recheck_in(config_.settle - quiet);
        continue;
      }
      problems_.note(path, file.error, false, file.good.has_value());
    } else if (!file.warning.empty()) {
      problems_.note(path, file.warning, true, false);
    }
  }
}

bool DirectorySource::has_unknown_pods() const {
  if (!deferred_.empty()) return true;
  return std::any_of(files_.begin(), files_.end(),
                     [](const auto& entry) { return !entry.second.good && !entry.second.error.empty(); });
}

void DirectorySource::deliver_if_changed() {
  std::vector<StaticPod> pods;
  std::string form;
  std::map<std::string, std::string> names;  // full name or UID -> path of the manifest that has it
  std::set<std::string> duplicates;
  std::set<std::string> uids;
  for (const auto& [path, file] : files_) {
    if (!file.good) continue;
    const auto& pod = *file.good->pod;
    const std::string name = full_name(pod);
    const std::string uid = "uid " + pod.metadata().uid();
    const auto same_name = names.find(name);
    const auto same_uid = names.find(uid);
    if (same_name == names.end() && same_uid == names.end()) {
      names[name] = names[uid] = path;
      uids.insert(pod.metadata().uid());
      form += file.good->form;
      pods.push_back({file.good->pod, path});
      continue;
    }
    if (same_name == names.end()) {
      problems_.note(path, "metadata.uid: Duplicate value: " + same_uid->second + " already has a pod of that UID",
                     false, false);
      continue;
    }
    problems_.note(path,
                   "metadata.name: Duplicate value: " + same_name->second + " already has pod " +
                       pod.metadata().namespace_() + "/" + pod.metadata().name(),
                   false, false);
    duplicates.insert(path + " " + name);
    if (reported_duplicates_.count(path + " " + name) == 0) {
      listener_.on_event({file.good->pod, "Warning", "FailedValidation",
                          "Error validating pod " + name + "(" + pod.metadata().uid() +
                              ") from file due to duplicate pod name \"" + pod.metadata().name() + "\", ignoring"});
    }
  }
  reported_duplicates_ = std::move(duplicates);
  for (auto it = seen_.begin(); it != seen_.end();) it = uids.count(it->first) == 0 ? seen_.erase(it) : std::next(it);
  if (delivered_ && form == delivered_form_) return;
  delivered_ = true;
  delivered_form_ = std::move(form);
  listener_.on_pods(std::move(pods));
}

}  // namespace keelson::static_pods
