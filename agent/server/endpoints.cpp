#include "agent/server/endpoints.hpp"

#include <algorithm>
#include <array>

#include "agent/server/url_text.hpp"

namespace keelson::server {
namespace {

enum class Shape {
  exact,    // this path alone, whatever the method
  subtree,  // what is below it; without the slash at its end it is a redirect
  whole,    // both
};

constexpr int kAny = 1 << 20;

struct Endpoint {
  std::string_view name;
  std::string_view mount;
  Shape shape = Shape::exact;
  bool Switches::*needs = nullptr;  // null: served on both ports, always
  // Below the mount:
  int least = 0;  // segments
  int most = 0;
  std::string_view last{};     // the last of them, when it is one alone
  std::string_view methods{};  // as in Allow; empty: any
  bool json = false;           // the client must take JSON
};

constexpr bool Switches::*kDebug = &Switches::debugging;

constexpr Endpoint kEndpoints[] = {
    {endpoint::healthz, "/healthz"},
    {endpoint::healthz, "/healthz/ping"},
    {endpoint::healthz, "/healthz/log"},
    {endpoint::healthz, "/healthz/syncloop"},
    {endpoint::healthz, "/healthz/device-plugin"},
    {endpoint::pods, "/pods", Shape::whole, nullptr, 0, 0, {}, "GET", true},
    {endpoint::stats_summary, "/stats", Shape::subtree, nullptr, 1, 1, "summary", "GET, POST", true},
    {endpoint::metrics, "/metrics"},
    {endpoint::metrics_cadvisor, "/metrics/cadvisor"},
    {endpoint::metrics_resource, "/metrics/resource"},
    {endpoint::metrics_probes, "/metrics/probes"},
    {endpoint::metrics_slis, "/metrics/slis"},
    {endpoint::run, "/run", Shape::whole, kDebug, 3, 4, {}, "POST"},
    {endpoint::exec, "/exec", Shape::whole, kDebug, 3, 4, {}, "GET, POST"},
    {endpoint::attach, "/attach", Shape::whole, kDebug, 3, 4, {}, "GET, POST"},
    {endpoint::port_forward, "/portForward", Shape::whole, kDebug, 2, 3, {}, "GET, POST"},
    {endpoint::container_logs, "/containerLogs", Shape::whole, kDebug, 3, 3, {}, "GET"},
    {endpoint::running_pods, "/runningpods", Shape::subtree, kDebug, 0, 0, {}, "GET", true},
    {endpoint::configz, "/configz", Shape::exact, kDebug},
    {endpoint::logs, "/logs", Shape::subtree, &Switches::system_logs, 0, kAny, {}, "GET"},
    {endpoint::pprof, "/debug/pprof", Shape::subtree, &Switches::profiling, 1, kAny, {}, "GET"},
    {endpoint::debug_flags, "/debug/flags/v", Shape::exact, &Switches::flags},
    {endpoint::checkpoint, "/checkpoint", Shape::subtree, &Switches::checkpoint, 3, 3, {}, "POST", true},
    {endpoint::statusz, "/statusz", Shape::exact, &Switches::statusz, 0, 0, {}, "GET"},
    {endpoint::flagz, "/flagz", Shape::exact, &Switches::flagz, 0, 0, {}, "GET"},
};

// What stands in the place of endpoints that are switched off, for every method.
struct Refusal {
  std::string_view mount;
  Shape shape = Shape::subtree;
  bool Switches::*lacking = nullptr;
  std::string_view text;
};
constexpr std::string_view kNoDebugging = "Debug endpoints are disabled.";
constexpr Refusal kRefusals[] = {
    {"/run", Shape::subtree, kDebug, kNoDebugging},
    {"/exec", Shape::subtree, kDebug, kNoDebugging},
    {"/attach", Shape::subtree, kDebug, kNoDebugging},
    {"/portForward", Shape::subtree, kDebug, kNoDebugging},
    {"/containerLogs", Shape::subtree, kDebug, kNoDebugging},
    {"/runningpods", Shape::subtree, kDebug, kNoDebugging},
    {"/debug/pprof", Shape::subtree, kDebug, kNoDebugging},
    {"/logs", Shape::subtree, kDebug, kNoDebugging},
    {"/logs", Shape::subtree, &Switches::system_logs, "logs endpoint is disabled."},
    {"/debug/pprof", Shape::subtree, &Switches::profiling, "profiling endpoint is disabled."},
    {"/debug/flags/v", Shape::exact, &Switches::flags, "flags endpoint is disabled."},
};

bool debugging(Port port, const Switches& switches) { return port == Port::read_write && switches.debugging; }

bool served(const Endpoint& row, Port port, const Switches& switches) {
  return row.needs == nullptr || (debugging(port, switches) && switches.*row.needs);
}

bool in_place(const Refusal& row, Port port, const Switches& switches) {
  if (row.lacking == kDebug) return !debugging(port, switches);
  return debugging(port, switches) && !(switches.*row.lacking);
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return segments;
}

// A path in its decoded segments: a slash that was encoded parts nothing.
struct Path {
  std::vector<std::string> segments;
  bool slash = false;  // at its end
};

std::optional<Path> read_path(std::string_view path) {
  Path out;
  out.slash = path.ends_with('/');
  for (const std::string_view segment : split(path.substr(path.starts_with('/') ? 1 : 0))) {
    auto decoded = percent_decode(segment);
    if (!decoded) return std::nullopt;
    out.segments.push_back(std::move(*decoded));
  }
  return out;
}

// How many segments of `mount` begin the path: all of them, or -1.
int common(std::string_view mount, const Path& path) {
  const auto wanted = split(mount.substr(1));
  if (wanted.size() > path.segments.size()) return -1;
  return std::equal(wanted.begin(), wanted.end(), path.segments.begin()) ? static_cast<int>(wanted.size()) : -1;
}

bool is_at(std::string_view mount, Shape shape, const Path& path) {
  const int size = common(mount, path);
  if (size < 0) return false;
  const bool same = static_cast<std::size_t>(size) == path.segments.size();
  if (shape == Shape::exact) return same && !path.slash;
  return !same || path.slash || shape == Shape::whole;
}

bool lacks_only_slash(std::string_view mount, Shape shape, const Path& path) {
  return shape == Shape::subtree && !path.slash && common(mount, path) == static_cast<int>(path.segments.size());
}

std::string html_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '\'': out += "&#39;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

Response redirect(std::string_view method, std::string_view path, std::string_view query) {
  std::string url = url_for_header(path);
  if (!query.empty()) url += "?" + url_for_header(query);
  Response response;
  response.status = 307;
  if (method == "GET" || method == "HEAD") response.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
  if (method == "GET") response.body = "<a href=\"" + html_escaped(url) + "\">Temporary Redirect</a>.\n\n";
  response.headers.emplace_back("Location", std::move(url));
  return response;
}

// Quality values count for nothing, as in go-restful.
bool takes_json(std::optional<std::string_view> accept) {
  if (!accept || accept->empty()) return true;
  std::string_view rest = *accept;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view range = rest.substr(0, comma);
    const std::string_view type = trimmed(range.substr(0, range.find(';')));
    if (type == "*/*" || type == "application/json") return true;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return false;
}

bool has_method(std::string_view methods, std::string_view method) {
  if (methods.empty()) return true;
  while (!methods.empty()) {
    const std::size_t end = std::min(methods.find(", "), methods.size());
    if (methods.substr(0, end) == method) return true;
    methods.remove_prefix(std::min(end + 2, methods.size()));
  }
  return false;
}

Response wrong_method(std::string_view allowed) {
  Response response = plain_text(405, "405: Method Not Allowed");
  response.headers.emplace_back("Allow", std::string(allowed));
  return response;
}

Response not_acceptable() {
  return plain_text(406, "406: Not Acceptable\n\nAvailable representations: application/json");
}

Response only_put() {
  Response response;
  response.status = 406;
  response.headers.emplace_back("Content-Type", "text/plain");
  response.body = "unsupported http method\n";
  return response;
}

Outcome answered(bool guarded, Response response) {
  Outcome outcome;
  outcome.guarded = guarded;
  outcome.response = std::move(response);
  return outcome;
}

Outcome handled(const Endpoint& row, const Asked& asked) {
  if (!has_method(row.methods, asked.method)) return answered(true, wrong_method(row.methods));
  if (row.json && !takes_json(asked.accept)) return answered(true, not_acceptable());
  if (row.name == endpoint::debug_flags && asked.method != "PUT") return answered(true, only_put());
  Outcome outcome;
  outcome.guarded = true;
  outcome.endpoint = row.name;
  return outcome;
}

// Below a mount the whole path is decoded first and then split, so that an encoded slash does part.
Outcome below_mount(const Endpoint& row, const Asked& asked) {
  const std::string path = percent_decode(asked.path).value_or("");
  std::string_view inner = path;
  while (inner.starts_with('/')) inner.remove_prefix(1);
  while (inner.ends_with('/')) inner.remove_suffix(1);
  const auto segments = split(inner);
  const int below = static_cast<int>(segments.size()) - static_cast<int>(split(row.mount.substr(1)).size());
  const bool fits = below >= row.least && below <= row.most && (row.last.empty() || segments.back() == row.last);
  if (!fits) return answered(true, plain_text(404, "404: Page Not Found"));
  return handled(row, asked);
}

std::optional<Outcome> at_mount(Port port, const Switches& switches, const Asked& asked, const Path& path) {
  for (const Endpoint& row : kEndpoints) {
    if (!served(row, port, switches) || !is_at(row.mount, row.shape, path)) continue;
    return row.shape == Shape::exact ? handled(row, asked) : below_mount(row, asked);
  }
  for (const Refusal& row : kRefusals) {
    if (in_place(row, port, switches) && is_at(row.mount, row.shape, path)) {
      return answered(true, error_text(405, std::string(row.text)));
    }
  }
  return std::nullopt;
}

bool slash_is_missing(Port port, const Switches& switches, const Path& path) {
  const auto endpoint = [&](const Endpoint& row) {
    return served(row, port, switches) && lacks_only_slash(row.mount, row.shape, path);
  };
  const auto refusal = [&](const Refusal& row) {
    return in_place(row, port, switches) && lacks_only_slash(row.mount, row.shape, path);
  };
  return std::any_of(std::begin(kEndpoints), std::end(kEndpoints), endpoint) ||
         std::any_of(std::begin(kRefusals), std::end(kRefusals), refusal);
}

// The first segments whose requests are counted under their own name.
struct Bucket {
  std::string_view name;
  bool Switches::*needs = nullptr;
};
constexpr Bucket kBuckets[] = {
    {"healthz"},
    {"pods"},
    {"stats"},
    {"metrics"},
    {"metrics/cadvisor"},
    {"metrics/probes"},
    {"metrics/resource"},
    {"debug", kDebug},
    {"configz", kDebug},
    {"checkpoint", &Switches::checkpoint},
    {"flagz", &Switches::flagz},
    {"statusz", &Switches::statusz},
};
constexpr std::array kEitherWay = {"run", "exec", "attach", "portForward", "containerLogs", "runningpods", "logs"};

}  // namespace

std::vector<std::string_view> endpoint_names() {
  std::vector<std::string_view> names;
  for (const Endpoint& row : kEndpoints) {
    if (names.empty() || names.back() != row.name) names.push_back(row.name);
  }
  return names;
}

Outcome find_endpoint(Port port, const Switches& switches, const Asked& asked) {
  const bool as_is = asked.method == "CONNECT";  // is never redirected to a cleaner path
  const std::string clean = as_is ? std::string(asked.path) : clean_path(asked.path);
  const auto path = read_path(clean);
  if (!path) return answered(false, not_found());
  auto outcome = at_mount(port, switches, asked, *path);
  if (!outcome && slash_is_missing(port, switches, *path)) {
    return answered(false, redirect(asked.method, clean + "/", asked.query));
  }
  if (clean != asked.path) return answered(false, redirect(asked.method, clean, asked.query));
  return outcome ? std::move(*outcome) : answered(false, not_found());
}

std::vector<std::string_view> subresources_of(std::string_view path) {
  struct Row {
    std::string_view prefix;
    std::string_view first;
    bool or_proxy = false;
  };
  constexpr Row kRows[] = {{"/stats", "stats"},           {"/metrics", "metrics"},        {"/logs", "log"},
                           {"/checkpoint", "checkpoint"}, {"/statusz", "statusz"},        {"/flagz", "configz"},
                           {"/pods", "pods", true},       {"/runningpods", "pods", true}, {"/healthz", "healthz", true},
                           {"/configz", "configz", true}};
  for (const Row& row : kRows) {
    if (!path.starts_with(row.prefix)) continue;
    if (path.size() > row.prefix.size() && path[row.prefix.size()] != '/') continue;
    if (row.or_proxy) return {row.first, "proxy"};
    return {row.first};
  }
  return {"proxy"};
}

std::string metric_path(Port port, const Switches& switches, std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const std::size_t first = std::min(path.find('/'), path.size());
  std::string_view root = path.substr(0, first);
  if (root == "metrics" && first < path.size()) root = path.substr(0, path.find('/', first + 1));
  const bool debug = debugging(port, switches);
  for (const Bucket& bucket : kBuckets) {
    if (bucket.name == root && (bucket.needs == nullptr || (debug && switches.*bucket.needs))) return std::string(root);
  }
  if (std::find(kEitherWay.begin(), kEitherWay.end(), root) != kEitherWay.end()) return std::string(root);
  return "other";
}

std::string metric_method(std::string_view method) {
  constexpr std::string_view kKnown[] = {"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT"};
  const bool known = std::find(std::begin(kKnown), std::end(kKnown), method) != std::end(kKnown);
  return known ? std::string(method) : "other";
}

bool is_long_running(std::string_view metric_path) {
  return metric_path == "exec" || metric_path == "attach" || metric_path == "debug";
}

Response not_found() { return error_text(404, "404 page not found"); }

Response error_text(int status, std::string text) {
  Response response = plain_text(status, std::move(text) + "\n");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return response;
}

}  // namespace keelson::server
