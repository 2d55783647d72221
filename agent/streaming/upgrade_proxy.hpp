// UpgradeProxy: connects a client's upgrade request (SPDY or WebSocket) with the runtime's streaming server.
//
// It dials the URL that the runtime gave, hands the request on, and answers by what comes back: 101 is handed to the
// client and bytes are copied both ways (agent/streaming/relay.hpp); an error of the runtime's server is handed on as
// it is and the connection closed; anything else is 500 with the kubelet's text. No byte of SPDY or WebSocket is looked
// at; the timeouts of streams are the runtime's. Owner: agent/wiring. Thread: the loop. Stops: stop() ends all sessions
// and waits for them; the server does the same to a single one by cancelling its handler. Whoever dies, and when, both
// connections are closed. Source: contract 05 §9.2.
#pragma once

#include <list>
#include <string>

#include "agent/server/message.hpp"
#include "agent/streaming/backend.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/interruption.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"

namespace keelson::streaming {

struct ProxyLimits {
  base::Duration dial = std::chrono::seconds(30);
  base::Duration answer = std::chrono::seconds(60);     // from the request to the head of the runtime's answer
  base::Duration error = std::chrono::seconds(10);      // to hand an error of the runtime's server on
  base::Duration after_end = std::chrono::seconds(10);  // Relay's patience
};

class UpgradeProxy {
 public:
  // `tls` is for URLs of https; null: the system's authorities.
  UpgradeProxy(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, base::Logger log,
               ProxyLimits limits = {}, kube::TlsContext tls = nullptr)
      : loop_(loop),
        clock_(clock),
        pool_(pool),
        log_(std::move(log)),
        limits_(limits),
        tls_(std::move(tls)),
        left_(loop) {}
  UpgradeProxy(const UpgradeProxy&) = delete;
  UpgradeProxy& operator=(const UpgradeProxy&) = delete;

  // Answers the request. `request` and `reply` are only borrowed until it returns.
  base::Task<void> forward(const server::Request& request, server::Reply& reply, std::string url);
  base::Task<void> stop();
  std::size_t sessions() const { return sessions_.size(); }

 private:
  class Session;
  base::Task<void> serve(const server::Request* request, server::Reply* reply, std::string url);
  base::Task<Result<BackendAnswer>> ask(Backend* runtime, std::string message);
  base::Task<void> hand_on_error(Backend* runtime, server::ByteStream* client, BackendAnswer answer);
  base::Task<void> refuse(server::Reply* reply, std::string text);

  base::Loop& loop_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  base::Logger log_;
  ProxyLimits limits_;
  kube::TlsContext tls_;
  bool stopping_ = false;
  std::list<base::Interruption*> sessions_;
  base::Notification left_;
};

}  // namespace keelson::streaming
