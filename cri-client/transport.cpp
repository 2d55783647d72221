// The only file that sees gRPC's headers, which are slow to compile.
#include "cri-client/transport.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <pthread.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <unordered_set>
#include <utility>

#include "cri-client/endpoint.hpp"

namespace keelson::cri {

namespace asio = boost::asio;
using base::Task;
using google::protobuf::MessageLite;
using GenericStub = grpc::TemplatedGenericStub<MessageLite, MessageLite>;

// The running calls; loop thread only.
struct Transport::Hub {
  explicit Hub(base::Loop& owner) : loop(owner), empty(owner.context(), base::SteadyTime::max()) {}

  base::Loop& loop;
  bool stopping = false;
  bool drained = false;  // gRPC may not be asked for anything any more
  std::unordered_set<Call*> running;
  asio::steady_timer empty;
};

// The channel, and the one thread that waits for what becomes of calls: gRPC's own callbacks come from several, which
// pass the wait for the socket to one another with each answer.
struct Transport::Channel {
  explicit Channel(std::shared_ptr<grpc::Channel> made) : channel(std::move(made)), stub(channel) {
    reader = std::thread([this] { read(); });
    pthread_setname_np(reader.native_handle(), "cri");
  }
  ~Channel() { close(); }

  // Every operation that was begun has ended when this returns.
  void close() {
    if (!reader.joinable()) return;
    queue.Shutdown();
    reader.join();
  }

  std::shared_ptr<grpc::Channel> channel;
  GenericStub stub;
  grpc::CompletionQueue queue;
  std::thread reader;

 private:
  void read();
};

// What both kinds of call share: one operation under way at a time, whose end the reader posts to the loop. Created and
// destroyed on the loop's thread, but for the reference that a posted end holds.
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

  // What the next operation needs to know: the reader finds the call by itself.
  void* await(std::shared_ptr<Call> self) {
    self_ = std::move(self);
    return this;
  }
  // On the reader's thread. The post is the last that it does with anything of ours.
  void happened(bool ok) {
    base::Loop& loop = hub_->loop;
    loop.post([self = std::move(self_), ok] { self->arrived(ok); });
  }
  // On the loop.
  virtual void arrived(bool ok) = 0;

  void begin() { hub_->running.insert(this); }
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

 private:
  std::shared_ptr<Call> self_;
};

void Transport::Channel::read() {
  void* call = nullptr;
  bool ok = false;
  while (queue.Next(&call, &ok)) static_cast<Call*>(call)->happened(ok);
}

class Transport::UnaryCall final : public Call {
 public:
  using Call::Call;

  static void start(const std::shared_ptr<UnaryCall>& call, Channel& channel, const char* method) {
    call->begin();
    UnaryCall& self = *call;
    self.reader_ =
        channel.stub.PrepareUnaryCall(&self.context, method, self.exchange_->request_message(), &channel.queue);
    self.reader_->StartCall();
    self.reader_->Finish(&self.exchange_->response_message(), &self.status, self.await(call));
  }

  void arrived(bool) override { end(); }

 private:
  std::unique_ptr<grpc::ClientAsyncResponseReader<MessageLite>> reader_;
};

// A server stream, read as a bidirectional one because that is what the untyped stub offers: on the wire one request
// and the half close are the same.
class Transport::StreamCall final : public Call {
 public:
  enum class Step { start, write, read, finish };
  using Call::Call;

  static void prepare(const std::shared_ptr<StreamCall>& call, Channel& channel, const char* method) {
    call->begin();
    call->stream_ = channel.stub.PrepareCall(&call->context, method, &channel.queue);
  }

  // Whether it went well; false after the transport was drained. Nothing follows `finish`.
  static Task<bool> perform(std::shared_ptr<StreamCall> call, Step step) {
    if (call->hub_->drained) {
      call->status = grpc::Status(grpc::StatusCode::CANCELLED, "the client is going away");
      if (!call->done()) call->end();
      co_return false;
    }
    call->begin_step(step, call);
    while (call->under_way_) co_await call->ring();
    co_return call->ok_;
  }

  void arrived(bool ok) override {
    ok_ = ok;
    const Step step = *std::exchange(under_way_, std::nullopt);
    if (abandoned_ || step == Step::finish) {
      end();
    } else {
      bell_.cancel();
    }
  }

  void abandon() override {
    if (done_) return;
    abandoned_ = true;
    context.TryCancel();
    if (!under_way_) end();
  }

 private:
  void begin_step(Step step, const std::shared_ptr<StreamCall>& self) {
    under_way_ = step;
    void* tag = await(self);
    switch (step) {
      case Step::start: return stream_->StartCall(tag);
      case Step::write: return stream_->WriteLast(exchange_->request_message(), grpc::WriteOptions(), tag);
      case Step::read: return stream_->Read(&exchange_->response_message(), tag);
      case Step::finish: return stream_->Finish(&status, tag);
    }
  }

  std::unique_ptr<grpc::ClientAsyncReaderWriter<MessageLite, MessageLite>> stream_;
  std::optional<Step> under_way_;
  bool ok_ = false;
  bool abandoned_ = false;
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
  channel_ = std::make_unique<Channel>(make_channel(path_, limits));
}

Transport::~Transport() { drain(); }

Task<Outcome> Transport::unary(const char* method, std::shared_ptr<ExchangeBase> exchange,
                               std::optional<base::Duration> limit) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  if (hub_->stopping) co_return refused_by_stop();
  auto call = std::make_shared<UnaryCall>(hub_, std::move(exchange), limit);
  AbandonUnlessDone<UnaryCall> guard{call};
  UnaryCall::start(call, *channel_, method);
  while (!call->done()) co_await call->ring();
  co_return call->outcome();
}

Task<Outcome> Transport::read_stream(const char* method, std::shared_ptr<ExchangeBase> exchange,
                                     std::optional<base::Duration> limit, std::function<void()> on_message) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  if (hub_->stopping) co_return refused_by_stop();
  auto call = std::make_shared<StreamCall>(hub_, std::move(exchange), limit);
  AbandonUnlessDone<StreamCall> guard{call};
  StreamCall::prepare(call, *channel_, method);
  using Step = StreamCall::Step;
  bool more = co_await StreamCall::perform(call, Step::start);
  if (more) more = co_await StreamCall::perform(call, Step::write);
  while (more) {
    more = co_await StreamCall::perform(call, Step::read);
    if (more) on_message();
  }
  co_await StreamCall::perform(call, Step::finish);
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
  hub_->drained = true;
  // Ending takes a call off the list.
  const std::unordered_set<Call*> running = hub_->running;
  for (Call* call : running) call->abandon();
  channel_->close();
}

}  // namespace keelson::cri
