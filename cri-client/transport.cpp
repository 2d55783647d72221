// The only file that sees gRPC's headers, which are slow to compile.
#include "cri-client/transport.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <unordered_set>
#include <utility>

#include "cri-client/endpoint.hpp"

namespace keelson::cri {

namespace asio = boost::asio;
using base::Task;
using google::protobuf::MessageLite;
using GenericStub = grpc::TemplatedGenericStub<MessageLite, MessageLite>;

namespace {

// Counts the calls whose last callback has not left yet. It is all that a callback touches once it has posted, because
// from then on the loop, and everything that refers to it, may go.
struct Door {
  std::atomic<int> inside{0};

  void enter() { inside.fetch_add(1); }
  void leave() {
    inside.fetch_sub(1);
    inside.notify_all();
  }
  void wait_until_empty() {
    for (int now = inside.load(); now != 0; now = inside.load()) inside.wait(now);
  }
};

}  // namespace

// The running calls; loop thread only.
struct Transport::Hub {
  explicit Hub(base::Loop& owner) : loop(owner), empty(owner.context(), base::SteadyTime::max()) {}

  base::Loop& loop;
  bool stopping = false;
  std::unordered_set<Call*> running;
  asio::steady_timer empty;
  std::shared_ptr<Door> door = std::make_shared<Door>();
};

struct Transport::Channel {
  std::shared_ptr<grpc::Channel> channel;
  GenericStub stub;
};

// What both kinds of call share. Created and destroyed on the loop's thread: the context holds the channel, and the
// channel's end joins gRPC's threads, which one of these must not do to itself.
class Transport::Call {
 public:
  Call(std::shared_ptr<Hub> hub, std::shared_ptr<ExchangeBase> exchange, std::optional<base::Duration> limit)
      : hub_(std::move(hub)), exchange_(std::move(exchange)), bell_(hub_->loop.context(), base::SteadyTime::max()) {
    if (limit) {
      // Monotonic, so that a jump of the wall clock does not end calls.
      context.set_deadline(
          gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(limit->count(), GPR_TIMESPAN)));
    }
  }
  virtual ~Call() = default;

  void begin() {
    hub_->running.insert(this);
    hub_->door->enter();
  }

  // On the loop, when the last callback's news has arrived.
  void end() {
    done_ = true;
    hub_->running.erase(this);
    bell_.cancel();
    if (hub_->stopping && hub_->running.empty()) hub_->empty.cancel();
  }

  bool done() const { return done_; }
  virtual void abandon() {
    if (!done_) context.TryCancel();
  }

  // Sleeps until something was posted; throws when the awaiting task is cancelled.
  Task<void> ring() {
    boost::system::error_code ignored;
    co_await bell_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }

  Outcome outcome() {
    Outcome result;
    result.code = static_cast<int>(status.error_code());
    result.message = status.error_message();
    if (status.ok()) return result;
    result.stopped = hub_->stopping && status.error_code() == grpc::StatusCode::CANCELLED;
    // gRPC tells it by this text alone; even its debug text says "received from peer" of a broken connection.
    result.never_sent = status.error_code() == grpc::StatusCode::UNAVAILABLE &&
                        result.message.find("failed to connect") != std::string::npos;
    return result;
  }

  grpc::ClientContext context;
  grpc::Status status;

 protected:
  std::shared_ptr<Hub> hub_;
  std::shared_ptr<ExchangeBase> exchange_;
  asio::steady_timer bell_;
  bool done_ = false;
};

class Transport::UnaryCall final : public Call {
 public:
  using Call::Call;

  static void start(std::shared_ptr<UnaryCall> call, GenericStub& stub, const char* method) {
    call->begin();
    UnaryCall& self = *call;
    stub.UnaryCall(&self.context, method, grpc::StubOptions(), &self.exchange_->request_message(),
                   &self.exchange_->response_message(), [call](grpc::Status status) mutable {
                     const std::shared_ptr<Door> door = call->hub_->door;
                     base::Loop& loop = call->hub_->loop;
                     call->status = std::move(status);
                     loop.post([call = std::move(call)] { call->end(); });
                     door->leave();
                   });
  }
};

// A server stream, read through gRPC's bidirectional reactor because that is what the untyped stub offers: on the wire
// one request and the half close are the same. The hold keeps OnDone away while the loop may still start reads.
class Transport::StreamCall final : public Call, public grpc::ClientBidiReactor<MessageLite, MessageLite> {
 public:
  using Call::Call;

