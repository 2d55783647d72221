#include "probes/network_transport.hpp"

#include "probes/connection.hpp"
#include "probes/grpc_health.hpp"

namespace keelson::probes {
namespace {

constexpr std::size_t kOutputLimit = 10 << 10;

Attempt judge_command(CommandOutcome&& done) {
  switch (done.kind) {
    case CommandOutcome::Kind::timed_out: return {Outcome::failure, std::move(done.error)};
    case CommandOutcome::Kind::failed: return {Outcome::unknown, std::move(done.error), true};
    case CommandOutcome::Kind::exited: break;
  }
  if (done.output.size() > kOutputLimit) done.output.resize(kOutputLimit);
  return {done.exit_code == 0 ? Outcome::success : Outcome::failure, std::move(done.output)};
}

Attempt judge_http(HttpOutcome&& done) {
  switch (done.kind) {
    case HttpOutcome::Kind::failed: return {Outcome::failure, std::move(done.error)};
    case HttpOutcome::Kind::body_failed: return {Outcome::failure, std::move(done.error), true};
    case HttpOutcome::Kind::answered: break;
  }
  if (done.status >= 200 && done.status < 300) return {Outcome::success, std::move(done.body)};
  if (done.status >= 300 && done.status < 400) {
    return {Outcome::warning, "Probe terminated redirects, Response body: " + done.body};
  }
  return {Outcome::failure, "HTTP probe failed with statuscode: " + std::to_string(done.status)};
}

}  // namespace

base::Task<Attempt> attempt_command(CommandRunner& runner, ExecAction action) {
  CommandOutcome done = co_await runner.run(action.container_id, action.command, action.limit);
  co_return judge_command(std::move(done));
}

base::Task<Attempt> attempt_http(Network& network, HttpGet request) {
  HttpOutcome done = co_await http_get(network, std::move(request));
  co_return judge_http(std::move(done));
}

base::Task<Attempt> attempt_tcp(Network& network, TcpAction action) {
  Limit limit(network.deadlines(), action.limit);
  Connection connection(network, limit);
  Fault fault = co_await connection.connect(action.host, action.port);
  if (!fault) co_return Attempt(Outcome::success, "");
  if (fault.kind == Fault::Kind::timeout) {
    co_return Attempt(Outcome::failure, "dial tcp " + host_and_port(action.host, action.port) + ": i/o timeout");
  }
  co_return Attempt(Outcome::failure, std::move(fault.text));
}

base::Task<Attempt> NetworkTransport::attempt(std::shared_ptr<const Errand> errand) {
  if (const auto* command = std::get_if<ExecAction>(&errand->action)) return attempt_command(runner_, *command);
  if (const auto* request = std::get_if<HttpGet>(&errand->action)) return attempt_http(network_, *request);
  if (const auto* tcp = std::get_if<TcpAction>(&errand->action)) return attempt_tcp(network_, *tcp);
  return check_health(network_, std::get<GrpcAction>(errand->action));
}

}  // namespace keelson::probes
