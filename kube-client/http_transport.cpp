#include "kube-client/http_transport.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "kube-client/connection_pool.hpp"
#include "kube-client/content_coding.hpp"
#include "kube-client/dialer.hpp"
#include "kube-client/exchange.hpp"

namespace keelson::kube {
namespace {

constexpr std::size_t kept_401_body = 64 * 1024;

// What a request is waiting for, for the error of one that ran out of time.
using Stage = std::shared_ptr<const char*>;

bool clean(std::string_view text, bool spaces) {
  return std::none_of(text.begin(), text.end(), [spaces](unsigned char c) {
    return c == 0x7f || (c < 0x20 && c != '\t') || (!spaces && c == ' ');
  });
}

Status check(const HttpRequest& request) {
  if (request.method.empty() || !clean(request.method, false)) {
    return Error(ErrorKind::invalid, "\"" + request.method + "\" is no HTTP method");
  }
  if (request.target.empty() || request.target.front() != '/' || !clean(request.target, false)) {
    return Error(ErrorKind::invalid, "a request's target begins with / and has neither spaces nor control characters");
  }
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || !clean(name, false) || !clean(value, true)) {
      return Error(ErrorKind::invalid, "the header " + name + " of a request has characters that are not allowed");
    }
  }
  return {};
}

std::string seconds_text(base::Duration limit) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

Error not_for_us(const Error& error) {
  return Error(ErrorKind::unavailable, error.to_string(), error.code()).wrap("while getting our authorization");
}

// The request for another sending, without the authorization of the first.
HttpRequest take_back(Exchange& exchange) {
  exchange.give_up();
  HttpRequest request = std::move(exchange.request);
  std::erase_if(request.headers, [](const auto& field) { return field.first == "authorization"; });
  return request;
}

class Stream final : public HttpStream {
 public:
  Stream(Held exchange, std::string name) : reader_(std::move(exchange)), name_(std::move(name)) {}

  int status() const override { return reader_.exchange().status; }
  const Headers& headers() const override { return reader_.exchange().headers; }
  base::Task<Result<std::string>> read() override {
    auto piece = co_await reader_.read();
    if (piece.ok()) co_return piece;
    const Error& error = piece.error();
    // Nobody waits for the effect of a stream: that it was cut is all that matters.
    const bool cut = error.kind() == ErrorKind::maybe_applied;
    co_return Error(cut ? ErrorKind::unavailable : error.kind(), error.message(), error.code()).wrap(name_);
  }

 private:
  BodyReader reader_;
  std::string name_;
};

}  // namespace

struct HttpTransport::State {
  State(base::Loop& l, base::Clock& c, base::BlockingPool& blocking, Endpoint e, Credentials& who, std::string agent,
        base::Logger g, HttpTransportOptions options);

  base::Task<Result<Held>> begin(HttpRequest request, bool long_lived, Stage stage);
  base::Task<Result<Held>> attempt(HttpRequest request, bool long_lived, Stage stage);
  base::Task<Result<HttpResponse>> whole(HttpRequest request, Stage stage);
  void decorate(HttpRequest& request) const;
  std::string name_of(const HttpRequest& request) const;
  Error late(base::Duration limit, const Stage& stage) const;

  base::Loop& loop;
  base::Clock& clock;
  Endpoint endpoint;
  Credentials& credentials;
  std::string user_agent;
  ConnectionContext context;
  Dialer dialer;
  base::Gate gate;
  ConnectionPool pool;
  std::uint64_t resent = 0;
};

HttpTransport::State::State(base::Loop& l, base::Clock& c, base::BlockingPool& blocking, Endpoint e, Credentials& who,
                            std::string agent, base::Logger g, HttpTransportOptions options)
    : loop(l),
      clock(c),
      endpoint(std::move(e)),
      credentials(who),
      user_agent(std::move(agent)),
      context{l, c, g, std::move(options)},
      dialer(l, c, blocking, endpoint, who, user_agent, context.options, g),
      gate(l),
      pool(context, dialer, gate) {
  context.scheme = endpoint.tls ? "https" : "http";
  const bool usual_port = endpoint.port == (endpoint.tls ? "443" : "80");
  context.authority = host_and_port(endpoint.host, endpoint.port);
  if (usual_port) context.authority.resize(context.authority.size() - endpoint.port.size() - 1);
  if (const Proxy* proxy = dialer.proxy(); proxy != nullptr && !endpoint.tls) {
    context.absolute_form = "http://" + context.authority;
    context.proxy_identity = proxy->authorization;
  }
  context.changed = [this] { pool.changed(); };
  context.suspicious = [this] { dialer.start_elsewhere(); };
  credentials.on_identity_change([this] {
    context.log.info("The client certificate changed: connecting to the API server anew");
    pool.retire_all(Error(ErrorKind::unavailable, "the connection ended because our certificate changed"));
  });
}

void HttpTransport::State::decorate(HttpRequest& request) const {
  request.target = endpoint.base_path + request.target;
  if (!user_agent.empty()) request.headers.emplace_back("user-agent", user_agent);
  if (endpoint.compression && find_header(request.headers, "accept-encoding") == nullptr) {
    request.headers.emplace_back("accept-encoding", "gzip");
  }
}

std::string HttpTransport::State::name_of(const HttpRequest& request) const {
  return request.method + " " + context.scheme + "://" + context.authority + endpoint.base_path +
         request.target.substr(0, request.target.find('?'));
}