  static void start(std::shared_ptr<StreamCall> call, GenericStub& stub, const char* method) {
    call->begin();
    call->self_ = call;
    stub.PrepareBidiStreamingCall(&call->context, method, grpc::StubOptions(), call.get());
    call->AddHold();
    call->StartWriteLast(&call->exchange_->request_message(), grpc::WriteOptions());
    call->StartCall();
  }

  // False when the stream has ended.
  static Task<bool> next(std::shared_ptr<StreamCall> call) {
    call->read_done_ = false;
    call->StartRead(&call->exchange_->response_message());
    while (!call->read_done_) co_await call->ring();
    co_return call->read_ok_;
  }

  void release() {
    if (std::exchange(held_, false)) RemoveHold();
  }

  void abandon() override {
    Call::abandon();
    release();
  }

  void OnReadDone(bool ok) override {
    hub_->loop.post([self = self_, ok] {
      self->read_done_ = true;
      self->read_ok_ = ok;
      self->bell_.cancel();
    });
  }

  void OnDone(const grpc::Status& final_status) override {
    const std::shared_ptr<Door> door = hub_->door;
    base::Loop& loop = hub_->loop;
    std::shared_ptr<StreamCall> self = std::move(self_);
    self->status = final_status;
    loop.post([self = std::move(self)] { self->end(); });
    door->leave();
  }

 private:
  std::shared_ptr<StreamCall> self_;
  bool held_ = true;
  bool read_done_ = false;
  bool read_ok_ = false;
};

namespace {

// Cancels the call when its awaiting task unwinds before the end.
template <class Call>
struct AbandonUnlessDone {
  std::shared_ptr<Call> call;
  ~AbandonUnlessDone() { call->abandon(); }
};

std::shared_ptr<grpc::Channel> make_channel(const std::string& path, const TransportLimits& limits) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(limits.max_receive_bytes);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, static_cast<int>(limits.first_backoff.count()));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, static_cast<int>(limits.longest_backoff.count()));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(limits.connect_timeout.count()));
  // A local socket needs no proxy, no bandwidth probing, no call tracing and no connection shared between channels.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return grpc::CreateCustomChannel(grpc_target(path), grpc::InsecureChannelCredentials(), arguments);
}

Outcome refused_by_stop() {
  Outcome outcome;
  outcome.code = static_cast<int>(grpc::StatusCode::CANCELLED);
  outcome.stopped = true;
  outcome.never_sent = true;
  return outcome;
}

}  // namespace

Transport::Transport(base::Loop& loop, std::string path, TransportLimits limits)
    : loop_(loop), path_(std::move(path)), hub_(std::make_shared<Hub>(loop)) {
  auto channel = make_channel(path_, limits);
  channel_ = std::make_unique<Channel>(Channel{channel, GenericStub(channel)});
}

Transport::~Transport() { drain(); }

Task<Outcome> Transport::unary(const char* method, std::shared_ptr<ExchangeBase> exchange,
                               std::optional<base::Duration> limit) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  if (hub_->stopping) co_return refused_by_stop();
  auto call = std::make_shared<UnaryCall>(hub_, std::move(exchange), limit);
  AbandonUnlessDone<UnaryCall> guard{call};
  UnaryCall::start(call, channel_->stub, method);
  while (!call->done()) co_await call->ring();
  co_return call->outcome();
}

Task<Outcome> Transport::read_stream(const char* method, std::shared_ptr<ExchangeBase> exchange,
                                     std::optional<base::Duration> limit, std::function<void()> on_message) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  if (hub_->stopping) co_return refused_by_stop();
  auto call = std::make_shared<StreamCall>(hub_, std::move(exchange), limit);
  AbandonUnlessDone<StreamCall> guard{call};
  StreamCall::start(call, channel_->stub, method);
  while (true) {
    const bool more = co_await StreamCall::next(call);
    if (!more) break;
    on_message();
  }
  call->release();
  while (!call->done()) co_await call->ring();
  co_return call->outcome();
}

std::size_t Transport::running() const { return hub_->running.size(); }

Task<void> Transport::stop() {
  KEELSON_ASSERT_ON_LOOP(loop_);
  const std::shared_ptr<Hub> hub = hub_;
  hub->stopping = true;
  for (Call* call : hub->running) call->context.TryCancel();
  while (!hub->running.empty()) {
    boost::system::error_code ignored;
    co_await hub->empty.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void Transport::drain() {
  hub_->stopping = true;
  for (Call* call : hub_->running) call->abandon();
  hub_->door->wait_until_empty();
}

}  // namespace keelson::cri
