// Connection: one channel to the server with a protocol's engine on it.
//
// It moves bytes: what comes in goes to on_input(), what next_output() gives goes out; the engines (http1_connection,
// http2_connection) are plain functions of bytes and exchanges. Owner: shared by the pool and the two tasks that run
// it. Thread: the loop. Stops: close(), which fails what it carries by Exchange::broken(), or the gate it was started
// in. Failures: Exchange's. Source: contract 01 §10.
#pragma once

#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/channel.hpp"
#include "kube-client/exchange.hpp"
#include "kube-client/http_options.hpp"

namespace keelson::kube {

// What all connections of a transport share; outlives them.
struct ConnectionContext {
  base::Loop& loop;
  base::Clock& clock;
  base::Logger log;
  HttpTransportOptions options;
  std::string scheme;          // "https"
  std::string authority;       // "kube.example:6443"
  std::string absolute_form;   // a plain proxy wants "http://host:port" before the path
  std::string proxy_identity;  // the value of Proxy-Authorization for it
  // A connection has room, or is gone: the pool looks at all of them again, not within the call.
  std::function<void()> changed;
  // A connection ended in a way that speaks against its server's address.
  std::function<void()> suspicious;
};

class Connection : public Carrier, public std::enable_shared_from_this<Connection> {
 public:
  Connection(ConnectionContext& context, std::unique_ptr<Channel> channel);

  virtual void start(base::Gate& gate);
  // Sends the request; false when this connection cannot take it any more.
  virtual bool carry(std::shared_ptr<Exchange> exchange) = 0;
  // How many exchanges it carries, and may carry at a time.
  virtual std::size_t streams() const = 0;
  virtual std::size_t capacity() const = 0;
  // The capacity is the server's word and not our guess.
  virtual bool settled() const { return true; }

  bool usable() const { return !closed_ && !retired_; }
  bool closed() const { return closed_; }
  // Takes no more requests and goes when the last is done; `cut_long` ends watches and the like now.
  void retire(const Error& why, bool cut_long);
  void close(const Error& why);

 protected:
  // The exchanges in progress, as a copy: ending one changes the list.
  virtual std::vector<std::shared_ptr<Exchange>> exchanges() const = 0;
  virtual void on_input(std::string_view data) = 0;
  virtual void on_end_of_input(const Error& why) { close(why); }
  virtual bool wants_input() const { return true; }
  // After input: is there anything that next_output() would give?
  virtual bool has_output() const = 0;
  // Replaces `out` by what is to be sent next; empty: nothing for now.
  virtual void next_output(std::string& out) = 0;
  virtual void on_closed() {}

  void flush() { outgoing_.notify(); }
  void resume_input() { incoming_.notify(); }
  // After an exchange has left.
  void on_room();

  ConnectionContext& context_;
  bool received_ = false;  // anything at all
  bool used_ = false;      // has carried an exchange before
  bool retired_ = false;
  bool closed_ = false;
  base::SteadyTime heard_at_;

 private:
  static base::Task<void> read_all(std::shared_ptr<Connection> self);
  static base::Task<void> write_all(std::shared_ptr<Connection> self);
  Error lost(const boost::system::error_code& error) const;

  std::unique_ptr<Channel> channel_;
  base::Notification incoming_;
  base::Notification outgoing_;
};

}  // namespace keelson::kube
