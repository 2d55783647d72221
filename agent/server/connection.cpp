#include "agent/server/connection.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "agent/server/url_text.hpp"
#include "base/gate.hpp"

namespace keelson::server {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kHandshakeLimit = 10s;
constexpr base::Duration kIdleLimit = 90s;
constexpr base::Duration kHeadLimit = 32s;
constexpr base::Duration kBodyPause = 60s;
constexpr base::Duration kRequestLimit = 4h;
constexpr base::Duration kAnswerLimit = 30s;
constexpr base::Duration kDiscardLimit = 5s;
constexpr base::Duration kLinger = 500ms;
constexpr base::Duration kGrace = 10s;  // for a short answer to a client that has ended its side
constexpr base::Duration kComplaintPause = 10s;

constexpr std::size_t kPiece = 16u << 10;
constexpr std::size_t kReadAhead = 64u << 10;  // while a request is answered
constexpr std::size_t kDiscardBytes = 256u << 10;

constexpr std::string_view kPlainHttp =
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Framing framing_of(const RequestHead& head) {
  Framing framing;
  framing.head = head.method == "HEAD";
  framing.version = head.version;
  framing.keep_alive = head.keep_alive;
  return framing;
}

ServerMetrics::RequestKind kind_of(const Router& router, const Request& request) {
  ServerMetrics::RequestKind kind;
  kind.method = metric_method(request.method);
  kind.path = metric_path(router.port(), router.switches(), request.path);
  kind.read_only = router.port() == Port::read_only;
  kind.long_running = is_long_running(kind.path);
  return kind;
}

// Counts a request for as long as it lives.
class Meter {
 public:
  Meter(ServerMetrics& metrics, ServerMetrics::RequestKind kind, base::Clock& clock)
      : entry_(metrics.requests[std::move(kind)]), clock_(clock), begun_(clock.steady_now()) {
    ++entry_.total;
    ++entry_.in_flight;
  }
  ~Meter() {
    --entry_.in_flight;
    entry_.duration.observe(clock_.steady_now() - begun_);
  }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  base::SteadyTime begun() const { return begun_; }

 private:
  ServerMetrics::Requests& entry_;
  base::Clock& clock_;
  base::SteadyTime begun_;
};

Response empty_response(int status) {
  Response response;
  response.status = status;
  return response;
}

BadRequest overloaded() {
  BadRequest bad;
  bad.status = 503;
  bad.text = "503 Service Unavailable";
  return bad;
}

Response too_large(std::size_t limit) {
  return plain_text(413, "the request's body is larger than " + std::to_string(limit) + " bytes\n");
}

}  // namespace

Connection::Connection(Service& service, std::shared_ptr<Wire> wire)
    : service_(service), clock_(service.clock), wire_(std::move(wire)) {}

Connection::~Connection() { count_input(0); }

base::Task<void> serve(std::shared_ptr<Connection> connection) { co_await connection->run(); }

base::Task<void> Connection::run() {
  if (service_.tls != nullptr) {
    const bool secured = co_await secure();
    if (!secured) co_return;
  }
  while (true) {
    const bool asked = co_await read_head();
    if (!asked) co_return;
    const bool another = co_await exchange();
    if (!another) co_return;
    // Who sends one request after the other does not keep the loop for itself.
    if (!input_.empty()) co_await base::asio::post(base::asio::use_awaitable);
  }
}

base::Task<bool> Connection::secure() {
  wire_->set_waiting(true);
  wire_->set_deadline(clock_.after(kHandshakeLimit));
  SslContext context = service_.tls->current();
  const Status shaken = co_await wire_->handshake(std::move(context));
  if (shaken.ok()) co_return true;
  service_.log.debug(4, "TLS handshake failed", {{"from", wire_->remote()}, {"err", shaken.error()}});
  if (wire_->spoke_plain_http()) {
    wire_->send(kPlainHttp.data(), kPlainHttp.size());
    co_await linger();
  }
  co_return false;
}

void Connection::count_input() { count_input(parser_->held() + body_size_ + input_.size()); }

void Connection::count_input(std::size_t size) {
  service_.wires->buffered += size - counted_;
  counted_ = size;
}

bool Connection::too_much_input() const {
  return counted_ > kPiece && service_.wires->buffered > service_.options.input_limit;
}

