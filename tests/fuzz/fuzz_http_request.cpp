// Requests to the node's API: the head and body of HTTP, targets, the choice of an endpoint, the token of a WebSocket.
#include <string>

#include "agent/server/endpoints.hpp"
#include "agent/server/request_parser.hpp"
#include "agent/server/url_text.hpp"
#include "agent/server/websocket_token.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson::server;
using Progress = RequestParser::Progress;

constexpr std::size_t kHeadLimit = 4096;
constexpr std::size_t kBodyLimit = 64;

struct Read {
  Progress head = Progress::more;
  Progress body = Progress::more;
  RequestHead request;
  std::string text;
};

// The input in pieces of that size.
Read read(std::string_view input, std::size_t size) {
  RequestParser parser(kHeadLimit);
  Read out;
  std::string waiting;
  for (std::size_t at = 0; at < input.size(); at += size) {
    waiting += input.substr(at, size);
    if (out.head == Progress::more) out.head = parser.read_head(waiting);
    if (out.head == Progress::failed) return out;
    if (out.head != Progress::complete || out.body != Progress::more) continue;
    out.body = parser.read_body(waiting, out.text, kBodyLimit);
    KEELSON_CHECK(out.text.size() <= kBodyLimit);
  }
  out.request = parser.head();
  return out;
}

void check_clean(const std::string& path) {
  KEELSON_CHECK(path.starts_with('/') && clean_path(path) == path);
  for (const char* unclean : {"//", "/./", "/../"}) KEELSON_CHECK(path.find(unclean) == std::string::npos);
}

// What is answered with a redirect leads to a path on this server, in characters that a header may hold.
void check_location(const Response& response) {
  const auto location = find_field(response.headers, "Location");
  if (!location) return;
  KEELSON_CHECK(response.status == 307 && location->starts_with('/') && !location->starts_with("//"));
  for (const char c : *location) KEELSON_CHECK(c > ' ' && c < 0x7f && c != '\\' && c != '"');
}

void check_endpoints(const RequestHead& head) {
  const auto target = split_target(head.method, head.target);
  if (!target) return;
  for (const auto& [key, value] : parse_query(target->query)) {
    KEELSON_CHECK(key.size() + value.size() <= target->query.size());
  }
  const auto path = percent_decode(target->path);
  if (!path) return;
  check_clean(clean_path(target->path));
  KEELSON_CHECK(!subresources_of(*path).empty());
  Asked asked;
  asked.method = head.method;
  asked.path = target->path;
  asked.query = target->query;
  asked.accept = find_field(head.headers, "Accept");
  for (const Port port : {Port::read_write, Port::read_only}) {
    const Outcome outcome = find_endpoint(port, {}, asked);
    KEELSON_CHECK(outcome.endpoint.empty() || outcome.guarded);
    KEELSON_CHECK(!outcome.endpoint.empty() || outcome.response.status >= 300);
    check_location(outcome.response);
    (void)metric_path(port, {}, *path);
  }
}

}  // namespace

KEELSON_FUZZ_ENTRY(keelson_fuzz_http_request) {
  const Read whole = read(input, input.size() + 1);
  const Read cut = read(input, 3);
  KEELSON_CHECK((whole.head == Progress::complete) == (cut.head == Progress::complete));
  if (whole.head != Progress::complete) return;
  KEELSON_CHECK(whole.request.method == cut.request.method && whole.request.headers == cut.request.headers);
  KEELSON_CHECK((whole.body == Progress::complete) == (cut.body == Progress::complete));
  KEELSON_CHECK(whole.body != Progress::complete || whole.text == cut.text);
  check_endpoints(whole.request);
  const auto token = protocol_token(whole.request.headers);
  if (token.ok() && *token) KEELSON_CHECK(!(*token)->token.empty() && !(*token)->others.empty());
}
