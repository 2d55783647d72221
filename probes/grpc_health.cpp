#include "probes/grpc_health.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/duration.hpp"
#include "base/go_text.hpp"
#include "base/grpc.hpp"
#include "base/http2.hpp"
#include "probes/connection.hpp"
#include "probes/grpc_message.hpp"

namespace keelson::probes {
namespace {

constexpr char kUserAgent[] = "kube-probe/1.36";
constexpr char kPath[] = "/grpc.health.v1.Health/Check";
constexpr std::size_t kReadSize = 4096;
constexpr std::size_t kAnswerLimit = 64 * 1024;
constexpr base::Duration kFirstRedial = std::chrono::seconds(1);

// One call on one connection: bytes in, bytes out. Lives in one place, for nghttp2 points to it.
class Call {
 public:
  Call(std::string authority, std::string_view service, base::Duration left);
  ~Call() { nghttp2_session_del(session_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // What is to be sent now; empty: nothing.
  std::string_view output();
  void input(std::string_view data);

  bool connected() const { return connected_; }
  bool done() const { return done_ || !problem_.empty(); }
  // The engine's complaint about what the server sent.
  const std::string& problem() const { return problem_; }
  // Of a call that is done.
  const base::GrpcEnd& end() const { return end_; }
  const std::string& answer() const { return answer_; }

 private:
  static Call& self(void* user) { return *static_cast<Call*>(user); }
  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size,
                     void* user);
  static int on_close(nghttp2_session*, std::int32_t, std::uint32_t code, void* user);
  static ssize_t read_request(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                              nghttp2_data_source*, void* user);

  nghttp2_session* session_ = nullptr;
  std::string request_;
  std::size_t sent_ = 0;
  bool connected_ = false;
  bool done_ = false;
  std::string problem_;
  base::GrpcEnd end_;
  std::string answer_;
};

Call::Call(std::string authority, std::string_view service, base::Duration left)
    : request_(encode_health_request(service)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  // gRPC writes blanks as they are, also at the ends of a status message.
  nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
  KEELSON_CHECK(nghttp2_session_client_new2(&session_, callbacks, this, option) == 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry no_push{NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &no_push, 1);
  const std::string timeout = base::grpc_timeout(left);
  const nghttp2_nv fields[] = {base::http2_field(":method", "POST"),
                               base::http2_field(":scheme", "http"),
                               base::http2_field(":path", kPath),
                               base::http2_field(":authority", authority),
                               base::http2_field("content-type", "application/grpc"),
                               base::http2_field("user-agent", kUserAgent),
                               base::http2_field("te", "trailers"),
                               base::http2_field("grpc-timeout", timeout)};
  nghttp2_data_provider body{};
  body.read_callback = read_request;
  KEELSON_CHECK(nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &body, nullptr) > 0);
}

std::string_view Call::output() {
  const std::uint8_t* data = nullptr;
  const ssize_t size = nghttp2_session_mem_send(session_, &data);
  if (size < 0) problem_ = nghttp2_strerror(static_cast<int>(size));
  if (size <= 0) return {};
  return {reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)};
}

void Call::input(std::string_view data) {
  const ssize_t used =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  if (used < 0) problem_ = nghttp2_strerror(static_cast<int>(used));
  // The engine has given up its peer.
  if (!done() && nghttp2_session_want_read(session_) == 0) problem_ = "the server broke the protocol";
}

int Call::on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
  const std::string_view key(reinterpret_cast<const char*>(name), name_size);
  const std::string_view text(reinterpret_cast<const char*>(value), value_size);
  Call& own = self(user);
  own.end_.header(key, text);
  return 0;
}

int Call::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  const bool acknowledgement = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
  if (frame->hd.type == NGHTTP2_SETTINGS && !acknowledgement) self(user).connected_ = true;
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && end) self(user).done_ = true;
  return 0;
}

int Call::on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size,
                  void* user) {
  Call& own = self(user);
  own.answer_.append(reinterpret_cast<const char*>(data), size);
  if (own.answer_.size() > kAnswerLimit) own.problem_ = "the answer is too large";
  return 0;
}

int Call::on_close(nghttp2_session*, std::int32_t, std::uint32_t code, void* user) {
  self(user).end_.reset(code);
  self(user).done_ = true;
  return 0;
}

ssize_t Call::read_request(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                           nghttp2_data_source*, void* user) {
  Call& own = self(user);
  const std::size_t size = std::min(room, own.request_.size() - own.sent_);
  std::copy_n(own.request_.data() + own.sent_, size, to);
  own.sent_ += size;
  if (own.sent_ == own.request_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(size);
}

// --- outcomes, made outside of coroutines (CONTRIBUTING.md about GCC 12) ---

Attempt no_connection(const std::string& authority, std::chrono::seconds limit) {
  return {Outcome::failure, "timeout: failed to connect service " + base::go_quote(authority) + " within " +
                                base::format_duration(limit) + ": context deadline exceeded"};
}

Attempt refused(int code, const std::string& message, std::chrono::seconds limit) {
  if (code == kGrpcUnimplemented) {
    return {Outcome::failure,
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + message};
  }
  if (code == kGrpcDeadlineExceeded) {
    return {Outcome::failure, "timeout: health rpc did not complete within " + base::format_duration(limit)};
  }
  return {Outcome::failure,
          "error: health rpc probe failed: rpc error: code = " + grpc_code_name(code) + " desc = " + message};
}

Attempt judge(const Call& call, std::chrono::seconds limit) {
  if (const int code = call.end().code(); code != kGrpcOk) return refused(code, call.end().message(), limit);
  const auto status = decode_health_response(call.answer());
  if (!status) return refused(kGrpcInternal, "grpc: failed to unmarshal the received message", limit);
  if (*status == kServing) return {Outcome::success, "service healthy"};
  return {Outcome::failure, "service unhealthy (responded with " + base::go_quote(health_status_name(*status)) + ")"};
}

// Sends, receives until the call is done or the connection fails.
base::Task<Fault> converse(Connection& connection, Call& call) {
  char buffer[kReadSize];
  std::string out;
  while (!call.done()) {
    out.clear();
    for (auto piece = call.output(); !piece.empty(); piece = call.output()) out += piece;
    if (call.done()) break;
    Fault fault = co_await connection.write(out);
    if (fault) co_return fault;
    std::size_t size = 0;
    fault = co_await connection.read(buffer, sizeof buffer, size);
    if (fault) co_return fault;
    call.input({buffer, size});
  }
  co_return Fault();
}

}  // namespace

base::Task<Attempt> check_health(Network& network, GrpcAction action) {
  const std::string authority = host_and_port(action.host, action.port);
  Limit limit(network.deadlines(), action.limit);
  for (base::Duration pause = kFirstRedial; !limit.over(); pause *= 2) {
    {
      Connection connection(network, limit);
      Fault fault = co_await connection.connect(action.host, action.port);
      if (!fault) {
        Call call(authority, action.service, limit.left());
        fault = co_await converse(connection, call);
        if (call.connected()) {
          if (fault.kind == Fault::Kind::timeout) co_return refused(kGrpcDeadlineExceeded, "", action.limit);
          if (!call.problem().empty()) co_return refused(kGrpcInternal, call.problem(), action.limit);
          if (fault) co_return refused(kGrpcUnavailable, "error reading from server: " + fault.text, action.limit);
          co_return judge(call, action.limit);
        }
      }
    }
    co_await network.clock().sleep_for(std::min(pause, limit.left()));
  }
  co_return no_connection(authority, action.limit);
}

}  // namespace keelson::probes
