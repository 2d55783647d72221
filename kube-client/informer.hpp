// Informer: a local copy of some API objects, kept by list and watch.
//
// It asks for initial events in the watch itself; a server that refuses that is listed first. A stream that ends is
// continued from its last resource version, an expired one (410) begins anew and gives the difference, so that no
// change is lost and none is told twice. Trouble is retried for ever (watch_plan.hpp): 0.8 s doubling to 30 s, fully
// jittered, reset after two minutes; a 403 too, since access to a Secret comes a moment after its pod. Objects are in
// their normal form (api::normalize) and without metadata.managedFields. Owner: whoever needs the objects; destroyed
// after the gate has stopped. Thread: the loop; the listener is called between two awaits, may read objects() and must
// not destroy the informer. Stops: with the gate it was started in. Source: contract 01 §10 "Watch pattern for all
// informers".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/envelope.hpp"
#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/client.hpp"
#include "kube-client/watch_plan.hpp"

namespace keelson::kube {

struct Selection {
  std::string ns;              // empty: all
  std::string field_selector;  // "spec.nodeName=n1"
  std::string label_selector;
  base::Duration shortest = std::chrono::seconds(300);  // timeoutSeconds is uniformly between these
  base::Duration longest = std::chrono::seconds(600);
  bool repeat_timeout = true;  // also `timeout=6m8s`, as the kubelet's typed clients do (not its pod watch)
};

enum class Change { added, modified, removed };

// What is the same for all types.
class InformerBase {
 public:
  using MessagePtr = std::shared_ptr<google::protobuf::Message>;

  // The prototype outlives the informer (it is a default instance).
  InformerBase(Client& client, base::Random& random, Selection selection, const google::protobuf::Message& prototype,
               base::Logger log);
  virtual ~InformerBase() = default;

  void start(base::Gate& gate);
  // The first complete set has arrived.
  bool synced() const { return synced_; }
  // Until it has; callers put a limit on it (base::with_timeout).
  base::Task<void> wait_synced();
  // The last resource version seen; empty before the first set.
  const std::string& version() const { return plan_.position(); }
  // While the server cannot be watched: the last failure; empty when all is well.
  const std::string& problem() const { return problem_; }
  // Called when the server can be watched again after a time in which it could not.
  void when_watching_again(std::function<void()> listener) { again_ = std::move(listener); }
  // When the stream last said anything.
  base::SteadyTime last_heard() const { return last_heard_; }

 protected:
  struct Held {
    std::string_view version;
    std::string_view uid;
  };

  // The complete set, by list or by initial events: the implementation tells the difference to what it had.
  virtual void replace(std::map<std::string, MessagePtr> objects) = 0;
  virtual void apply(Change change, const std::string& key, MessagePtr object) = 0;
  virtual void on_synced() = 0;
  // What is held under that key.
  virtual std::optional<Held> held(const std::string& key) const = 0;

 private:
  // A stream while it is read.
  struct Stream;

  base::Task<void> run();
  // One round: from a list, from initial events or from where we were; says how it ended.
  base::Task<WatchPlan::Round> watch_once();
  base::Task<Status> list();
  base::Task<WatchPlan::Round> read_stream(std::unique_ptr<HttpStream> stream, bool initial,
                                           std::chrono::seconds length);

  Status take_page(google::protobuf::Message& page, std::map<std::string, MessagePtr>& objects);
  Status take_events(Stream& stream);
  Status take(api::WatchEvent event, Stream& stream);
  void take_change(Change change, MessagePtr object, Stream& stream);
  bool is_old(Change change, const std::string& key, const api::meta::ObjectMeta& metadata) const;
  void complete(std::map<std::string, MessagePtr> objects, std::string version);
  void recovered();
  void failed(const WatchPlan::Round& round, base::Duration pause);

  Client& client_;
  base::Random& random_;
  Selection selection_;
  const google::protobuf::Message& prototype_;
  std::string path_;
  base::Logger log_;
  WatchPlan plan_;
  bool synced_ = false;
  base::Notification synced_bell_;
  std::string problem_;
  std::string complaint_;    // the last one logged; cleared by a stream that lives
  bool complained_ = false;  // and not yet taken back
  base::SteadyTime last_heard_{};
  std::function<void()> again_;
};

template <class T>
class Informer final : public InformerBase {
 public:
  using Ptr = std::shared_ptr<const T>;
  struct Event {
    Change change = Change::added;
    std::string key;  // "namespace/name" or "name"
    Ptr object;       // removed: its last known state
    Ptr before;       // modified: what it was
  };

  Informer(Client& client, base::Random& random, Selection selection, base::Logger log)
      : InformerBase(client, random, std::move(selection), T::default_instance(), std::move(log)) {}

  // Called with each object before it is kept: whatever the owner does not need may go (metadata.name, namespace, uid
  // and resourceVersion must stay). Set before start().
  void trim_by(std::function<void(T&)> trim) { trim_ = std::move(trim); }
  // Called for each change, also for the objects of the first set (as added, before synced() turns true).
  void on_event(std::function<void(const Event&)> listener) { listener_ = std::move(listener); }
  // Called once, when the first set is complete.
  void when_synced(std::function<void()> listener) { synced_listener_ = std::move(listener); }

  const std::map<std::string, Ptr>& objects() const { return objects_; }
  Ptr find(const std::string& key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second;
  }

 private:
  void replace(std::map<std::string, MessagePtr> objects) override {
    for (auto entry = objects_.begin(); entry != objects_.end();) {
      const auto next = std::next(entry);
      if (objects.count(entry->first) == 0) apply(Change::removed, entry->first, nullptr);
      entry = next;
    }
    for (auto& [key, object] : objects) {
      const Ptr known = find(key);
      if (known != nullptr &&
          known->metadata().resourceversion() == static_cast<const T&>(*object).metadata().resourceversion()) {
        continue;
      }
      // Deleted and made anew meanwhile: the end of the first must be told.
      if (known != nullptr && known->metadata().uid() != static_cast<const T&>(*object).metadata().uid()) {
        apply(Change::removed, key, nullptr);
      }
      apply(Change::modified, key, object);
    }
  }

  void apply(Change change, const std::string& key, MessagePtr message) override {
    if (trim_ && message != nullptr) trim_(static_cast<T&>(*message));
    Event event{change, key, std::static_pointer_cast<const T>(message), find(key)};
    if (change == Change::removed) {
      if (event.before == nullptr) return;
      if (event.object == nullptr) event.object = event.before;
      objects_.erase(key);
    } else {
      event.change = event.before == nullptr ? Change::added : Change::modified;
      objects_[key] = event.object;
    }
    if (listener_) listener_(event);
  }

  void on_synced() override {
    if (auto listener = std::exchange(synced_listener_, nullptr)) listener();
  }

  std::optional<Held> held(const std::string& key) const override {
    const auto found = objects_.find(key);
    if (found == objects_.end()) return std::nullopt;
    const auto& metadata = found->second->metadata();
    return Held{metadata.resourceversion(), metadata.uid()};
  }

  std::map<std::string, Ptr> objects_;
  std::function<void(T&)> trim_;
  std::function<void(const Event&)> listener_;
  std::function<void()> synced_listener_;
};

}  // namespace keelson::kube
