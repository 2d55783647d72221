#include "kube-client/connection_pool.hpp"

#include <algorithm>
#include <utility>

#include "kube-client/http1_connection.hpp"
#include "kube-client/http2_connection.hpp"

namespace keelson::kube {

std::size_t connections_allowed(const HttpTransportOptions& options, std::size_t streams_each) {
  const std::size_t each = std::max<std::size_t>(streams_each, 1);
  const std::size_t needed = (options.streams_wanted + each - 1) / each;
  return std::clamp(needed, options.connections, std::max(options.connections, options.connections_limit));
}

std::size_t streams_reserved(const HttpTransportOptions& options, std::size_t streams_each) {
  return std::min(options.streams_reserved, streams_each / 2);
}

ConnectionPool::ConnectionPool(ConnectionContext& context, Dialer& dialer, base::Gate& gate)
    : context_(context), dialer_(dialer), gate_(gate), bell_(context.loop) {}

void ConnectionPool::start() { base::spawn(gate_, "API server connections", manage()); }

std::size_t ConnectionPool::streams_each() const {
  std::size_t fewest = context_.options.streams_assumed;
  bool known = false;
  for (const auto& connection : connections_) {
    if (!connection->usable() || !connection->settled()) continue;
    fewest = known ? std::min(fewest, connection->capacity()) : connection->capacity();
    known = true;
  }
  return fewest;
}

// As many as the design wants, and more when there is more to carry than fits: a watch that waits for another one's end
// is deaf meanwhile.
std::size_t ConnectionPool::allowed() const {
  std::size_t used = 0;
  for (const auto& connection : connections_) {
    if (connection->usable()) used += connection->streams();
  }
  HttpTransportOptions options = context_.options;
  if (!long_.empty()) {
    options.streams_wanted = std::max(options.streams_wanted, used + long_.size() + options.streams_reserved);
  }
  return connections_allowed(options, streams_each());
}

bool ConnectionPool::has_room(const Connection& connection, std::size_t index, bool long_lived) const {
  std::size_t capacity = connection.capacity();
  if (long_lived && http2_.value_or(false) && index + 1 >= allowed()) {
    capacity -= streams_reserved(context_.options, capacity);
  }
  return connection.streams() < capacity;
}

bool ConnectionPool::try_place(const std::shared_ptr<Exchange>& exchange) {
  std::size_t index = 0;
  for (const auto& connection : connections_) {
    if (!connection->usable()) continue;
    if (has_room(*connection, index, exchange->long_lived) && connection->carry(exchange)) return true;
    ++index;
  }
  return false;
}

base::Task<Status> ConnectionPool::place(std::shared_ptr<Exchange> exchange) {
  if (shut_) co_return *shut_;
  if (!std::exchange(started_, true)) start();
  Waiters& queue = exchange->long_lived ? long_ : short_;
  if (queue.empty() && try_place(exchange)) co_return Status();
  auto waiter = std::make_shared<Waiter>(context_.loop, std::move(exchange));
  struct Leave {
    Waiters& queue;
    Waiters::iterator place;
    ~Leave() { queue.erase(place); }
  } leave{queue, queue.insert(queue.end(), waiter)};
  bell_.notify();
  while (!waiter->outcome) co_await waiter->bell.wait();
  co_return std::move(*waiter->outcome);
}

void ConnectionPool::finish(const std::shared_ptr<Waiter>& waiter, Status outcome) {
  waiter->outcome = std::move(outcome);
  waiter->bell.notify();
}

base::Task<void> ConnectionPool::manage() {
  while (true) {
    std::erase_if(connections_, [](const auto& connection) { return connection->closed(); });
    serve(short_);
    serve(long_);
    dial_if_needed();
    keep_few_idle();
    co_await bell_.wait();
  }
}

void ConnectionPool::serve(Waiters& waiters) {
  for (const auto& waiter : waiters) {
    if (waiter->outcome) continue;
    if (!try_place(waiter->exchange)) return;
    finish(waiter, Status());
  }
}

void ConnectionPool::dial_if_needed() {
  const auto unserved = [](const Waiters& waiters) {
    return std::count_if(waiters.begin(), waiters.end(), [](const auto& waiter) { return !waiter->outcome; });
  };
  const auto need = static_cast<std::size_t>(unserved(short_) + unserved(long_));
  if (need == 0 || shut_) return;
  std::size_t usable = 0;
  bool settled = true;
  for (const auto& connection : connections_) {
    if (!connection->usable()) continue;
    ++usable;
    settled = settled && connection->settled();
  }
  std::size_t wanted = 1;
  if (http2_.has_value() && !*http2_) {
    wanted = std::min(need, context_.options.dials_http1);
  } else if (!settled || usable >= allowed()) {
    return;
  }
  const base::SteadyTime now = context_.clock.steady_now();
  if (now < no_dial_before_) {
    if (!std::exchange(rings_later_, true)) {
      base::spawn(gate_, "API server connections: later", ring_later(no_dial_before_ - now));
    }
    return;
  }
  while (dialing_ < wanted) {
    ++dialing_;
    base::spawn(gate_, "API server connection: dial", dial_one(generation_));
  }
}

base::Task<void> ConnectionPool::ring_later(base::Duration delay) {
  co_await context_.clock.sleep_for(delay);
  rings_later_ = false;
  bell_.notify();
}

base::Task<void> ConnectionPool::dial_one(std::uint64_t generation) {
  struct Done {
    ConnectionPool& pool;
    ~Done() {
      --pool.dialing_;
      pool.bell_.notify();
    }
  } done{*this};
  auto dialed = co_await dialer_.dial();
  if (shut_) co_return;
  // With an identity that is no longer ours neither its success nor its failure says anything.
  if (generation != generation_) co_return;
  if (!dialed.ok()) {
    dial_failed(dialed.error());
  } else {
    adopt(std::move(*dialed));
  }
}

void ConnectionPool::adopt(Dialed dialed) {
  http2_ = dialed.http2;
  ++opened_;
  std::shared_ptr<Connection> connection;
  if (dialed.http2) {
    connection = std::make_shared<Http2Connection>(context_, std::move(dialed.channel));
  } else {
    connection = std::make_shared<Http1Connection>(context_, std::move(dialed.channel));
  }
  connection->start(gate_);
  connections_.push_back(std::move(connection));
}

void ConnectionPool::dial_failed(const Error& why) {
  context_.log.debug(4, "Cannot connect to the API server", {{"error", why}});
  const bool others = std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return c->usable(); });
  if (http2_.value_or(false) && others) {
    // What waits may still get a stream of the connections that we have.
    no_dial_before_ = context_.clock.steady_now() + context_.options.redial_delay;
    return;
  }
  for (Waiters* waiters : {&short_, &long_}) {
    for (const auto& waiter : *waiters) {
      if (!waiter->outcome) finish(waiter, why);
    }
  }
}

