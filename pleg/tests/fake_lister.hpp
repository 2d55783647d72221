// A container runtime of the tests: pods, containers, events, and what can go wrong.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "pleg/runtime_lister.hpp"

namespace keelson::pleg {

// What the fake's inspection yields: the states of the pod's items as they were then.
using Seen = std::map<std::string, State>;

class FakeLister final : public RuntimeLister {
 public:
  FakeLister(base::Loop& loop, base::Clock& clock)
      : loop_(loop), clock_(clock), stream_bell_(loop.context(), base::SteadyTime::max()) {}

  void set(const std::string& pod, const std::string& id, State state) {
    Item& item = items[id];
    item.id = id;
    item.pod_uid = pod;
    item.pod_namespace = "ns";
    item.pod_name = "pod-" + pod;
    item.sandbox = id.starts_with('s');
    item.container_name = item.sandbox ? "" : "main";
    item.state = state;
  }
  void remove(const std::string& id) { items.erase(id); }
  void send(const std::string& pod, const std::string& id, RuntimeEventType type = RuntimeEventType::stopped) {
    if (on_event_) on_event_(RuntimeEvent{pod, id, type, event_made_at});
  }
  void break_stream() {
    stream_broken_ = true;
    stream_bell_.cancel();
  }

  base::Task<Result<std::vector<Item>>> list() override {
    ++lists;
    if (list_hangs) co_await forever();
    if (list_error) co_return *list_error;
    std::vector<Item> all;
    for (const auto& [id, item] : items) all.push_back(item);
    if (list_takes.count() > 0) co_await clock_.sleep_for(list_takes);
    co_return all;
  }

  base::Task<Result<std::vector<Item>>> list_pod(std::string uid) override {
    ++pod_lists;
    if (list_error) co_return *list_error;
    std::vector<Item> all;
    for (const auto& [id, item] : items) {
      if (item.pod_uid == uid) all.push_back(item);
    }
    co_return all;
  }

  base::Task<Result<Inspection>> inspect(PodTarget target) override {
    ++inspections;
    if (hanging.count(target.uid) > 0) co_await forever();
    if (failing.count(target.uid) > 0) co_return Error(ErrorKind::internal, "cannot inspect " + target.uid);
    auto seen = std::make_shared<Seen>();
    for (const Item& item : target.items) {
      const auto found = items.find(item.id);
      if (found != items.end()) seen->emplace(item.id, found->second.state);
    }
    co_return Inspection(seen);
  }

  base::Task<Status> events(std::function<void(RuntimeEvent)> on_event) override {
    ++streams;
    if (stream_error) co_return *stream_error;
    stream_broken_ = false;
    on_event_ = on_event;
    struct Close {
      FakeLister& fake;
      ~Close() { fake.on_event_ = nullptr; }
    } close{*this};
    boost::system::error_code ignored;
    co_await stream_bell_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    co_return Error(ErrorKind::unavailable, "the stream broke");
  }

  std::map<std::string, Item> items;
  std::set<std::string> hanging;
  std::set<std::string> failing;
  bool list_hangs = false;
  base::Duration list_takes{};  // from the state that it shows to its answer
  std::optional<Error> list_error;
  std::optional<Error> stream_error = Error(ErrorKind::unimplemented, "no events");
  std::int64_t event_made_at = 0;  // nanoseconds since 1970, as the runtime says of its next events
  int lists = 0;
  int pod_lists = 0;
  int inspections = 0;
  int streams = 0;

 private:
  base::Task<void> forever() {
    boost::asio::steady_timer never(loop_.context(), base::SteadyTime::max());
    co_await never.async_wait(boost::asio::use_awaitable);
  }

  base::Loop& loop_;
  base::Clock& clock_;
  boost::asio::steady_timer stream_bell_;
  bool stream_broken_ = false;
  std::function<void(RuntimeEvent)> on_event_;
};

}  // namespace keelson::pleg
