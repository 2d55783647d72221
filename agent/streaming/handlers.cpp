#include "agent/streaming/handlers.hpp"

#include <algorithm>
#include <utility>

#include "agent/server/websocket_token.hpp"
#include "agent/streaming/stream_request.hpp"
#include "base/go_text.hpp"

namespace keelson::streaming {
namespace {

// The answer that a request ends with, or the URL to go on with.
struct Verdict {
  std::optional<std::string> url;
  server::Response answer;
};

Verdict refused(int status, std::string text) {
  Verdict out;
  out.answer = server::plain_text(status, std::move(text));
  return out;
}

Verdict go_on(std::string url) {
  Verdict out;
  out.url = std::move(url);
  return out;
}

// Of an error that the runtime, or who asks it for us, has answered with.
Verdict failed(const Error& error) {
  int status = 500;
  if (error.kind() == ErrorKind::not_found) status = 404;
  if (error.kind() == ErrorKind::exhausted) status = 429;
  auto out = refused(status, error.to_string());
  if (status == 429) out.answer.headers.emplace_back("Retry-After", "60");
  return out;
}

Verdict outcome(Result<std::string> url) { return url.ok() ? go_on(std::move(*url)) : failed(url.error()); }

Verdict no_such_path() { return refused(404, "404: Page Not Found"); }
Verdict no_such_pod() { return refused(404, "pod does not exist"); }

std::string full_name(const api::Pod& pod) { return pod.metadata().name() + "_" + pod.metadata().namespace_(); }

std::string not_running(const std::string& container) {
  return "container not found (" + base::go_quote(container) + ")";
}

// Whether that container of the spec has a terminal; nullopt: there is none of that name.
std::optional<bool> terminal_of(const api::Pod& pod, const std::string& container) {
  const auto& spec = pod.spec();
  for (const auto* list : {&spec.containers(), &spec.initcontainers()}) {
    for (const auto& one : *list) {
      if (one.name() == container) return one.tty();
    }
  }
  for (const auto& one : spec.ephemeralcontainers()) {
    const auto& common = one.ephemeralcontainercommon();
    if (common.name() == container) return common.tty();
  }
  return std::nullopt;
}

base::Task<Verdict> exec(StreamingParts parts, const server::Request* request) {
  const auto path = container_path(request->path);
  if (!path) co_return no_such_path();
  const auto streams = stream_options(*request);
  if (!streams.ok()) co_return refused(400, streams.error().to_string());
  const auto pod = parts.source.find_pod(path->ns, path->pod);
  if (pod == nullptr) co_return no_such_pod();
  const auto id = co_await parts.source.running_container(pod, path->container);
  if (!id.ok()) co_return failed(id.error());
  if (!id->has_value()) co_return refused(500, not_running(path->container));
  auto command = exec_command(*request);
  auto url = co_await parts.runtime.exec(**id, std::move(command), *streams);
  co_return outcome(std::move(url));
}

base::Task<Verdict> attach(StreamingParts parts, const server::Request* request) {
  const auto path = container_path(request->path);
  if (!path) co_return no_such_path();
  auto streams = stream_options(*request);
  if (!streams.ok()) co_return refused(400, streams.error().to_string());
  const auto pod = parts.source.find_pod(path->ns, path->pod);
  if (pod == nullptr) co_return no_such_pod();
  const auto id = co_await parts.source.running_container(pod, path->container);
  if (!id.ok()) co_return failed(id.error());
  const std::string absent = "container " + path->container + " not found in pod " + full_name(*pod);
  if (!id->has_value()) co_return refused(500, absent);
  if (!path->uid.empty() && path->uid != pod->metadata().uid()) {
    co_return refused(500, "pod " + full_name(*pod) + " not found");
  }
  // What the container was started with counts, not what the client thinks.
  const auto terminal = terminal_of(*pod, path->container);
  if (!terminal) co_return refused(500, absent);
  streams->tty = *terminal;
  auto url = co_await parts.runtime.attach(**id, *streams);
  co_return outcome(std::move(url));
}

base::Task<Verdict> port_forward(StreamingParts parts, const server::Request* request) {
  const auto path = pod_path(request->path);
  if (!path) co_return no_such_path();
  const auto ports = forward_ports(*request);
  if (!ports.ok()) co_return refused(400, ports.error().to_string());
  const auto pod = parts.source.find_pod(path->ns, path->pod);
  if (pod == nullptr) co_return no_such_pod();
  if (!path->uid.empty() && path->uid != pod->metadata().uid()) co_return refused(404, "pod not found");
  const auto id = co_await parts.source.ready_sandbox(pod);
  if (!id.ok()) co_return failed(id.error());
  if (!id->has_value()) co_return refused(500, "pod not found (" + base::go_quote(full_name(*pod)) + ")");
  auto url = co_await parts.runtime.port_forward(**id, *ports);
  co_return outcome(std::move(url));
}

base::Task<void> conclude(StreamingParts parts, const server::Request* request, server::Reply* reply, Verdict verdict) {
  if (verdict.url) {
    co_await parts.proxy.forward(*request, *reply, std::move(*verdict.url));
  } else {
    (void)co_await reply->send(std::move(verdict.answer));
  }
}

void count_websocket(const StreamingParts& parts, const server::Request& request, const char* subresource) {
  if (server::is_websocket(request.headers)) ++parts.websockets[{subresource}];
}

std::string exited_with(const server::Request& request, const cri::ExecSyncResult& result) {
  const std::string command(request.query_value("cmd").value_or(""));
  return "command '" + command + "' exited with " + std::to_string(result.exit_code) + ": " + result.stderr_data;
}

server::Response output_of(cri::ExecSyncResult result) {
  server::Response out;
  out.body = std::move(result.stdout_data) + result.stderr_data;
  if (!out.body.empty()) out.headers.emplace_back("Content-Type", "application/json");  // whatever it is
  return out;
}

base::Task<server::Response> run(StreamSource* source, cri::RuntimeService* runtime, const server::Request* request) {
  const auto path = container_path(request->path);
  if (!path) co_return no_such_path().answer;
  const auto pod = source->find_pod(path->ns, path->pod);
  if (pod == nullptr) co_return no_such_pod().answer;
  const auto id = co_await source->running_container(pod, path->container);
  if (!id.ok()) co_return server::plain_text(500, id.error().to_string());
  if (!id->has_value()) co_return server::plain_text(500, not_running(path->container));
  auto command = run_command(*request);
  auto result = co_await runtime->exec_sync(**id, std::move(command), std::chrono::seconds(0));  // no limit
  if (!result.ok()) co_return server::plain_text(500, result.error().to_string());
  if (result->exit_code != 0) {
    co_return server::plain_text(500, exited_with(*request, *result));
  }
  co_return output_of(std::move(*result));
}

}  // namespace

base::Task<void> ExecHandler::handle(const server::Request& request, server::Reply& reply) {
  count_websocket(parts_, request, "exec");
  Verdict verdict = co_await exec(parts_, &request);
  co_await conclude(parts_, &request, &reply, std::move(verdict));
}

base::Task<void> AttachHandler::handle(const server::Request& request, server::Reply& reply) {
  count_websocket(parts_, request, "attach");
  Verdict verdict = co_await attach(parts_, &request);
  co_await conclude(parts_, &request, &reply, std::move(verdict));
}

base::Task<void> PortForwardHandler::handle(const server::Request& request, server::Reply& reply) {
  count_websocket(parts_, request, "portforward");
  Verdict verdict = co_await port_forward(parts_, &request);
  co_await conclude(parts_, &request, &reply, std::move(verdict));
}

base::Task<void> RunHandler::handle(const server::Request& request, server::Reply& reply) {
  auto response = co_await run(&source_, &runtime_, &request);
  (void)co_await reply.send(std::move(response));
}

}  // namespace keelson::streaming