base::Task<bool> Connection::read_head() {
  parser_ = std::make_unique<RequestParser>();
  if (input_.empty()) input_ = std::string();  // an idle connection holds nothing
  body_size_ = 0;
  count_input();
  wire_->set_waiting(true);
  wire_->set_deadline(clock_.after(kIdleLimit));
  bool begun = false;
  while (true) {
    if (!input_.empty()) {
      if (!std::exchange(begun, true)) wire_->set_deadline(clock_.after(kHeadLimit));
      const auto progress = parser_->read_head(input_);
      count_input();
      const bool failed = progress == RequestParser::Progress::failed;
      if (failed || too_much_input()) {
        BadRequest bad = failed ? parser_->bad() : overloaded();
        co_await refuse(std::move(bad));
        co_return false;
      }
      if (progress == RequestParser::Progress::complete) break;
    }
    const auto size = co_await wire_->read_some(input_, kPiece);
    if (!size.ok() || *size == 0) co_return false;
  }
  wire_->set_waiting(false);
  co_return true;
}

// In the words of Go's server, which says it before there is anything like a response.
base::Task<void> Connection::refuse(BadRequest bad) {
  wire_->set_deadline(clock_.after(kAnswerLimit));
  const std::string text =
      "HTTP/1.1 " + bad.text + "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" + bad.text;
  const Status written = co_await wire_->write(text);
  if (written.ok()) co_await linger();
}

base::Task<void> Connection::linger() {
  wire_->set_deadline(clock_.after(kLinger));
  co_await wire_->linger();
}

std::optional<Response> Connection::fill(Request& request) {
  RequestHead& head = parser_->head();
  request.method = std::move(head.method);
  request.target = std::move(head.target);
  request.headers = std::move(head.headers);
  request.remote = wire_->remote();
  if (request.target == "*") return empty_response(request.method == "OPTIONS" ? 200 : 400);
  const auto target = split_target(request.method, request.target);
  auto path = target ? percent_decode(target->path) : std::nullopt;
  if (!path) return plain_text(400, "400 Bad Request");
  request.path = std::move(*path);
  request.query = parse_query(target->query);
  const auto expect = head.version >= 11 ? request.header("Expect") : std::nullopt;
  expects_continue_ = expect && same_name(*expect, "100-continue");
  if (expect && !expect->empty() && !expects_continue_) return empty_response(417);
  return std::nullopt;
}

void Connection::begin_exchange(HttpReply& reply) {
  reply.set_end(end_);
  reply.on_begin([this] {
    streaming_ = true;
    return !peer_ended_;
  });
  reply.on_take_over([this] {
    stop_watching();
    limit_.reset();
    count_input(0);
  });
  limit_ = clock_.set_alarm(end_, [this] { interruption_.request(); });
  watch();
}

base::Task<bool> Connection::exchange() {
  end_ = clock_.after(kRequestLimit);
  body_done_ = !parser_->head().has_body;
  streaming_ = false;
  peer_ended_ = false;
  peer_gone_ = false;
  expects_continue_ = false;
  wire_->set_deadline(end_);
  HttpReply reply(wire_, clock_, framing_of(parser_->head()), input_);
  Request request;
  if (auto refused = fill(request)) {
    if (refused->status != 200) reply.close_after();
    co_await answer(reply, std::move(*refused));
  } else {
    const Meter meter(service_.metrics, kind_of(service_.router, request), clock_);
    begin_exchange(reply);
    if (peer_gone_) co_return false;
    const bool ended = co_await interruption_.run(respond(request, reply));
    stop_watching();
    limit_.reset();
    report(request, reply, meter.begun());
    if (!ended || reply.taken_over()) co_return false;
    if (reply.untouched()) {
      Response nothing_said = plain_text(500, "Internal Server Error\n");
      co_await answer(reply, std::move(nothing_said));
    }
  }
  if (reply.may_continue() && body_done_) co_return true;
  if (reply.whole() && !body_done_) co_await linger();
  co_return false;
}

base::Task<void> Connection::respond(Request& request, HttpReply& reply) {
  Asked asked;
  const Target target = split_target(request.method, request.target).value_or(Target{});
  asked.method = request.method;
  asked.path = target.path;
  asked.query = target.query;
  asked.accept = request.header("Accept");
  Router::Route route = service_.router.find(asked);
  if (route.guarded && service_.access.authenticator != nullptr) {
    auto refusal = co_await admit(request);
    if (refusal) {
      route.handler = nullptr;
      route.response = std::move(*refusal);
    }
  }
  if (route.handler == nullptr) {
    co_await answer(reply, std::move(route.response));
    co_return;
  }
  if (!body_done_) {
    const BodyEnd end = co_await read_body(request.body);
    if (end != BodyEnd::complete) {
      reply.close_after();
      Response refused = plain_text(400, "400 Bad Request");
      if (end == BodyEnd::too_large) refused = too_large(service_.options.body_limit);
      if (end == BodyEnd::slow) refused = plain_text(408, "408 Request Timeout");
      co_await answer(reply, std::move(refused));
      co_return;
    }
  }
  std::exception_ptr error;
  try {
    co_await route.handler->handle(request, reply);
  } catch (...) {
    error = std::current_exception();
  }
  if (base::is_cancellation(error)) std::rethrow_exception(error);
  if (error) service_.log.error("A handler ended by an exception", {{"path", request.path}});
}

