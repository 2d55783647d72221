#include "tests/support/fake_dispatch.hpp"

namespace keelson::fakes {

void clear_field(google::protobuf::Message& message, const std::string& path) {
  const auto dot = path.find('.');
  const auto* field = message.GetDescriptor()->FindFieldByName(path.substr(0, dot));
  if (field == nullptr) {
    broken_invariant(("no field " + path + " in " + message.GetTypeName()).c_str(), __FILE__, __LINE__);
  }
  const auto* reflection = message.GetReflection();
  if (dot == std::string::npos) {
    reflection->ClearField(&message, field);
  } else if (field->is_repeated()) {
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      clear_field(*reflection->MutableRepeatedMessage(&message, field, i), path.substr(dot + 1));
    }
  } else if (reflection->HasField(message, field)) {
    clear_field(*reflection->MutableMessage(&message, field), path.substr(dot + 1));
  }
}

std::optional<Fault> Dispatch::arrive(const std::string& rpc,
                                      std::shared_ptr<const google::protobuf::Message> request) {
  const auto limit = world_.features().journal_limit;
  std::optional<Fault> met;
  {
    std::lock_guard lock(mutex_);
    ++counts_[rpc];
    for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
      if (fault->times <= 0 || (fault->rpc != "*" && fault->rpc != rpc)) continue;
      if (!fault->match.empty() && request->ShortDebugString().find(fault->match) == std::string::npos) continue;
      if (fault->skip > 0) {
        --fault->skip;
        continue;
      }
      if (fault->times != kAlways) --fault->times;
      met = *fault;
      break;
    }
    if (limit > 0) {
      journal_.push_back({rpc, std::chrono::steady_clock::now(), std::move(request)});
      while (journal_.size() > limit) journal_.pop_front();
    }
  }
  notify();
  return met;
}

void Dispatch::keep_hung(std::weak_ptr<PendingCall> call) {
  std::lock_guard lock(mutex_);
  std::erase_if(hung_, [](const auto& other) { return other.expired(); });
  hung_.push_back(std::move(call));
}

void Dispatch::release_hung() {
  std::vector<std::weak_ptr<PendingCall>> released;
  {
    std::lock_guard lock(mutex_);
    released.swap(hung_);
  }
  for (const auto& weak : released) {
    if (const auto call = weak.lock()) call->finish_with({grpc::StatusCode::UNAVAILABLE, "released by the test"});
  }
}

void Dispatch::add_fault(Fault fault) {
  std::lock_guard lock(mutex_);
  faults_.push_front(std::move(fault));
}

void Dispatch::clear_faults() {
  std::lock_guard lock(mutex_);
  faults_.clear();
}

std::vector<JournalEntry> Dispatch::journal() const {
  std::lock_guard lock(mutex_);
  return {journal_.begin(), journal_.end()};
}

std::size_t Dispatch::count(const std::string& rpc) const {
  std::lock_guard lock(mutex_);
  const auto found = counts_.find(rpc);
  return found == counts_.end() ? 0 : found->second;
}

void Dispatch::clear_journal() {
  std::lock_guard lock(mutex_);
  journal_.clear();
  counts_.clear();
}

void Dispatch::notify() {
  std::lock_guard lock(wait_mutex_);
  ++changes_;
  wait_.notify_all();
}

bool Dispatch::wait_until(const std::function<bool()>& predicate, std::chrono::milliseconds limit) const {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    std::uint64_t seen = 0;
    {
      std::lock_guard lock(wait_mutex_);
      seen = changes_;
    }
    // Without the lock: the predicate looks into the runtime.
    if (predicate()) return true;
    std::unique_lock lock(wait_mutex_);
    if (!wait_.wait_until(lock, deadline, [&] { return changes_ != seen; })) return predicate();
  }
}

}  // namespace keelson::fakes
