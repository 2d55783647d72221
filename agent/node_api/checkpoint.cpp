#include "agent/node_api/checkpoint.hpp"

#include <algorithm>
#include <chrono>

#include "agent/node_api/answers.hpp"
#include "agent/node_api/go_number.hpp"
#include "agent/pod_config/annotations.hpp"
#include "api/json_text.hpp"
#include "base/duration.hpp"
#include "base/file.hpp"

namespace keelson::node_api {
namespace {

constexpr std::string_view kPrefix = "/checkpoint/";
constexpr mode_t kDirectoryMode = 0700;

std::vector<std::string> segments(std::string_view path) {
  std::vector<std::string> parts;
  while (path.ends_with('/')) path.remove_suffix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

bool has_container(const api::Pod& pod, const std::string& name) {
  const auto named = [&](const auto& container) { return container.name() == name; };
  const auto& spec = pod.spec();
  return std::any_of(spec.containers().begin(), spec.containers().end(), named) ||
         std::any_of(spec.initcontainers().begin(), spec.initcontainers().end(), named) ||
         std::any_of(spec.ephemeralcontainers().begin(), spec.ephemeralcontainers().end(),
                     [&](const auto& container) { return container.ephemeralcontainercommon().name() == name; });
}

}  // namespace

base::Task<Result<std::string>> CheckpointHandler::running_id(std::string uid, std::string container) {
  cri::ContainerFilter filter;
  filter.state = cri::ContainerState::running;
  filter.label_selector[std::string(agent::label::pod_uid)] = uid;
  const auto listed = co_await base_.runtime.list_containers(filter);
  if (!listed.ok()) co_return listed.error();
  for (const auto& one : *listed) {
    if (one.state == cri::ContainerState::running && one.metadata.name == container) co_return one.id;
  }
  co_return Error(ErrorKind::not_found, "container " + container + " not found");
}

base::Task<Result<std::string>> CheckpointHandler::write(Target target, std::string uid, std::chrono::seconds timeout) {
  auto id = co_await running_id(uid, target.container);
  if (!id.ok()) co_return id;
  if (timeout.count() < 0) co_return Error(ErrorKind::invalid, "CheckpointContainer timeout cannot be negative");
  auto made = base::make_directories(base_.directory, kDirectoryMode);
  if (!made.ok()) co_return made.error();
  std::string location = base_.directory + "/checkpoint-" + target.pod + "_" + target.ns + "-" + target.container +
                         "-" + base::format_rfc3339(base_.clock.now()) + ".tar";
  auto written = co_await base_.streaming.checkpoint_container(*id, location, timeout);
  if (!written.ok()) co_return written.error();
  co_return location;
}

base::Task<server::Response> CheckpointHandler::checkpoint(Target target, std::vector<std::string> timeouts) {
  const api::PodPtr pod = base_.pods.find(target.ns, target.pod);
  if (pod == nullptr) co_return server::plain_text(404, "pod does not exist");
  if (!has_container(*pod, target.container)) {
    co_return server::plain_text(404, "container " + target.container + " does not exist");
  }
  std::chrono::seconds timeout(0);
  if (!timeouts.empty()) {
    const auto seconds = go_integer(timeouts.back(), "ParseInt");
    if (!seconds.ok()) co_return server::plain_text(404, "cannot parse value of timeout parameter");
    // More than a clock can count is no limit at all.
    timeout = std::chrono::seconds(std::min<std::int64_t>(*seconds, std::int64_t{100} * 365 * 86400));
  }
  const auto location = co_await write(target, pod->metadata().uid(), timeout);
  if (!location.ok()) {
    co_return server::plain_text(500, "checkpointing of " + target.ns + "/" + target.pod + "/" + target.container +
                                          " failed (" + location.error().to_string() + ")");
  }
  std::string json = "{\"items\":[";
  api::append_quoted(json, *location);
  co_return json_answer(json + "]}");
}

base::Task<void> CheckpointHandler::handle(const server::Request& request, server::Reply& reply) {
  const std::string_view path = request.path;
  auto parts = path.starts_with(kPrefix) ? segments(path.substr(kPrefix.size())) : std::vector<std::string>();
  if (parts.size() != 3) {
    server::Response unknown = server::plain_text(404, "404: Page Not Found");
    co_await answer(reply, std::move(unknown));
    co_return;
  }
  Target target;
  target.ns = std::move(parts[0]);
  target.pod = std::move(parts[1]);
  target.container = std::move(parts[2]);
  server::Response response = co_await checkpoint(std::move(target), request.query_values("timeout"));
  co_await answer(reply, std::move(response));
}

}  // namespace keelson::node_api
