// Names: the addresses of host names that probes and hooks name.
//
// Names are looked up on the blocking pool by the system's resolver, each name once however many ask for it, two at a
// time: a name server that hangs takes no more threads than that. Nothing is cached. Owner: Network. Thread: the loop.
// Stops: stop(), after those who ask have ended. Fails with the text that Go prints: "lookup NAME: no such host".
#pragma once

#include <boost/asio/ip/address.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/gate.hpp"
#include "base/sync.hpp"

namespace keelson::probes {

using Addresses = std::vector<boost::asio::ip::address>;
// Runs on a thread of the pool and may block.
using LookUp = std::function<Result<Addresses>(const std::string& name)>;

class Names {
 public:
  // Without `look_up` the system's resolver is asked.
  Names(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, LookUp look_up);
  base::Task<void> stop() { return gate_.stop(); }

  // `host` may be an address. When `limit` passes first: deadline_exceeded.
  base::Task<Result<Addresses>> resolve(std::string host, base::Duration limit);

 private:
  struct Question {
    explicit Question(base::Loop& loop) : answered(loop) {}
    std::optional<Result<Addresses>> answer;
    base::Notification answered;
  };
  base::Task<void> ask(std::string host, std::shared_ptr<Question> question);

  base::Loop& loop_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  LookUp look_up_;
  base::Semaphore turns_;
  std::map<std::string, std::shared_ptr<Question>> open_;
  base::Gate gate_;
};

}  // namespace keelson::probes
