#include "tests/support/api/fake_api_store.hpp"

namespace keelson::fakes {

std::string ApiStore::key_of(const ApiKind& kind, const std::string& ns, const std::string& name) {
  return kind.resource.namespaced ? ns + "/" + name : name;
}

ObjectPtr ApiStore::get(const ApiKind& kind, const std::string& ns, const std::string& name) const {
  const Objects& objects = all(kind);
  const auto found = objects.find(key_of(kind, ns, name));
  return found == objects.end() ? nullptr : found->second;
}

const ApiStore::Objects& ApiStore::all(const ApiKind& kind) const {
  static const Objects none;
  const auto found = objects_.find(&kind);
  return found == objects_.end() ? none : found->second;
}

std::optional<ApiStore::Objects> ApiStore::at(const ApiKind& kind, std::uint64_t version) const {
  if (version < forgotten_) return std::nullopt;
  Objects out = all(kind);
  for (auto change = history_.rbegin(); change != history_.rend() && change->version > version; ++change) {
    if (change->kind != &kind) continue;
    if (change->before == nullptr) {
      out.erase(change->key);
    } else {
      out[change->key] = change->before;
    }
  }
  return out;
}

std::uint64_t ApiStore::version_before_last_change(const ApiKind& kind) const {
  for (auto change = history_.rbegin(); change != history_.rend(); ++change) {
    if (change->kind == &kind) return change->version - 1;
  }
  return version_;
}

ObjectPtr ApiStore::just_gone(const ApiKind& kind, const std::string& ns, const std::string& name) const {
  const std::string key = key_of(kind, ns, name);
  for (auto change = history_.rbegin(); change != history_.rend(); ++change) {
    if (change->version + kNewest <= version_) break;
    if (change->kind == &kind && change->key == key && change->after == nullptr) return change->last;
  }
  return nullptr;
}

ObjectPtr ApiStore::put(const ApiKind& kind, NewObject object) {
  auto& meta = mutable_meta(*object);
  meta.set_resourceversion(std::to_string(version_ + 1));
  ApiChange change;
  change.kind = &kind;
  change.key = key_of(kind, meta.namespace_(), meta.name());
  change.after = std::move(object);
  ObjectPtr& place = objects_[&kind][change.key];
  change.before = place;
  place = change.after;
  const ObjectPtr stored = place;
  record(std::move(change));
  return stored;
}

void ApiStore::erase(const ApiKind& kind, const std::string& ns, const std::string& name) {
  ApiChange change;
  change.kind = &kind;
  change.key = key_of(kind, ns, name);
  const auto found = objects_[&kind].find(change.key);
  if (found == objects_[&kind].end()) return;
  change.before = found->second;
  NewObject last(change.before->New());
  last->MergeFrom(*change.before);
  mutable_meta(*last).set_resourceversion(std::to_string(version_ + 1));
  change.last = std::move(last);
  objects_[&kind].erase(found);
  record(std::move(change));
}

void ApiStore::record(ApiChange change) {
  change.version = ++version_;
  history_.push_back(std::move(change));
  if (history_.size() > kMaxHistory) {
    forgotten_ = history_.front().version;
    history_.pop_front();
  }
  // A listener may write: what it is told must not move meanwhile.
  const ApiChange told = history_.back();
  for (const auto& listener : listeners_) listener(told);
}

std::optional<std::vector<const ApiChange*>> ApiStore::since(std::uint64_t version) const {
  if (version < forgotten_) return std::nullopt;
  std::vector<const ApiChange*> out;
  for (const ApiChange& change : history_) {
    if (change.version > version) out.push_back(&change);
  }
  return out;
}

void ApiStore::compact() {
  history_.clear();
  forgotten_ = version_;
}

}  // namespace keelson::fakes
