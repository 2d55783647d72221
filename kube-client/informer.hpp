// Informer: a local copy of some API objects, kept by list and watch.
//
// It asks for initial events in the watch itself; a server that refuses that is listed first. A stream that ends is
// continued from its last resource version, an expired one (410) begins anew and gives the difference, so that no
// change is lost and none is told twice. Trouble is retried for ever: 0.8 s doubling to 30 s, fully jittered, reset
// after two minutes. Owner: whoever needs the objects. Thread: the loop; the listener is called between two awaits and
// may read objects(). Stops: with the gate it was started in. Source: contract 01 §10 "Watch pattern for all
// informers".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "kube-client/client.hpp"

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

  InformerBase(Client& client, base::Random& random, Selection selection, const google::protobuf::Message& prototype,
               base::Logger log);
  virtual ~InformerBase() = default;

  void start(base::Gate& gate);
  // The first complete set has arrived.
  bool synced() const { return synced_; }
  // While the server cannot be watched: the last failure; empty when all is well.
  const std::string& problem() const { return problem_; }
  // When the stream last said anything.
  base::SteadyTime last_heard() const { return last_heard_; }

 protected:
  // The complete set, by list or by initial events: the implementation tells the difference to what it had.
  virtual void replace(std::map<std::string, MessagePtr> objects) = 0;
  virtual void apply(Change change, const std::string& key, MessagePtr object) = 0;
  virtual void on_synced() = 0;

 private:
  base::Task<void> run();
  // One round: from a list or from where we were; says how it ended.
  base::Task<Status> watch_once();
  base::Task<Status> list();
  base::Task<Status> read_stream(std::unique_ptr<HttpStream> stream, bool initial);

  Client& client_;
  base::Random& random_;
  Selection selection_;
  std::unique_ptr<google::protobuf::Message> prototype_;
  base::Logger log_;
  std::string version_;  // the last resource version seen; empty: begin anew
  bool watch_list_ = true;
  bool synced_ = false;
  std::string problem_;
  base::SteadyTime last_heard_{};
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

  std::map<std::string, Ptr> objects_;
  std::function<void(const Event&)> listener_;
  std::function<void()> synced_listener_;
};

}  // namespace keelson::kube
