// FakeRpcChannels: services that answer as a function of the test says, on virtual time.
//
// Every call is kept. An answer with code `hang` takes the call's whole limit. Owner: a test. Thread: the test's loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/rpc.hpp"

namespace keelson::base::testing {

class FakeRpcChannels final : public RpcChannels {
 public:
  static constexpr int hang = 1000;

  struct Call {
    std::string socket;
    std::string method;  // "/package.Service/Method"
    Request request;
    Duration limit{};
    // "Method"
    std::string name() const { return method.substr(method.find_last_of('/') + 1); }
  };
  using Answer = std::function<RpcOutcome(const Call& call, google::protobuf::MessageLite& response)>;

  explicit FakeRpcChannels(Clock& clock) : clock_(clock) {}

  Answer answer;
  std::vector<Call> calls;
  int open = 0;  // calls that have not ended

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Call& call : calls) out.push_back(call.name());
    return out;
  }

  Task<RpcOutcome> call(std::string socket, std::string method, Request request, Response response,
                        Duration limit) override {
    const Open counted(open);
    calls.push_back(make_call(std::move(socket), std::move(method), std::move(request), limit));
    const Call now = calls.back();
    RpcOutcome outcome = answer(now, *response);
    if (outcome.code == hang) {
      co_await clock_.sleep_for(limit);
      outcome = timed_out();
    }
    co_return outcome;
  }

 private:
  struct Open {
    explicit Open(int& number) : count(number) { ++count; }
    ~Open() { --count; }
    int& count;
  };
  static Call make_call(std::string socket, std::string method, Request request, Duration limit) {
    return {std::move(socket), std::move(method), std::move(request), limit};
  }
  static RpcOutcome timed_out() { return {4, "context deadline exceeded"}; }

  Clock& clock_;
};

}  // namespace keelson::base::testing
