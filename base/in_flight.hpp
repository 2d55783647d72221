// InFlight: at most one blocking call of a kind at a time, so that what hangs cannot take every thread of the pool.
//
// enter(key) answers a token to be captured by the call, or nothing while an earlier call of that key has not returned,
// even when its caller has long stopped waiting. join(key) answers one that any number of calls may hold side by side,
// but none while one of enter() has not returned, nor the other way round. The token's end (the closure's destruction)
// makes the key free again. Thread: enter() and join() on the loop; a token may end anywhere. Owner: the service that
// makes the calls.
#pragma once

#include <map>
#include <memory>
#include <string>

namespace keelson::base {

class InFlight {
 public:
  using Token = std::shared_ptr<void>;

  Token enter(const std::string& key) { return take(key, false); }
  Token join(const std::string& key) { return take(key, true); }
  std::size_t size() const { return running_.size(); }

 private:
  struct Call {
    std::weak_ptr<void> token;
    bool shared = false;
  };

  Token take(const std::string& key, bool shared) {
    std::erase_if(running_, [](const auto& entry) { return entry.second.token.expired(); });
    Call& call = running_[key];
    Token token = call.token.lock();
    if (token != nullptr && !(shared && call.shared)) return nullptr;
    if (token == nullptr) token = std::make_shared<int>(0);
    call = {token, shared};
    return token;
  }

  std::map<std::string, Call> running_;
};

}  // namespace keelson::base
