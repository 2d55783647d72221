// Network: what all exchanges of probes and hooks share: the loop, the clock, their limits, host names, TLS.
//
// TLS verifies nothing (contract 02 §17) and takes weak keys too, since all that is asked is whether the server lives.
// Owner: agent/wiring or a test; outlives every exchange. Thread: the loop. Stops: stop(), after the exchanges have
// ended.
#pragma once

#include <memory>

#include "probes/deadlines.hpp"
#include "probes/names.hpp"

struct ssl_ctx_st;

namespace keelson::probes {

class Network {
 public:
  Network(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, LookUp look_up = {});
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  base::Task<void> stop();

  base::Loop& loop() { return loop_; }
  base::Clock& clock() { return clock_; }
  Deadlines& deadlines() { return deadlines_; }
  Names& names() { return names_; }
  // Made at its first use.
  ssl_ctx_st* tls();

 private:
  struct FreeTls {
    void operator()(ssl_ctx_st* context) const;
  };

  base::Loop& loop_;
  base::Clock& clock_;
  Deadlines deadlines_;
  Names names_;
  std::unique_ptr<ssl_ctx_st, FreeTls> tls_;
};

}  // namespace keelson::probes
