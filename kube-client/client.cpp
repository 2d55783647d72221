#include "kube-client/client.hpp"

#include <algorithm>

#include "base/duration.hpp"
#include "kube-client/api_error.hpp"
#include "kube-client/wire.hpp"

namespace keelson::kube {
namespace {

using google::protobuf::Message;

constexpr std::size_t kLongestErrorBody = 64u << 10;
constexpr base::Duration kErrorBodyLimit = std::chrono::seconds(10);

bool succeeded(int http_status) { return http_status >= 200 && http_status < 300; }

std::string code_of(const Result<HttpResponse>& response) {
  return response.ok() ? std::to_string(response->status) : RequestMetrics::kNoAnswer;
}

// Also of a request that was given up.
class Stopwatch {
 public:
  Stopwatch(const base::Clock& clock, base::Histogram<base::buckets::kRequests>& durations)
      : clock_(clock), durations_(durations), begun_(clock.steady_now()) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { durations_.observe(clock_.steady_now() - begun_); }

 private:
  const base::Clock& clock_;
  base::Histogram<base::buckets::kRequests>& durations_;
  base::SteadyTime begun_;
};

// The body of a stream that turned out to be an error; what came when it broke.
base::Task<std::string> read_error_body(HttpStream* stream) {
  std::string body;
  while (body.size() < kLongestErrorBody) {
    auto piece = co_await stream->read();
    if (!piece.ok() || piece->empty()) break;
    body += *piece;
  }
  co_return body;
}

}  // namespace

Call internal::delete_call(const Resource& resource, std::string_view ns, std::string_view name,
                           const api::meta::DeleteOptions* options) {
  Call call;
  call.method = "DELETE";
  call.path = path_of(resource, ns, name);
  call.body = options;
  call.body_type = delete_options_type(resource);
  return call;
}

Client::Client(base::Loop& loop, base::Clock& clock, Transport& transport, ClientOptions options, base::Logger log)
    : loop_(loop),
      clock_(clock),
      transport_(transport),
      options_(options),
      log_(std::move(log)),
      limit_(loop, clock, options.qps, options.burst),
      protobuf_(options.protobuf) {}

HttpRequest Client::build(const Call& call) const { return request_of(call, protobuf_); }

Client::Verdict Client::judge(Error error, base::SteadyTime deadline, Retries& retries) const {
  const auto wait = retries.after(error);
  const bool again = wait.has_value() && clock_.steady_now() + *wait < deadline;
  return {again, wait.value_or(base::Duration(0)), std::move(error)};
}

Client::Verdict Client::judge(const Headers& offered, const HttpResponse& response, base::SteadyTime deadline,
                              Retries& retries) {
  Error error = error_of(response.status, response.body);
  if (refuses_protobuf(response.status, offered)) {
    if (std::exchange(protobuf_, false)) {
      log_.info("The API server does not take protobuf, going on with JSON", {{"status", response.status}});
    }
    return {true, base::Duration(0), std::move(error)};
  }
  const auto wait = retries.after(response.status, response.headers, clock_.now());
  const bool again = wait.has_value() && clock_.steady_now() + *wait < deadline;
  return {again, wait.value_or(base::Duration(0)), std::move(error)};
}

base::Task<void> Client::wait_for_retry(base::Duration wait) {
  if (wait > base::Duration(0)) co_await clock_.sleep_for(wait);
  co_await limit_.acquire();
}

void Client::count_try(const std::string& method, const std::string& code, bool again) {
  ++metrics_.requests[{code, method}];
  if (again) ++metrics_.retries[{code, method}];
}

base::Task<Result<HttpResponse>> Client::exchange(Call call) {
  RequestMetrics::Verb& verb = metrics_.verbs[{call.method}];
  const Stopwatch whole(clock_, verb.duration);
  const base::SteadyTime asked = clock_.steady_now();
  co_await limit_.acquire();
  if (options_.qps > 0) verb.rate_limiter.observe(clock_.steady_now() - asked);
  const base::SteadyTime deadline = clock_.steady_now() + call.timeout.value_or(options_.timeout);
  Retries retries(call.method);
  while (true) {
    HttpRequest request = build(call);
    const Headers offered = request.headers;
    const base::Duration left = deadline - clock_.steady_now();
    verb.request_size.observe(static_cast<double>(request.body.size()));
    auto response = co_await transport_.send(std::move(request), left);
    const std::string code = code_of(response);
    if (response.ok()) verb.response_size.observe(static_cast<double>(response->body.size()));
    if (response.ok() && succeeded(response->status)) {
      count_try(call.method, code, false);
      co_return std::move(*response);
    }
    Verdict verdict =
        response.ok() ? judge(offered, *response, deadline, retries) : judge(response.error(), deadline, retries);
    count_try(call.method, code, verdict.again);
    if (!verdict.again) co_return std::move(verdict.error);
    co_await wait_for_retry(verdict.wait);
    if (clock_.steady_now() >= deadline) co_return std::move(verdict.error);
  }
}

base::Task<Result<std::unique_ptr<Message>>> Client::call(Call call) {
  const Message* prototype = call.answer;
  if (options_.timeout_in_query) call.query.emplace_back("timeout", base::format_duration(options_.timeout));
  auto response = co_await exchange(std::move(call));
  if (!response.ok()) co_return std::move(response).error();
  if (prototype == nullptr) co_return std::unique_ptr<Message>();
  co_return answer_of(*response, *prototype);
}

base::Task<Result<std::string>> Client::get_text(std::string path, base::Duration timeout) {
  Call request;
  request.path = std::move(path);
  request.timeout = timeout;
  auto response = co_await exchange(std::move(request));
  if (!response.ok()) co_return std::move(response).error();
  co_return std::move(response->body);
}

base::Task<Result<std::unique_ptr<HttpStream>>> Client::open(std::string path, Query query) {
  Call call;
  call.path = std::move(path);
  call.query = std::move(query);
  co_await limit_.acquire();
  const base::SteadyTime deadline = clock_.steady_now() + options_.timeout;
  Retries retries(call.method);
  while (true) {
    HttpRequest request = build(call);
    const Headers offered = request.headers;
    const base::Duration left = deadline - clock_.steady_now();
    auto stream = co_await transport_.open(std::move(request), left);
    const std::string code = stream.ok() ? std::to_string((*stream)->status()) : RequestMetrics::kNoAnswer;
    if (stream.ok() && succeeded((*stream)->status())) {
      count_try(call.method, code, false);
      co_return std::move(*stream);
    }
    HttpResponse response;
    if (stream.ok()) {
      auto body = co_await base::with_timeout(clock_, kErrorBodyLimit, read_error_body(stream->get()));
      response.status = (*stream)->status();
      response.headers = (*stream)->headers();
      response.body = std::move(body).value_or("");
      stream->reset();
    }
    Verdict verdict =
        stream.ok() ? judge(offered, response, deadline, retries) : judge(stream.error(), deadline, retries);
    count_try(call.method, code, verdict.again);
    if (!verdict.again) co_return std::move(verdict.error);
    co_await wait_for_retry(verdict.wait);
    if (clock_.steady_now() >= deadline) co_return std::move(verdict.error);
  }
}

}  // namespace keelson::kube
