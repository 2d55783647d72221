// Client: typed requests to the API server, with the limits and retries of one purpose.
//
// The agent has several over one Transport: the main one, one for events (own rate limit), one for heartbeats (no rate
// limit, ten seconds, also sent as `timeout=10s`). Bodies are protobuf, answers protobuf or JSON; a server that refuses
// protobuf bodies (415, or 406) gets JSON from then on. Owner: the agent's wiring; outlives what uses it. Thread: the
// loop. Stops: with the tasks that await it.
//
// Retried here, within the request's limit: answers with Retry-After (429 and 5xx), at most ten times; a GET whose
// connection broke, at once and then each second, ten times; a request that cannot have reached the server, once.
// Everything else is the caller's to retry. The limit counts from when the rate limit has let the request pass; each
// retry passes it again. Binary answers come out in their normal form (api::normalize), like JSON ones.
//
// Errors carry the HTTP status in code() and the server's message; kinds: 400/422 invalid, 401/403 permission_denied,
// 404 not_found, 409 already_exists or conflict by its reason, 410 and Expired: `conflict` with code 410, 429 and 5xx
// unavailable, 504 deadline_exceeded (all of them: api_error.hpp); what Transport says otherwise; an answer that is not
// what was asked for is `invalid`. Source: contract 01 §10, contract 05a.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/envelope.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/counters.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "kube-client/rate_limit.hpp"
#include "kube-client/resource.hpp"
#include "kube-client/retry.hpp"
#include "kube-client/transport.hpp"

namespace keelson::kube {

using Query = std::vector<std::pair<std::string, std::string>>;  // values not yet encoded

enum class PatchType { strategic_merge, merge, json };

struct ClientOptions {
  double qps = 50;  // 0: no limit
  int burst = 100;
  base::Duration timeout = std::chrono::seconds(60);
  bool timeout_in_query = false;  // also `timeout=10s`, as the heartbeat client sends it
  bool protobuf = true;           // KubeletConfiguration.contentType
};

// What became of requests, for the metrics page. Source: contract 05 §12 (rest_client_*).
struct RequestMetrics {
  // Of one verb: a whole request with its retries, watches left out.
  struct Verb {
    base::Histogram<base::buckets::kRequests> duration;
    base::Histogram<base::buckets::kRequests> rate_limiter;  // not counted by a client without limit
    base::Histogram<base::buckets::kSizes> request_size;
    base::Histogram<base::buckets::kSizes> response_size;
  };
  static constexpr const char* kNoAnswer = "<error>";  // as a code

  base::CountsBy<2> requests;  // code, method; each try
  base::CountsBy<2> retries;   // code that made it necessary, verb
  base::ByLabels<1, Verb> verbs;
};

// One request as it is, and the raw answer of a 2xx.
struct Call {
  std::string method = "GET";
  std::string path;
  Query query;
  std::string patch_type;                             // content type of `patch`
  std::string patch;                                  // JSON text
  const google::protobuf::Message* body = nullptr;    // outlives the call
  std::optional<api::TypeMeta> body_type;             // when the registry does not tell it (DeleteOptions)
  const google::protobuf::Message* answer = nullptr;  // prototype of the expected answer; null: do not read it
  std::optional<base::Duration> timeout;
};

class Client {
 public:
  Client(base::Loop& loop, base::Clock& clock, Transport& transport, ClientOptions options, base::Logger log);

  // The answer is of the prototype's type; null when none was asked for.
  base::Task<Result<std::unique_ptr<google::protobuf::Message>>> call(Call call);
  // A watch or another long answer, in the formats that accept_header() offers; its head within the client's limit. A
  // status of 300 and above is an error as in call().
  base::Task<Result<std::unique_ptr<HttpStream>>> open(std::string path, Query query);
  // Plain text, for /healthz and its kin.
  base::Task<Result<std::string>> get_text(std::string path, base::Duration timeout);

  template <class T>
  base::Task<Result<T>> get(std::string ns, std::string name, Query query = {});
  template <class T>
  base::Task<Result<T>> create(std::string ns, T object, Query query = {});
  template <class T>
  base::Task<Result<T>> update(T object, std::string subresource = {});
  template <class T>
  base::Task<Result<T>> patch(std::string ns, std::string name, PatchType type, std::string body,
                              std::string subresource = {});
  // `not_found` is an error here; callers usually take it for success.
  template <class T>
  base::Task<Status> remove(std::string ns, std::string name, api::meta::DeleteOptions options = {});
  // DELETE of a whole collection, narrowed by the query ("fieldSelector").
  template <class T>
  base::Task<Status> remove_all(std::string ns, Query query, api::meta::DeleteOptions options = {});
  // POST to a subresource: TokenRequest of a ServiceAccount.
  template <class T, class Request>
  base::Task<Result<Request>> create_sub(std::string ns, std::string name, std::string subresource, Request request);

  bool speaks_protobuf() const { return protobuf_; }
  const RequestMetrics& metrics() const { return metrics_; }
  const ClientOptions& options() const { return options_; }
  base::Loop& loop() { return loop_; }
  base::Clock& clock() { return clock_; }

 private:
  // What to do after a failed try: `again` after `wait`, or give up with `error`.
  struct Verdict {
    bool again = false;
    base::Duration wait{};
    Error error;
  };

  void count_try(const std::string& method, const std::string& code, bool again);
  HttpRequest build(const Call& call) const;
  Verdict judge(Error error, base::SteadyTime deadline, Retries& retries) const;
  Verdict judge(const Headers& offered, const HttpResponse& response, base::SteadyTime deadline, Retries& retries);
  base::Task<void> wait_for_retry(base::Duration wait);
  base::Task<Result<HttpResponse>> exchange(Call call);

  base::Loop& loop_;
  base::Clock& clock_;
  Transport& transport_;
  ClientOptions options_;
  base::Logger log_;
  RateLimit limit_;
  bool protobuf_;
  RequestMetrics metrics_;
};

}  // namespace keelson::kube

#include "kube-client/client_inl.hpp"
