#include "probes/http_get.hpp"

#include <utility>

#include "base/go_text.hpp"
#include "probes/connection.hpp"

namespace keelson::probes {
namespace {

constexpr std::size_t kReadSize = 4096;
constexpr int kMostRequests = 10;

// Made in plain functions (CONTRIBUTING.md about GCC 12).
HttpOutcome failed(const std::string& url, const std::string& why) {
  HttpOutcome outcome;
  outcome.error = "Get " + base::go_quote(url) + ": " + why;
  return outcome;
}

HttpOutcome no_answer(const Url& url, const Fault& fault) {
  const bool late = fault.kind == Fault::Kind::timeout;
  HttpOutcome outcome = failed(
      url.text(), late ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)" : fault.text);
  outcome.plain_http = fault.kind == Fault::Kind::plain_http;
  return outcome;
}

HttpOutcome bad_head(const Url& url, const std::string& problem) {
  const bool silent = problem == "EOF";
  return failed(url.text(), (silent ? "" : "net/http: HTTP/1.x transport connection broken: ") + problem);
}

HttpOutcome answered(const AnswerReader& reader) {
  HttpOutcome outcome;
  outcome.kind = HttpOutcome::Kind::answered;
  outcome.status = reader.status();
  outcome.body = reader.body();
  return outcome;
}

HttpOutcome bad_body(const AnswerReader& reader, const Fault& fault) {
  HttpOutcome outcome = answered(reader);
  outcome.kind = HttpOutcome::Kind::body_failed;
  if (!reader.problem().empty()) {
    outcome.error = reader.problem();
  } else if (fault.kind == Fault::Kind::timeout) {
    outcome.error = "context deadline exceeded (Client.Timeout or context cancellation while reading body)";
  } else {
    outcome.error = fault.text;
  }
  return outcome;
}

bool redirects(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

// What one request came to.
struct Exchange {
  AnswerReader reader;
  Fault fault;
};

base::Task<void> exchange(Network& network, Limit& limit, const Url& url, const std::string& request, Exchange& out) {
  Connection connection(network, limit);
  out.fault = co_await connection.connect(url.host, url.port_number().value_or(0));
  if (out.fault) co_return;
  if (url.scheme == "https") {
    out.fault = co_await connection.start_tls(url.host);
    if (out.fault) co_return;
  }
  out.fault = co_await connection.write(request);
  if (out.fault) co_return;
  char buffer[kReadSize];
  std::size_t size = 0;
  do {
    out.fault = co_await connection.read(buffer, sizeof buffer, size);
    if (out.fault.kind == Fault::Kind::end) out.reader.end();
    if (out.fault) co_return;
  } while (out.reader.take({buffer, size}));
}

// As Go does on the way: the pod's own Host goes on only where the location names none, and a Referer says where we
// come from, but never from TLS to none.
void prepare_next(const Url& from, const Url& to, const std::string& location, bool own_referer, HttpHeaders& headers) {
  const bool names_host = location.find("://") != std::string::npos;
  std::erase_if(headers, [&](const auto& field) {
    const std::string name = canonical_header(field.first);
    return (names_host && name == "Host") || (!own_referer && name == "Referer");
  });
  if (own_referer || (from.scheme == "https" && to.scheme == "http")) return;
  Url shown = from;
  shown.fragment.clear();
  headers.emplace_back("Referer", shown.text());
}

}  // namespace

base::Task<HttpOutcome> http_get(Network& network, HttpGet given) {
  Limit limit(network.deadlines(), given.limit);
  if (const std::string* bad = bad_header(given.headers)) {
    co_return failed(given.url.text(),
                     "net/http: invalid header field value for " + base::go_quote(canonical_header(*bad)));
  }
  const std::string first_host = given.url.host;
  const bool own_referer = find_header(given.headers, "Referer") != nullptr;
  Url url = given.url;
  for (int requests = 1;; ++requests) {
    const std::string request = get_request(url.target(), url.authority(), given.headers, given.user_agent);
    Exchange done;
    co_await exchange(network, limit, url, request, done);
    const AnswerReader& reader = done.reader;
    if (!reader.head_complete()) {
      if (!reader.problem().empty()) co_return bad_head(url, reader.problem());
      co_return no_answer(url, done.fault);
    }
    const std::string* location = redirects(reader.status()) ? find_header(reader.headers(), "Location") : nullptr;
    if (location != nullptr && !location->empty()) {
      auto next = resolve(url, *location);
      if (!next.ok()) co_return failed(url.text(), next.error().message());
      if (next->host == first_host) {
        if (requests == kMostRequests) co_return failed(*location, "stopped after 10 redirects");
        if (next->scheme != "http" && next->scheme != "https") {
          co_return failed(next->text(), "unsupported protocol scheme " + base::go_quote(next->scheme));
        }
        if (!next->port_number()) co_return failed(next->text(), "dial tcp: address " + next->port + ": invalid port");
        prepare_next(url, *next, *location, own_referer, given.headers);
        url = std::move(*next);
        continue;
      }
    }
    const bool whole = reader.problem().empty() && (!done.fault || done.fault.kind == Fault::Kind::end);
    if (!whole) co_return bad_body(reader, done.fault);
    co_return answered(reader);
  }
}

}  // namespace keelson::probes
