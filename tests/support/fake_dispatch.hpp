// Between gRPC and the world: every call is written down, meets the faults it is due, then has its effect.
// Owner: FakeRuntime. Any thread; a call is answered once, whoever comes first: the world, a fault or its cancellation.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <list>

#include "tests/support/fake_runtime.hpp"
#include "tests/support/fake_world.hpp"

namespace keelson::fakes {

// Empties "status.created_at" of a message; a path that does not exist is a mistake of the test and aborts.
void clear_field(google::protobuf::Message& message, const std::string& path);

// A call under way. Outlives the reactor, which gRPC deletes after the answer.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  virtual void finish_with(const grpc::Status& status) = 0;
};

class Dispatch {
 public:
  explicit Dispatch(World& world) : world_(world) {}

  // The fault this call meets, used up by one.
  std::optional<Fault> arrive(const std::string& rpc, std::shared_ptr<const google::protobuf::Message> request);
  void keep_hung(std::weak_ptr<PendingCall> call);

  void add_fault(Fault fault);
  void clear_faults();
  void release_hung();
  std::vector<JournalEntry> journal() const;
  std::size_t count(const std::string& rpc) const;
  void clear_journal();

  void notify();
  bool wait_until(const std::function<bool()>& predicate, std::chrono::milliseconds limit) const;
  World& world() { return world_; }

 private:
  World& world_;
  mutable std::mutex mutex_;
  std::list<Fault> faults_;
  std::deque<JournalEntry> journal_;
  std::map<std::string, std::size_t> counts_;
  std::vector<std::weak_ptr<PendingCall>> hung_;

  mutable std::mutex wait_mutex_;
  mutable std::condition_variable wait_;
  std::uint64_t changes_ = 0;
};

template <class Response>
class UnaryCall : public PendingCall {
 public:
  UnaryCall(grpc::ServerUnaryReactor* reactor, Response* response) : reactor_(reactor), response_(response) {}

  void finish_with(const grpc::Status& status) override { finish(status, Response{}); }

  void finish(const grpc::Status& status, Response response) {
    std::lock_guard lock(mutex_);
    if (reactor_ == nullptr) return;
    if (status.ok()) *response_ = std::move(response);
    std::exchange(reactor_, nullptr)->Finish(status);
  }

  bool finished() const {
    std::lock_guard lock(mutex_);
    return reactor_ == nullptr;
  }

 private:
  mutable std::mutex mutex_;
  grpc::ServerUnaryReactor* reactor_;
  Response* response_;
};

template <class Response>
class UnaryReactor : public grpc::ServerUnaryReactor {
 public:
  explicit UnaryReactor(Response* response) : call_(std::make_shared<UnaryCall<Response>>(this, response)) {}
  std::shared_ptr<UnaryCall<Response>> call() const { return call_; }
  void OnCancel() override { call_->finish_with(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

 private:
  std::shared_ptr<UnaryCall<Response>> call_;
};

// `effect` performs the call in the world and gives its answer to the reply, now or later.
template <class Request, class Response>
grpc::ServerUnaryReactor* serve(Dispatch& dispatch, const std::string& rpc, const Request& incoming, Response* response,
                                std::function<void(World&, const Request&, Reply<Response>)> effect) {
  auto* reactor = new UnaryReactor<Response>(response);
  auto call = reactor->call();
  auto request = std::make_shared<const Request>(incoming);
  auto fault = dispatch.arrive(rpc, request);
  auto& world = dispatch.world();
  const auto reply_by = [call](std::function<void(const grpc::Status&, Response)> send) {
    return Reply<Response>{std::move(send), [call] { return call->finished(); }};
  };
  if (!fault) {
    effect(world, *request,
           reply_by([call](const grpc::Status& status, Response answer) { call->finish(status, std::move(answer)); }));
    return reactor;
  }

  auto answer_by_fault = [call, fault = *fault](const grpc::Status& status, Response answer) {
    if (fault.error) return call->finish_with(*fault.error);
    for (const auto& path : fault.clear) clear_field(answer, path);
    if (fault.mutate) fault.mutate(answer);
    call->finish(status, std::move(answer));
  };
  if (fault->hang) {
    dispatch.keep_hung(call);
    if (fault->applied) effect(world, *request, reply_by([](const grpc::Status&, Response) {}));
    return reactor;
  }
  if (fault->applied) {
    const auto late = [&world, answer_by_fault, latency = fault->latency](const grpc::Status& status, Response answer) {
      world.timers().after(latency, [=] { answer_by_fault(status, answer); });
    };
    effect(world, *request, reply_by(late));
    return reactor;
  }
  auto proceed = [&world, call, request, effect, answer_by_fault, reply_by, failing = fault->error.has_value()] {
    if (failing) return answer_by_fault(grpc::Status::OK, Response{});
    // A caller that gave up during the latency is not served.
    if (!call->finished()) effect(world, *request, reply_by(answer_by_fault));
  };
  if (fault->latency > Nanoseconds(0)) {
    world.timers().after(fault->latency, proceed);
  } else {
    proceed();
  }
  return reactor;
}

}  // namespace keelson::fakes
