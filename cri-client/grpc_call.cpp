#include "cri-client/grpc_call.hpp"

#include <google/protobuf/message_lite.h>

#include <boost/asio/redirect_error.hpp>
#include <utility>

#include "cri-client/link.hpp"

namespace keelson::cri {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kCompactAt = 64 * 1024;

// The message that `data` begins with, its prefix included, once it is there whole.
std::optional<std::string_view> whole_message(std::string_view data) {
  const auto prefix = base::read_grpc_prefix(data);
  if (!prefix || data.size() < base::kGrpcPrefixSize + prefix->size) return std::nullopt;
  return data.substr(0, base::kGrpcPrefixSize + prefix->size);
}

}  // namespace

GrpcCall::GrpcCall(std::shared_ptr<RunningCalls> calls, std::string method, std::string request, Terms terms)
    : calls_(std::move(calls)),
      method_(std::move(method)),
      request_(std::move(request)),
      terms_(terms),
      bell_(calls_->loop.context(), terms.deadline.value_or(base::SteadyTime::max())) {
  calls_->all.insert(this);
}

GrpcCall::~GrpcCall() { abandon(); }

base::Task<void> GrpcCall::ring() {
  boost::system::error_code ignored;
  co_await bell_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  if (terms_.deadline && std::chrono::steady_clock::now() >= *terms_.deadline) {
    fail(base::kGrpcDeadlineExceeded, "context deadline exceeded");
  }
}

std::optional<std::string> GrpcCall::timeout() const {
  if (!terms_.deadline) return std::nullopt;
  return base::grpc_timeout(*terms_.deadline - std::chrono::steady_clock::now());
}

void GrpcCall::data(std::string_view bytes) {
  // What is no gRPC (the page of a proxy, say) is judged by its HTTP status.
  if (done() || !end_.is_grpc()) return;
  if (taken_ >= kCompactAt) {
    answer_.erase(0, taken_);
    taken_ = 0;
  }
  answer_ += bytes;
  const auto prefix = base::read_grpc_prefix(std::string_view(answer_).substr(taken_));
  if (prefix && prefix->compressed) {
    return fail(base::kGrpcInternal, "grpc: compressed flag set with identity or empty encoding");
  }
  if (prefix && prefix->size > terms_.largest_message) {
    return fail(base::kGrpcResourceExhausted, "grpc: received message larger than max (" +
                                                  std::to_string(prefix->size) + " vs. " +
                                                  std::to_string(terms_.largest_message) + ")");
  }
  if (terms_.shape == Shape::unary) {
    // Otherwise a server could fill the memory behind a message of legal size.
    if (prefix && answer_.size() > base::kGrpcPrefixSize + prefix->size) {
      fail(base::kGrpcInternal, "cardinality violation: received a second message from a non-server-streaming RPC");
    }
  } else if (complete()) {
    bell_.cancel();
  }
}

bool GrpcCall::complete() const { return whole_message(std::string_view(answer_).substr(taken_)).has_value(); }

bool GrpcCall::ends_within_a_message() const {
  auto rest = std::string_view(answer_).substr(taken_);
  while (const auto message = whole_message(rest)) rest.remove_prefix(message->size());
  return !rest.empty();
}

bool GrpcCall::take(google::protobuf::MessageLite& message) {
  const bool void_answer =
      terms_.shape == Shape::unary ? done() && outcome_->code != base::kGrpcOk : done() && !ended_there_;
  if (void_answer) return false;
  const auto next = whole_message(std::string_view(answer_).substr(taken_));
  if (!next) return false;
  const std::string_view body = next->substr(base::kGrpcPrefixSize);
  const bool legal = !base::read_grpc_prefix(*next)->compressed && body.size() <= terms_.largest_message;
  if (!legal || !message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    // A failure that the server has told counts more.
    if (done() && outcome_->code != base::kGrpcOk) return false;
    outcome_.reset();
    fail(base::kGrpcInternal, "grpc: failed to unmarshal the received message");
    return false;
  }
  taken_ += next->size();
  return true;
}

void GrpcCall::closed(std::uint32_t http2_error) {
  if (done()) return;
  end_.reset(http2_error);
  untouched_ = http2_error == base::kHttp2RefusedStream && !end_.answered();
  // The server may notice first that our time is over.
  const bool late = terms_.deadline && std::chrono::steady_clock::now() >= *terms_.deadline;
  if (http2_error == base::kHttp2Cancel && !end_.told() && late) {
    return fail(base::kGrpcDeadlineExceeded, "context deadline exceeded");
  }
  conclude();
}

void GrpcCall::conclude() {
  ended_there_ = true;
  Outcome outcome;
  outcome.code = end_.code();
  outcome.message = end_.message();
  outcome.never_sent = untouched_;
  outcome.unsure = !end_.told();
  if (outcome.code == base::kGrpcOk && terms_.shape == Shape::unary && !complete()) {
    outcome.code = base::kGrpcInternal;
    outcome.message = "cardinality violation: received no response message from non-server-streaming RPC";
  }
  if (outcome.code == base::kGrpcOk && terms_.shape == Shape::stream && ends_within_a_message()) {
    outcome.code = base::kGrpcInternal;
    outcome.message = "unexpected EOF";
  }
  end(std::move(outcome));
}

void GrpcCall::broken(std::string text) {
  if (done()) return;
  untouched_ = !begun;
  ended_there_ = true;
  Outcome outcome;
  outcome.code = base::kGrpcUnavailable;
  outcome.message = std::move(text);
  outcome.never_sent = untouched_;
  end(std::move(outcome));
}

void GrpcCall::unreached(std::string text) {
  Outcome outcome;
  outcome.code = base::kGrpcUnavailable;
  outcome.message = std::move(text);
  outcome.never_sent = true;
  end(std::move(outcome));
}

void GrpcCall::abandon() { fail(base::kGrpcCanceled, "context canceled"); }

void GrpcCall::stop() {
  Outcome outcome;
  outcome.code = base::kGrpcCanceled;
  outcome.message = "context canceled";
  outcome.stopped = true;
  end(std::move(outcome));
}

void GrpcCall::fail(int code, std::string text) {
  Outcome outcome;
  outcome.code = code;
  outcome.message = std::move(text);
  outcome.unsure = begun;
  end(std::move(outcome));
}

void GrpcCall::end(Outcome outcome) {
  if (done()) return;
  outcome_ = std::move(outcome);
  if (Link* carrier = std::exchange(link, nullptr)) carrier->let_go(*this);
  calls_->all.erase(this);
  bell_.cancel();
}

}  // namespace keelson::cri
