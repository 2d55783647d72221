// ApiStore: the objects, the one counter of versions, and the history of changes.
//
// Owner: FakeApi. Thread: the loop. Stops: with its owner. Nothing here judges: whoever writes has checked. The history
// keeps the newest changes (kMaxHistory); older states are gone, as after compact(). Source: the API's conventions for
// resourceVersion.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/api/fake_api_kinds.hpp"

namespace keelson::fakes {

using ObjectPtr = std::shared_ptr<const google::protobuf::Message>;
using NewObject = std::unique_ptr<google::protobuf::Message>;

struct ApiChange {
  std::uint64_t version = 0;
  const ApiKind* kind = nullptr;
  std::string key;
  ObjectPtr before;  // null: created
  ObjectPtr after;   // null: gone
  ObjectPtr last;    // of a deletion: `before` with the version of its end
};

class ApiStore {
 public:
  static constexpr std::size_t kMaxHistory = 20'000;
  static constexpr std::uint64_t kNewest = 3;        // changes that just_gone() looks at
  using Objects = std::map<std::string, ObjectPtr>;  // by key_of()

  static std::string key_of(const ApiKind& kind, const std::string& ns, const std::string& name);

  std::uint64_t version() const { return version_; }
  ObjectPtr get(const ApiKind& kind, const std::string& ns, const std::string& name) const;
  // In order of their keys.
  const Objects& all(const ApiKind& kind) const;
  template <class T>
  std::vector<std::shared_ptr<const T>> list() const {
    std::vector<std::shared_ptr<const T>> out;
    for (const auto& [key, object] : all(*kind_of(T::descriptor())))
      out.push_back(std::static_pointer_cast<const T>(object));
    return out;
  }
  template <class T>
  std::shared_ptr<const T> find(const std::string& ns, const std::string& name) const {
    return std::static_pointer_cast<const T>(get(*kind_of(T::descriptor()), ns, name));
  }

  // The objects as they were at `version`; nullopt when that is forgotten.
  std::optional<Objects> at(const ApiKind& kind, std::uint64_t version) const;
  // The version before the last change of that kind; the present one when nothing is remembered.
  std::uint64_t version_before_last_change(const ApiKind& kind) const;

  // What went with one of the newest changes, for caches that have not heard of it yet.
  ObjectPtr just_gone(const ApiKind& kind, const std::string& ns, const std::string& name) const;

  // Sets metadata.resourceVersion, replaces what was there, tells the listeners.
  ObjectPtr put(const ApiKind& kind, NewObject object);
  void erase(const ApiKind& kind, const std::string& ns, const std::string& name);

  // Changes after `version`, oldest first; nullopt when some of them are forgotten.
  std::optional<std::vector<const ApiChange*>> since(std::uint64_t version) const;
  std::uint64_t oldest_resumable() const { return forgotten_; }
  void compact();
  void on_change(std::function<void(const ApiChange&)> listener) { listeners_.push_back(std::move(listener)); }

 private:
  void record(ApiChange change);

  std::uint64_t version_ = 1;
  std::uint64_t forgotten_ = 1;  // changes up to this one are no longer known
  std::map<const ApiKind*, Objects> objects_;
  std::deque<ApiChange> history_;
  std::vector<std::function<void(const ApiChange&)>> listeners_;
};

}  // namespace keelson::fakes
