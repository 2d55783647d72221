#include "agent/logs/container_logs_handler.hpp"

#include <utility>
#include <vector>

#include "agent/logs/container_choice.hpp"
#include "agent/logs/log_query.hpp"
#include "base/go_text.hpp"

namespace keelson::logs {
namespace {

class ReplySink final : public LogSink {
 public:
  explicit ReplySink(server::Reply& reply) : reply_(reply) {}
  base::Task<Status> write(std::string bytes) override { return reply_.write(std::move(bytes)); }

 private:
  server::Reply& reply_;
};

Error not_found(std::string text) { return Error(ErrorKind::not_found, std::move(text), 404); }

std::vector<std::string> segments(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < path.size();) {
    const auto slash = std::min(path.find('/', at), path.size());
    if (slash > at) out.push_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return out;
}

// "containerd://ID" without what stands before the ID.
std::string bare_id(const std::string& container) {
  const auto mark = container.find("://");
  return mark == std::string::npos ? container : container.substr(mark + 3);
}

}  // namespace

Result<ContainerLogsHandler::Chosen> ContainerLogsHandler::choose(const server::Request& request) {
  const auto place = segments(request.path);
  if (place.size() != 4) return not_found("404: Page Not Found");
  const std::string &ns = place[1], &name = place[2], &container = place[3];

  auto options = parse_log_query(request.query, clock_.now());
  if (!options.ok()) return std::move(options).error();
  const api::PodPtr pod = source_.find_pod(ns, name);
  if (pod == nullptr) return not_found("pod " + base::go_quote(name) + " does not exist");
  if (!has_container(*pod, container)) {
    return not_found("container " + base::go_quote(container) + " not found in pod " + base::go_quote(name));
  }
  if (!options->stream.empty()) {
    return Error(ErrorKind::invalid,
                 "unable to return the given log stream: " + base::go_quote(options->stream) +
                     ". Please enable PodLogsQuerySplitStreams feature gate in kubelet",
                 400);
  }
  auto chosen = container_with_logs(*pod, container, options->previous);
  if (!chosen.ok()) return std::move(chosen).error();
  return Chosen{std::move(*options), std::move(*chosen)};
}

base::Task<void> ContainerLogsHandler::handle(const server::Request& request, server::Reply& reply) {
  auto chosen = choose(request);
  if (!chosen.ok()) {
    server::Response refusal = server::plain_text(chosen.error().code(), chosen.error().message());
    (void)co_await reply.send(std::move(refusal));
    co_return;
  }
  // At once, even when the container says nothing for hours.
  server::Response head;
  const Status begun = co_await reply.begin(std::move(head));
  if (!begun.ok()) co_return;
  ReplySink sink(reply);
  Chosen what = std::move(*chosen);
  const Status served = co_await serve(std::move(what), sink);
  if (!served.ok()) {
    std::string text = served.error().to_string();
    (void)co_await sink.write(std::move(text));
  }
  (void)co_await reply.finish();
}

base::Task<Status> ContainerLogsHandler::serve(Chosen chosen, LogSink& sink) {
  LogOrder order;
  order.container_id = bare_id(chosen.container);
  order.options = std::move(chosen.options);
  auto path = co_await source_.log_path(order.container_id);
  if (!path.ok()) {
    co_return Error(ErrorKind::unavailable, "unable to retrieve container logs for " + chosen.container);
  }
  order.path = std::move(*path);
  co_return co_await reader_.read(std::move(order), sink);
}

}  // namespace keelson::logs