Error HttpTransport::State::late(base::Duration limit, const Stage& stage) const {
  return Error(ErrorKind::deadline_exceeded,
               std::string("not done within ") + seconds_text(limit) + ": still " + *stage);
}

// One sending of the request, until the head of its answer is here.
base::Task<Result<Held>> HttpTransport::State::attempt(HttpRequest request, bool long_lived, Stage stage) {
  Held exchange(std::make_shared<Exchange>(loop, std::move(request), long_lived));
  *stage = "waiting for a connection";
  auto placed = co_await pool.place(exchange.shared());
  if (!placed.ok()) co_return std::move(placed).error();
  *stage = "waiting for the answer";
  co_await exchange->wait_head();
  co_return exchange;
}

base::Task<Result<Held>> HttpTransport::State::begin(HttpRequest request, bool long_lived, Stage stage) {
  KEELSON_CO_TRY(check(request));
  decorate(request);
  bool tried_other_identity = false;
  bool tried_again = false;
  std::string authorization;
  *stage = "getting our authorization";
  auto first = co_await credentials.authorization();
  if (!first.ok()) co_return not_for_us(first.error());
  authorization = std::move(*first);
  while (true) {
    if (!authorization.empty()) request.headers.emplace_back("authorization", authorization);
    auto outcome = co_await attempt(std::move(request), long_lived, stage);
    if (!outcome.ok()) co_return outcome;
    Held exchange = std::move(*outcome);
    if (exchange->failure && !exchange->has_head()) {
      if (!exchange->resendable || tried_again) co_return *exchange->failure;
      tried_again = true;
      ++resent;
      // The others that were idle for as long are probably gone, too.
      if (exchange->reused && exchange->sent) pool.close_idle();
      request = take_back(*exchange);
      continue;
    }
    if (exchange->status == 401 && !tried_other_identity) {
      tried_other_identity = true;
      co_await exchange->wait_body(kept_401_body);
      credentials.rejected();
      auto again = co_await credentials.authorization();
      if (again.ok() && *again != authorization) {
        authorization = std::move(*again);
        ++resent;
        request = take_back(*exchange);
        continue;
      }
    }
    exchange->forget_request();
    co_return exchange;
  }
}

base::Task<Result<HttpResponse>> HttpTransport::State::whole(HttpRequest request, Stage stage) {
  auto begun = co_await begin(std::move(request), false, stage);
  if (!begun.ok()) co_return std::move(begun).error();
  BodyReader reader(std::move(*begun));
  *stage = "reading the answer";
  HttpResponse response;
  response.status = reader.exchange().status;
  response.headers = reader.exchange().headers;
  while (true) {
    auto piece = co_await reader.read();
    if (!piece.ok()) co_return std::move(piece).error();
    if (piece->empty()) break;
    if (response.body.size() + piece->size() > context.options.body_limit) {
      co_return Error(ErrorKind::invalid,
                      "the answer is larger than " + std::to_string(context.options.body_limit) + " bytes");
    }
    if (response.body.empty()) {
      response.body = std::move(*piece);
    } else {
      response.body += *piece;
    }
  }
  co_return response;
}

HttpTransport::HttpTransport(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, Endpoint endpoint,
                             Credentials& credentials, std::string user_agent, base::Logger log,
                             HttpTransportOptions options) {
  const char* disabled = std::getenv("DISABLE_HTTP2");
  if (disabled != nullptr && *disabled != '\0') options.http2 = false;
  state_ = std::make_shared<State>(loop, clock, pool, std::move(endpoint), credentials, std::move(user_agent),
                                   std::move(log), std::move(options));
}

HttpTransport::~HttpTransport() = default;

base::Task<Result<HttpResponse>> HttpTransport::send(HttpRequest request, base::Duration limit) {
  const auto state = state_;
  const std::string name = state->name_of(request);
  auto stage = std::make_shared<const char*>("beginning");
  auto outcome =
      co_await base::with_timeout<Result<HttpResponse>>(state->clock, limit, state->whole(std::move(request), stage));
  if (!outcome) co_return state->late(limit, stage).wrap(name);
  co_return std::move(*outcome).wrap(name);
}

base::Task<Result<std::unique_ptr<HttpStream>>> HttpTransport::open(HttpRequest request, base::Duration limit) {
  const auto state = state_;
  std::string name = state->name_of(request);
  auto stage = std::make_shared<const char*>("beginning");
  auto outcome =
      co_await base::with_timeout<Result<Held>>(state->clock, limit, state->begin(std::move(request), true, stage));
  if (!outcome) co_return state->late(limit, stage).wrap(name);
  if (!outcome->ok()) co_return std::move(*outcome).error().wrap(name);
  std::unique_ptr<HttpStream> stream = std::make_unique<Stream>(std::move(**outcome), std::move(name));
  co_return stream;
}

void HttpTransport::close_idle() { state_->pool.close_idle(); }

void HttpTransport::close_all() {
  state_->pool.close_all(Error(ErrorKind::unavailable, "the connection was closed on purpose"));
}

base::Task<void> HttpTransport::stop() {
  const auto state = state_;
  state->credentials.on_identity_change({});
  state->pool.shut(Error(ErrorKind::cancelled, "the client of the API server is stopping"));
  co_await state->gate.stop();
}

HttpTransportStats HttpTransport::stats() const {
  HttpTransportStats stats = state_->pool.stats();
  stats.resent = state_->resent;
  return stats;
}

}  // namespace keelson::kube