base::Task<std::optional<Response>> Connection::admit(Request& request) {
  auto user = co_await service_.access.authenticator->authenticate(request, wire_->peer());
  if (!user.ok()) {
    complain(user.error(), request);
    co_return plain_text(401, "Unauthorized");
  }
  request.user = std::move(*user);
  auto refusal = co_await service_.access.authorizer->refusal(request.user, request.method, request.path);
  co_return refusal;
}

// Anybody can make us say it, so not each time.
void Connection::complain(const Error& why, const Request& request) {
  const base::LogFields fields = {{"from", request.remote}, {"path", request.path}, {"err", why}};
  if (clock_.steady_now() < service_.next_complaint) {
    service_.log.debug(4, "Unable to authenticate the request", fields);
  } else {
    service_.next_complaint = clock_.after(kComplaintPause);
    service_.log.warning("Unable to authenticate the request", fields);
  }
}

void Connection::report(const Request& request, const HttpReply& reply, base::SteadyTime begun) const {
  service_.log.debug(4, "HTTP",
                     {{"verb", request.method},
                      {"URI", request.target},
                      {"seconds", std::chrono::duration<double>(clock_.steady_now() - begun).count()},
                      {"userAgent", request.header("User-Agent").value_or("")},
                      {"srcIP", request.remote},
                      {"resp", reply.status()}});
}

base::Task<Connection::BodyEnd> Connection::read_body(std::string& body) {
  const std::size_t limit = service_.options.body_limit;
  const auto length = parser_->head().length;
  if (length && *length > limit) co_return BodyEnd::too_large;
  stop_watching();
  if (expects_continue_ && input_.empty()) {
    const Status told = co_await wire_->write(kContinue);
    if (!told.ok()) co_return BodyEnd::gone;
  }
  while (true) {
    const auto progress = parser_->read_body(input_, body, limit);
    body_size_ = body.size();
    count_input();
    if (progress == RequestParser::Progress::failed) co_return BodyEnd::bad;
    if (progress == RequestParser::Progress::too_large || too_much_input()) co_return BodyEnd::too_large;
    if (progress == RequestParser::Progress::complete) break;
    wire_->set_deadline(std::min(end_, clock_.after(kBodyPause)));
    const auto size = co_await wire_->read_some(input_, kPiece);
    if (!size.ok() && size.error().kind() == ErrorKind::deadline_exceeded) co_return BodyEnd::slow;
    if (!size.ok() || *size == 0) co_return BodyEnd::gone;
  }
  body_done_ = true;
  wire_->set_deadline(end_);
  watch();
  co_return BodyEnd::complete;
}

base::Task<bool> Connection::discard_body() {
  const auto length = parser_->head().length;
  if (expects_continue_ || (length && *length > kDiscardBytes)) co_return false;
  stop_watching();
  wire_->set_deadline(clock_.after(kDiscardLimit));
  std::size_t discarded = 0;
  while (discarded <= kDiscardBytes) {
    std::string piece;
    const auto progress = parser_->read_body(input_, piece, kDiscardBytes);
    discarded += piece.size();
    count_input();
    if (progress == RequestParser::Progress::complete) {
      body_done_ = true;
      co_return true;
    }
    if (progress != RequestParser::Progress::more) co_return false;
    const auto size = co_await wire_->read_some(input_, kPiece);
    if (!size.ok() || *size == 0) co_return false;
  }
  co_return false;
}

base::Task<void> Connection::answer(HttpReply& reply, Response response) {
  if (!body_done_ && !reply.closing()) {
    const bool out_of_the_way = co_await discard_body();
    if (!out_of_the_way) reply.close_after();
  }
  const base::SteadyTime limit = clock_.after(kAnswerLimit);
  wire_->set_deadline(limit);
  reply.set_end(limit);
  const Status sent = co_await reply.send(std::move(response));
  if (!sent.ok()) reply.close_after();
}

void Connection::watch() {
  readable_.reset();
  while (input_.size() < kReadAhead && !too_much_input()) {
    switch (wire_->try_read(input_, kPiece)) {
      case Wire::Io::done: count_input(); break;
      case Wire::Io::end: return peer_ended();
      case Wire::Io::failed: peer_gone_ = true; return interruption_.request();
      default: readable_ = wire_->when_readable([this] { watch(); }); return;
    }
  }
}

void Connection::stop_watching() {
  readable_.reset();
  grace_.reset();
}

void Connection::peer_ended() {
  peer_ended_ = true;
  if (streaming_) return interruption_.request();
  grace_ = clock_.set_alarm(clock_.after(kGrace), [this] { interruption_.request(); });
}

}  // namespace keelson::server
