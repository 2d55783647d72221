// Deadlines: one timer for the time limits of all exchanges in progress.
//
// An exchange is over long before its limit, a thousand times a second: a timer of its own for each would cost more
// than the rest. Here a limit is an entry in a list. Owner: Network; the Limits end before it. Thread: the loop. Stops:
// stop(). What fails: nothing. Source: contract 02 §17 (timeoutSeconds is the limit of everything an attempt does).
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <optional>

#include "probes/alarm.hpp"

namespace keelson::probes {

class Limit;

class Deadlines {
 public:
  Deadlines(base::Loop& loop, base::Clock& clock);
  base::Task<void> stop() { return alarm_.stop(); }

 private:
  friend class Limit;
  using Entries = std::multimap<base::SteadyTime, Limit*>;
  Entries::iterator add(base::SteadyTime end, Limit* limit);
  base::SteadyTime end_those_due();

  base::Clock& clock_;
  Entries entries_;
  Alarm alarm_;
};

// The time that one exchange has. Owner: the exchange. When it is over, the socket that is attached at that moment
// is cancelled: what was being awaited ends with operation_aborted, and over() says why.
class Limit {
 public:
  // A `limit` of zero never ends.
  Limit(Deadlines& deadlines, base::Duration limit);
  ~Limit();
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

  bool over() const { return over_; }
  // What is left; Duration::max() without an end.
  base::Duration left() const;
  void attach(boost::asio::ip::tcp::socket* socket) { socket_ = socket; }

 private:
  friend class Deadlines;
  void end();

  Deadlines& deadlines_;
  std::optional<Deadlines::Entries::iterator> place_;
  boost::asio::ip::tcp::socket* socket_ = nullptr;
  bool over_ = false;
};

}  // namespace keelson::probes