void ConnectionPool::keep_few_idle() {
  std::size_t idle = 0;
  bool other_has_room = false;
  const auto connections = connections_;
  const Error why(ErrorKind::unavailable, "the connection was idle");
  for (const auto& connection : connections) {
    if (!connection->usable()) continue;
    const bool is_idle = connection->streams() == 0;
    if (!http2_.value_or(false)) {
      if (is_idle && ++idle > context_.options.idle_http1) connection->close(why);
    } else {
      // A further connection that is empty goes when an earlier one is half empty.
      if (is_idle && other_has_room && connection->settled()) connection->close(why);
      other_has_room = other_has_room || connection->streams() * 2 < connection->capacity();
    }
  }
}

void ConnectionPool::close_idle() {
  const auto connections = connections_;
  for (const auto& connection : connections) {
    if (connection->streams() == 0) connection->close(Error(ErrorKind::unavailable, "the connection was idle"));
  }
}

void ConnectionPool::close_all(const Error& why) {
  const auto connections = connections_;
  for (const auto& connection : connections) connection->close(why);
}

void ConnectionPool::retire_all(const Error& why) {
  ++generation_;
  const auto connections = connections_;
  for (const auto& connection : connections) connection->retire(why, true);
  bell_.notify();
}

void ConnectionPool::shut(const Error& why) {
  shut_ = why;
  close_all(why);
  for (Waiters* waiters : {&short_, &long_}) {
    for (const auto& waiter : *waiters) {
      if (!waiter->outcome) finish(waiter, why);
    }
  }
}

HttpTransportStats ConnectionPool::stats() const {
  HttpTransportStats stats;
  for (const auto& connection : connections_) {
    if (connection->closed()) continue;
    ++stats.connections;
    stats.streams += connection->streams();
  }
  stats.waiting = waiting();
  stats.dialing = dialing_;
  stats.opened = opened_;
  return stats;
}

}  // namespace keelson::kube
