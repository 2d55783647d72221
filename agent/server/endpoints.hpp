// The endpoints of the node's API as a table, and what becomes of a request before any handler sees it.
//
// Pure functions of values, any thread. An endpoint is served below its mount: the mounts are found as Go's ServeMux
// finds them (what is at none of them is 404 or a redirect, for everybody), the endpoints below a mount as go-restful
// does (404, 405 and 406 only for those who may ask). Source: contract 05 §4, §5, §6, §12 (path label).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/server/response.hpp"

namespace keelson::server {

enum class Port { read_write, read_only };

// What the configuration and the feature gates leave of the table.
struct Switches {
  bool debugging = true;    // enableDebuggingHandlers
  bool system_logs = true;  // enableSystemLogHandler
  bool profiling = true;    // enableProfilingHandler
  bool flags = true;        // enableDebugFlagsHandler
  bool checkpoint = true;   // gate ContainerCheckpoint
  bool statusz = true;      // gate ComponentStatusz
  bool flagz = true;        // gate ComponentFlagz
};

// The names by which handlers are plugged in.
namespace endpoint {
inline constexpr std::string_view healthz = "healthz";  // and all its checks
inline constexpr std::string_view pods = "pods";
inline constexpr std::string_view running_pods = "runningpods";
inline constexpr std::string_view stats_summary = "stats/summary";
inline constexpr std::string_view metrics = "metrics";
inline constexpr std::string_view metrics_cadvisor = "metrics/cadvisor";
inline constexpr std::string_view metrics_resource = "metrics/resource";
inline constexpr std::string_view metrics_probes = "metrics/probes";
inline constexpr std::string_view metrics_slis = "metrics/slis";
inline constexpr std::string_view container_logs = "containerLogs";
inline constexpr std::string_view run = "run";
inline constexpr std::string_view exec = "exec";
inline constexpr std::string_view attach = "attach";
inline constexpr std::string_view port_forward = "portForward";
inline constexpr std::string_view logs = "logs";
inline constexpr std::string_view pprof = "pprof";
inline constexpr std::string_view debug_flags = "flags";
inline constexpr std::string_view configz = "configz";
inline constexpr std::string_view checkpoint = "checkpoint";
inline constexpr std::string_view statusz = "statusz";
inline constexpr std::string_view flagz = "flagz";
}  // namespace endpoint

// All of the above, whatever the switches say.
std::vector<std::string_view> endpoint_names();

struct Asked {
  std::string_view method;
  std::string_view path;   // as sent, well encoded
  std::string_view query;  // as sent
  std::optional<std::string_view> accept;
};

struct Outcome {
  bool guarded = false;       // the rest is only for those who may ask
  std::string_view endpoint;  // whose handler answers; empty: `response` is the answer
  Response response;
};
Outcome find_endpoint(Port port, const Switches& switches, const Asked& asked);

// The subresources of nodes that open `path` (decoded), in the order they are tried.
std::vector<std::string_view> subresources_of(std::string_view path);

// The labels that count a request for that path (decoded).
std::string metric_path(Port port, const Switches& switches, std::string_view path);
std::string metric_method(std::string_view method);
bool is_long_running(std::string_view metric_path);

Response not_found();  // "404 page not found"
// As Go's http.Error: the text with a newline, nosniff.
Response error_text(int status, std::string text);

}  // namespace keelson::server
