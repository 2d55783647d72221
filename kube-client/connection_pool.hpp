// ConnectionPool: which connection carries which exchange, and when another one is made.
//
// HTTP/2: the first connection with a free stream; another one when all are full, two in all (more only when the server
// allows so few streams that `streams_wanted` would not fit); beyond that exchanges wait, those that are over soon
// before watches, for which a few streams are never taken. HTTP/1.1: an idle connection or a new one. Owner:
// HttpTransport. Thread: the loop. Stops: close_all(), then the gate it was started in. Fails with what the dial failed
// with. Source: contract 01 §10; RFC 9113 §5.1.2.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "base/gate.hpp"
#include "base/sync.hpp"
#include "kube-client/connection.hpp"
#include "kube-client/dialer.hpp"

namespace keelson::kube {

// How many HTTP/2 connections there may be to a server that allows so many streams on each.
std::size_t connections_allowed(const HttpTransportOptions& options, std::size_t streams_each);
// How many streams of the last allowed connection a long-lived exchange must leave free.
std::size_t streams_reserved(const HttpTransportOptions& options, std::size_t streams_each);

class ConnectionPool {
 public:
  ConnectionPool(ConnectionContext& context, Dialer& dialer, base::Gate& gate);

  // Waits until a connection has taken the exchange; the caller limits the time.
  base::Task<Status> place(std::shared_ptr<Exchange> exchange);

  void close_idle();
  void close_all(const Error& why);
  // For a new identity: what is short may end on the old connections.
  void retire_all(const Error& why);
  // Everything waiting fails, nothing is taken any more.
  void shut(const Error& why);
  // A connection has room, or is gone.
  void changed() { bell_.notify(); }

  HttpTransportStats stats() const;

 private:
  struct Waiter {
    Waiter(base::Loop& loop, std::shared_ptr<Exchange> waiting) : exchange(std::move(waiting)), bell(loop) {}
    std::shared_ptr<Exchange> exchange;
    base::Notification bell;
    std::optional<Status> outcome;
  };
  using Waiters = std::list<std::shared_ptr<Waiter>>;

  void start();
  base::Task<void> manage();
  base::Task<void> dial_one(std::uint64_t generation);
  base::Task<void> ring_later(base::Duration delay);
  bool try_place(const std::shared_ptr<Exchange>& exchange);
  bool has_room(const Connection& connection, std::size_t index, bool long_lived) const;
  void serve(Waiters& waiters);
  void dial_if_needed();
  void keep_few_idle();
  void adopt(Dialed dialed);
  void dial_failed(const Error& why);
  std::size_t waiting() const { return short_.size() + long_.size(); }
  // How many HTTP/2 connections there may be now.
  std::size_t allowed() const;
  // Fewest streams that a connection allows.
  std::size_t streams_each() const;
  void finish(const std::shared_ptr<Waiter>& waiter, Status outcome);

  ConnectionContext& context_;
  Dialer& dialer_;
  base::Gate& gate_;
  base::Notification bell_;
  std::vector<std::shared_ptr<Connection>> connections_;  // in use; retired ones as long as they carry something
  Waiters short_;
  Waiters long_;
  std::optional<Error> shut_;
  std::optional<bool> http2_;  // as the last connection turned out
  std::size_t dialing_ = 0;
  std::uint64_t generation_ = 0;  // of the identity
  base::SteadyTime no_dial_before_{};
  bool rings_later_ = false;
  bool started_ = false;  // with the first exchange: what was never used need not be stopped
  std::uint64_t opened_ = 0;
};

}  // namespace keelson::kube
