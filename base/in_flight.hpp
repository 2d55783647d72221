// InFlight: at most one blocking call of a kind at a time, so that what hangs cannot take every thread of the pool.
//
// enter(key) answers a token to be captured by the call, or nothing while an earlier call of that key has not returned,
// even when its caller has long stopped waiting. The token's end (the closure's destruction) makes the key free again.
// Thread: enter() on the loop; the token may end anywhere. Owner: the service that makes the calls.
#pragma once

#include <map>
#include <memory>
#include <string>

namespace keelson::base {

class InFlight {
 public:
  using Token = std::shared_ptr<void>;

  Token enter(const std::string& key) {
    std::erase_if(running_, [](const auto& entry) { return entry.second.expired(); });
    if (running_.count(key) > 0) return nullptr;
    Token token = std::make_shared<int>(0);
    running_[key] = token;
    return token;
  }
  std::size_t size() const { return running_.size(); }

 private:
  std::map<std::string, std::weak_ptr<void>> running_;
};

}  // namespace keelson::base
