#include "cri-client/transport.hpp"

#include <google/protobuf/message_lite.h>

#include <utility>

#include "cri-client/link.hpp"

namespace keelson::cri {

using base::Task;

namespace {

// Cancels the call when its awaiting task unwinds before the end.
struct AbandonUnlessDone {
  std::shared_ptr<GrpcCall> call;
  ~AbandonUnlessDone() { call->abandon(); }
};

std::string framed(const google::protobuf::MessageLite& message) {
  std::string out = base::grpc_prefix(message.ByteSizeLong());
  message.AppendToString(&out);
  return out;
}

Outcome refused_by_stop() {
  Outcome outcome;
  outcome.code = base::kGrpcCanceled;
  outcome.stopped = true;
  outcome.never_sent = true;
  return outcome;
}

}  // namespace

Transport::Transport(base::Loop& loop, std::string path, TransportLimits limits)
    : loop_(loop), path_(std::move(path)), limits_(limits), calls_(std::make_shared<RunningCalls>(loop)) {}

Transport::~Transport() { stop(); }

GrpcCall::Terms Transport::terms(GrpcCall::Shape shape, std::optional<base::Duration> limit) const {
  GrpcCall::Terms out;
  out.shape = shape;
  // Monotonic, so that a jump of the wall clock does not end calls.
  if (limit) out.deadline = std::chrono::steady_clock::now() + *limit;
  out.largest_message = limits_.max_receive_bytes;
  return out;
}

void Transport::send(const std::shared_ptr<GrpcCall>& call) {
  if (link_ == nullptr || !link_->usable()) {
    auto made = Link::connect(loop_, path_, limits_.connect_timeout);
    if (!made.ok()) return call->unreached(made.error().message());
    std::erase_if(retired_, [](const auto& link) { return link.expired(); });
    if (link_ != nullptr) retired_.push_back(link_);
    link_ = std::move(*made);
  }
  link_->carry(call);
}

Task<Outcome> Transport::unary(const char* method, std::shared_ptr<ExchangeBase> exchange,
                               std::optional<base::Duration> limit) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  const std::shared_ptr<RunningCalls> calls = calls_;
  if (calls->stopping) co_return refused_by_stop();
  const GrpcCall::Terms terms = this->terms(GrpcCall::Shape::unary, limit);
  for (bool again = false;; again = true) {
    auto call = std::make_shared<GrpcCall>(calls, method, framed(exchange->request_message()), terms);
    const AbandonUnlessDone guard{call};
    send(call);
    while (!call->done()) co_await call->ring();
    if (call->untouched() && !again && !calls->stopping) continue;
    call->take(exchange->response_message());
    co_return call->outcome();
  }
}

Task<Outcome> Transport::read_stream(const char* method, std::shared_ptr<ExchangeBase> exchange,
                                     std::optional<base::Duration> limit, std::function<void()> on_message) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  if (calls_->stopping) co_return refused_by_stop();
  auto call = std::make_shared<GrpcCall>(calls_, method, framed(exchange->request_message()),
                                         terms(GrpcCall::Shape::stream, limit));
  const AbandonUnlessDone guard{call};
  send(call);
  while (true) {
    while (call->take(exchange->response_message())) on_message();
    if (call->done()) co_return call->outcome();
    co_await call->ring();
  }
}

std::size_t Transport::running() const { return calls_->all.size(); }

void Transport::stop() {
  calls_->stopping = true;
  // Ending takes a call off the list.
  const std::unordered_set<GrpcCall*> running = calls_->all;
  for (GrpcCall* call : running) call->stop();
  constexpr const char* kWhy = "the client is going away";
  if (link_ != nullptr) link_->close(kWhy);
  for (const auto& retired : retired_) {
    if (const auto link = retired.lock()) link->close(kWhy);
  }
}

}  // namespace keelson::cri
