#include "agent/images/pull_records.hpp"

#include <algorithm>

#include "agent/images/image_name.hpp"

namespace keelson::agent {
namespace {

using base::Task;

constexpr base::Duration kFirstRetry = std::chrono::seconds(1);
constexpr base::Duration kLastRetry = std::chrono::seconds(60);
constexpr base::Duration kWriteRetry = std::chrono::seconds(10);

bool is_record_name(const std::string& name) { return name.starts_with("sha256-") && !name.ends_with(".tmp"); }

// Every name by which a pod could have asked for this image.
std::set<std::string> names_of(const cri::Image& image) {
  std::set<std::string> names;
  for (const auto* list : {&image.repo_tags, &image.repo_digests}) {
    for (const std::string& text : *list) {
      if (const auto name = normal_reference(text); name.ok()) names.insert(name.value());
    }
  }
  return names;
}

}  // namespace

PullRecords::PullRecords(base::Loop& loop, base::Clock& clock, ImageFiles& files, std::string root,
                         PullVerification verification, base::Logger log)
    : clock_(clock),
      files_(files),
      root_(std::move(root) + "/image_manager"),
      verification_(std::move(verification)),
      log_(std::move(log)),
      tried_bell_(loop),
      dirty_bell_(loop),
      wrote_bell_(loop) {}

void PullRecords::start(base::Gate& gate, cri::ImageService& images) {
  if (!enabled()) return;
  base::spawn(gate, "pull records: reading", recover(&images));
  base::spawn(gate, "pull records: writing", write_changes());
}

// --- Decisions ---

bool PullRecords::knows(const std::string& image, const std::string& ref) const {
  return pulled_.count(ref) > 0 || intents_.count(image) > 0 || unreadable_.count(path_of({false, ref})) > 0 ||
         unreadable_.count(path_of({true, image})) > 0;
}

Task<Verdict> PullRecords::ask(std::string image, std::string ref) {
  if (!enabled()) co_return Verdict::open;
  while (!tried_) co_await tried_bell_.wait();
  const auto repository = normal_repository(image);
  if (!repository.ok()) {
    count("error");
    co_return Verdict::closed;
  }
  // While the records cannot be read, any image may be one of them.
  const bool known = !read_ || knows(image, ref);
  if (!must_verify(verification_, repository.value(), known)) {
    count("credentialPolicyAllowed");
    co_return Verdict::open;
  }
  const auto record = pulled_.find(ref);
  const Verdict verdict = verdict_of(record == pulled_.end() ? nullptr : &record->second, repository.value());
  // Verdict::by_name is not answered yet; admits() does.
  if (verdict == Verdict::open) count("credentialRecordFound");
  if (verdict == Verdict::closed) count("mustAuthenticate");
  co_return verdict;
}

std::size_t PullRecords::intents_on_disk() const {
  return static_cast<std::size_t>(
      std::count_if(intents_.begin(), intents_.end(), [](const auto& entry) { return entry.second.on_disk; }));
}

bool PullRecords::admits(const std::string& image, const std::string& ref, const std::vector<Credential>& credentials) {
  const auto record = pulled_.find(ref);
  const auto repository = normal_repository(image);
  if (record == pulled_.end() || !repository.ok()) return false;
  const Credential* credential = admitting(record->second, repository.value(), credentials);
  count(credential == nullptr ? "mustAuthenticate" : "credentialRecordFound");
  if (credential == nullptr) return false;
  if (remember_admitted(record->second, repository.value(), *credential, clock_.now())) write_soon({false, ref});
  return true;
}

// --- Pulls ---

Task<Result<PullRecords::Intent>> PullRecords::intend(std::string image) {
  if (!enabled()) co_return Intent(nullptr, image);
  while (!tried_) co_await tried_bell_.wait();
  Pending& pending = intents_[image];
  ++pending.pulls;
  Intent intent(this, image);  // from here on it is given back, whatever happens
  if (pending.on_disk) co_return std::move(intent);
  const std::uint64_t before = pending.tries;
  write_soon({true, image});
  while (!pending.on_disk && pending.tries == before) co_await wrote_bell_.wait();
  if (!pending.on_disk) co_return Error(*pending.failure);
  co_return std::move(intent);
}

void PullRecords::note_pulled(const std::string& image, const std::string& ref, const Credential* credential) {
  const auto repository = normal_repository(image);
  if (!repository.ok()) return drop_intent(image);
  auto [entry, is_new] = pulled_.try_emplace(ref);
  if (is_new) entry->second.ref = ref;
  if (!merge_access(entry->second, repository.value(), access_by(credential), clock_.now())) return drop_intent(image);
  // The intent goes when the record is there.
  after_record_.emplace(ref, image);
  write_soon({false, ref});
}

void PullRecords::drop_intent(const std::string& image) {
  const auto found = intents_.find(image);
  if (found == intents_.end() || --found->second.pulls > 0) return;
  intents_.erase(found);
  write_soon({true, image});
}

// It stays until the image is pulled again, or the agent starts again and looks what is there.
void PullRecords::leave_intent(const std::string& image) {
  const auto found = intents_.find(image);
  if (found == intents_.end()) return;
  --found->second.pulls;
  found->second.unsure = true;
}

// That this pull came to nothing says nothing of another.
void PullRecords::refuse_intent(const std::string& image) {
  const auto found = intents_.find(image);
  if (found != intents_.end() && found->second.unsure) {
    --found->second.pulls;
  } else {
    drop_intent(image);
  }
}

void PullRecords::keep_only(const std::set<std::string>& refs, base::SystemTime until) {
  for (auto entry = pulled_.begin(); entry != pulled_.end();) {
    if (refs.count(entry->first) > 0 || entry->second.updated >= until) {
      ++entry;
      continue;
    }
    write_soon({false, entry->first});
    entry = pulled_.erase(entry);
  }
}

// --- Start ---

Task<void> PullRecords::read_files() {
  base::Duration pause = kFirstRetry;
  while (true) {
    auto done = co_await read_once();
    read_ = done.ok();
    tried_ = true;
    tried_bell_.notify();
    if (read_) co_return;
    log_.error("The records of pulled images cannot be read; credentials are asked for until they can",
               {{"err", done.error()}});
    co_await clock_.sleep_for(pause);
    pause = std::min(2 * pause, kLastRetry);
  }
}

Task<Status> PullRecords::read_once() {
  auto intents = co_await files_.read_all(directory(true));
  if (!intents.ok()) co_return intents.error();
  auto records = co_await files_.read_all(directory(false));
  if (!records.ok()) co_return records.error();
  for (const auto& [name, content] : *intents) take_intent(name, content);
  for (const auto& [name, content] : *records) take_record(name, content);
  co_return Status();
}

void PullRecords::take_intent(const std::string& name, const Result<std::string>& content) {
  if (!is_record_name(name)) return;
  const auto image = content.ok() ? parse_pull_intent(content.value()) : content;
  if (image.ok() && record_file_name(image.value()) == name) {
    Pending& pending = intents_[image.value()];
    pending.on_disk = true;
    pending.unsure = true;
    return;
  }
  unreadable_.insert(directory(true) + "/" + name);
  log_.warning("A pull intent cannot be used; its image must be pulled again by who wants to use it",
               {{"file", directory(true) + "/" + name},
                {"err", image.ok() ? "the name of the file is another image's" : image.error().to_string()}});
}

void PullRecords::take_record(const std::string& name, const Result<std::string>& content) {
  if (!is_record_name(name)) return;
  const auto record = content.ok() ? parse_pulled_record(content.value()) : Result<PulledRecord>(content.error());
  if (record.ok() && record_file_name(record.value().ref) == name) {
    pulled_.try_emplace(record.value().ref, record.value());  // what was pulled meanwhile is newer
    return;
  }
  unreadable_.insert(directory(false) + "/" + name);
  log_.warning("A record of a pulled image cannot be used; the image must be pulled again by who wants to use it",
               {{"file", directory(false) + "/" + name},
                {"err", record.ok() ? "the name of the file is another image's" : record.error().to_string()}});
}

// The intents of a run that ended in the middle of pulls: who has pulled what is there now, nobody knows.
Task<void> PullRecords::recover(cri::ImageService* images) {
  co_await read_files();
  base::Duration pause = kFirstRetry;
  while (std::any_of(intents_.begin(), intents_.end(), [](const auto& entry) { return entry.second.pulls == 0; })) {
    auto there = co_await images->list_images();
    if (there.ok()) co_return recover_from(*there);
    log_.warning("The images of unfinished pulls cannot be listed", {{"err", there.error()}});
    co_await clock_.sleep_for(pause);
    pause = std::min(2 * pause, kLastRetry);
  }
}

void PullRecords::recover_from(const std::vector<cri::Image>& images) {
  std::map<std::string, std::string> refs;  // by normal name
  for (const cri::Image& image : images) {
    for (const std::string& name : names_of(image)) refs[name] = image.id;
  }
  for (auto& [image, pending] : intents_) {
    const auto name = normal_reference(image);
    const auto ref = name.ok() ? refs.find(name.value()) : refs.end();
    if (pending.pulls > 0 || ref == refs.end()) continue;
    auto [entry, is_new] = pulled_.try_emplace(ref->second);
    if (is_new) {
      entry->second.ref = ref->second;
      entry->second.updated = clock_.now();
    }
    pending.pulls = 1;  // until the record is written
    after_record_.emplace(ref->second, image);
    write_soon({false, ref->second});
  }
}

// --- The disk ---

std::optional<std::string> PullRecords::content_of(const File& file) const {
  if (file.intent) {
    if (intents_.count(file.about) == 0) return std::nullopt;
    return pull_intent_json(file.about);
  }
  const auto record = pulled_.find(file.about);
  if (record == pulled_.end()) return std::nullopt;
  return pulled_record_json(record->second);
}

void PullRecords::write_soon(File file) {
  if (std::find(dirty_.begin(), dirty_.end(), file) == dirty_.end()) dirty_.push_back(std::move(file));
  dirty_bell_.notify();
}

Task<void> PullRecords::write_changes() {
  while (true) {
    while (!dirty_.empty()) {
      const File file = dirty_.front();
      dirty_.pop_front();
      co_await write_file(file);
    }
    const base::Duration pause = failed_.empty() ? base::Duration::max() : kWriteRetry;
    const bool rung = co_await dirty_bell_.wait_for(clock_, pause);
    if (!rung) dirty_.splice(dirty_.end(), failed_);
  }
}

// What the file is to hold is decided now: whatever was asked for before is in it.
Task<void> PullRecords::write_file(File file) {
  auto content = content_of(file);
  const bool removal = !content;
  writing_ = true;
  auto work = removal ? files_.remove(path_of(file)) : files_.write(path_of(file), std::move(*content));
  auto status = co_await std::move(work);
  writing_ = false;
  if (!status.ok()) {
    log_.warning("A record of pulled images cannot be written", {{"about", file.about}, {"err", status.error()}});
  }
  if (file.intent && !removal) {
    wrote_intent(file.about, status);
  } else {
    wrote(file, status);
  }
}

// Whoever waits for it gives it up, or has it; it is not tried again without him.
void PullRecords::wrote_intent(const std::string& image, const Status& status) {
  if (status.ok()) unreadable_.erase(path_of({true, image}));
  const auto found = intents_.find(image);
  if (found == intents_.end()) return;
  ++found->second.tries;
  found->second.on_disk = status.ok();
  if (!status.ok()) found->second.failure = status.error();
  wrote_bell_.notify();
}

void PullRecords::wrote(const File& file, const Status& status) {
  if (!status.ok()) {
    failed_.push_back(file);
    return;
  }
  unreadable_.erase(path_of(file));
  dirty_.splice(dirty_.end(), failed_);  // the disk works again
  if (file.intent) return;
  std::vector<std::string> images;
  const auto [first, last] = after_record_.equal_range(file.about);
  for (auto entry = first; entry != last; ++entry) images.push_back(entry->second);
  after_record_.erase(first, last);
  for (const std::string& image : images) drop_intent(image);
}

}  // namespace keelson::agent
