// Wire: the bytes of one accepted connection, plain or through TLS, and Wires, all of them.
//
// OpenSSL works on the socket itself, as in probes: an idle connection then holds no buffer of ours or of its own,
// where asio::ssl::stream keeps some 70 KiB. Everything that waits ends at the deadline (`deadline_exceeded`), when
// somebody closes the wire, or by the cancellation of the task that waits. Owner: the connection, then the ByteStream
// that a handler has taken over; shared. Thread: the loop; one read and one write may wait at a time, and a watch
// beside them. What fails: a peer that is gone is `unavailable`. Source: contract 05 §1, §2; RFC 8446.
#pragma once

#include <array>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "agent/server/client_certificates.hpp"
#include "agent/server/tls_contexts.hpp"
#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::server {

class Wire;

// How many there are, and which of them wait for a request: of those the one that has waited longest makes room.
class Wires {
 public:
  std::size_t size() const { return all_.size(); }
  // False when none waits.
  bool close_longest_waiting();
  void close_all();

  // Of input on all wires that is held in memory, which has a limit of its own.
  std::size_t buffered = 0;

 private:
  friend class Wire;
  std::list<Wire*> all_;
  std::list<Wire*> waiting_;  // longest first
};

class Wire {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  Wire(base::Clock& clock, Socket socket, std::shared_ptr<Wires> wires);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  base::Task<Status> handshake(SslContext context);
  // A handshake has failed because of this.
  bool spoke_plain_http() const;
  const PeerCertificates& peer() const { return peer_; }
  const std::string& remote() const { return remote_; }

  enum class Io { done, want_read, want_write, end, failed };
  // What is there without waiting, at most `limit` bytes, put at the end of `into`.
  Io try_read(std::string& into, std::size_t limit);

  // At least one byte; 0 when the peer has ended its side.
  base::Task<Result<std::size_t>> read_some(std::string& into, std::size_t limit);
  // All of them, once the kernel has taken them. Whoever awaits keeps the bytes.
  base::Task<Status> write(std::string_view bytes);
  base::Task<void> shut_down_write();
  // Nothing more is sent, and what still comes is thrown away until the peer is done or the deadline has come: closing
  // at once could take the last answer from a peer that is still sending.
  base::Task<void> linger();
  void close();

  // For all that waits from now on.
  void set_deadline(base::SteadyTime when);
  void clear_deadline() { set_deadline(base::SteadyTime::max()); }
  // Whether it may be closed to make room.
  void set_waiting(bool waiting);

  // Calls back once, when there may be something to read; destroying what it returns prevents that.
  class Readable {
   public:
    virtual ~Readable() = default;
  };
  std::unique_ptr<Readable> when_readable(std::function<void()> then);

  // What OpenSSL calls for.
  ssize_t receive(char* to, std::size_t room);
  ssize_t send(const char* data, std::size_t size);

 private:
  struct FreeSession {
    void operator()(SSL* session) const { SSL_free(session); }
  };

  base::Task<Status> wait(boost::asio::socket_base::wait_type direction);
  base::Task<void> take_turns(std::size_t size);
  Io tls_outcome(int result);
  Io try_write(std::string_view bytes, std::size_t& sent);
  Error gone() const;

  base::Clock& clock_;
  Socket socket_;
  std::shared_ptr<Wires> wires_;
  std::list<Wire*>::iterator place_;
  std::list<Wire*>::iterator waiting_place_;
  bool waiting_ = false;
  std::string remote_;
  std::unique_ptr<SSL, FreeSession> tls_;
  PeerCertificates peer_;
  std::array<char, 5> first_{};  // bytes of the connection
  std::size_t first_size_ = 0;
  std::unique_ptr<base::Alarm> alarm_;
  bool late_ = false;    // the deadline has come
  bool closed_ = false;  // by us
  bool ended_ = false;   // the peer's side, without a word of TLS
  bool broken_ = false;  // TLS has failed
  bool established_ = false;
  std::size_t turn_ = 0;  // bytes since the last wait
  int error_ = 0;         // errno of the last failed call
};

}  // namespace keelson::server
