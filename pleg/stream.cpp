// The runtime's own events.
#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>

#include "pleg/pleg.hpp"

namespace keelson::pleg {

using base::Task;

Task<void> Pleg::event_loop() {
  using namespace boost::asio::experimental::awaitable_operators;
  const std::function<void(RuntimeEvent)> take = [this](RuntimeEvent event) { take_event(event); };
  while (true) {
    auto reading = lister_.events(take) || believe_stream();
    auto ended = co_await std::move(reading);
    const Status status = std::get<0>(std::move(ended));
    const bool stood = evented_;
    set_evented(false);
    const bool unimplemented = !status.ok() && status.error().kind() == ErrorKind::unimplemented;
    if (!unimplemented) {
      ++metrics_.connection_errors;
      stream_errors_ = stood ? 1 : stream_errors_ + 1;
      log_.info("Stream of container events ended, listing pods every second",
                {{"error", status.ok() ? std::string("the stream ended") : status.error().to_string()}});
    } else if (!stream_unimplemented_) {
      log_.info("The container runtime has no events, listing pods every second");
    }
    stream_unimplemented_ = unimplemented;
    const bool late = unimplemented || stream_errors_ >= options_.stream_errors;
    const base::Duration pause = late ? options_.stream_late_retry : options_.stream_retry;
    boost::system::error_code ignored;
    auto either = clock_.sleep_for(pause) ||
                  stream_bell_->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    co_await std::move(either);
  }
}

// A stream tells that it stands only by its first event. One that has not failed for a while is believed too. Never
// returns.
Task<void> Pleg::believe_stream() {
  co_await clock_.sleep_for(options_.stream_settles);
  set_evented(true);
  while (true) co_await clock_.sleep_for(std::chrono::hours(24));
}

void Pleg::take_event(const RuntimeEvent& event) {
  set_evented(true);
  if (event.created_at > 0) {
    const base::Duration since_1970 = clock_.now().time_since_epoch();
    metrics_.event_latency.observe(std::max(since_1970 - base::Duration(event.created_at), base::Duration::zero()));
  }
  const bool end = event.type == RuntimeEventType::stopped;
  if (!event.pod_uid.empty()) return heed(event.pod_uid, end);
  for (const auto& [uid, record] : records_) {
    for (const Item& item : record.items) {
      if (item.id == event.container_id) return heed(std::string(uid), end);
    }
  }
}

// Starting a pod makes four events or more, ending it two, and whoever does it looks at it afterwards anyway.
void Pleg::heed(const std::string& uid, bool end) {
  const base::SteadyTime now = clock_.steady_now();
  end = end && !(ending_ && ending_(uid));
  Record& record = records_[uid];
  const base::SteadyTime due = end ? record.listed_at + options_.end_gap : now + options_.event_patience;
  if (due <= now) return ask(uid, false);
  record.heard_at = now;
  if (gate_.stopping() || (record.planned_for && *record.planned_for <= due)) return;
  record.planned_for = due;
  ++record.planned;
  base::spawn(gate_, "pleg look soon at " + uid, look_later(uid, due));
}

Task<void> Pleg::look_later(std::string uid, base::SteadyTime when) {
  co_await clock_.sleep_until(when);
  Record& record = records_.at(uid);
  --record.planned;
  record.planned_for.reset();
  // Whoever looked since then has seen what the event was about.
  if (record.listed_at <= record.heard_at) ask(uid, false);
  forget_if_gone(uid);
}

void Pleg::set_evented(bool evented) {
  if (evented_ == evented) return;
  evented_ = evented;
  mode_since_ = clock_.steady_now();
  if (evented) {
    stream_errors_ = 0;
    ++metrics_.connection_success;
    log_.info("The container runtime sends events, listing pods only as a safety net");
  }
  // Either way something may have happened that no event will tell.
  request_full_relist();
}

}  // namespace keelson::pleg
