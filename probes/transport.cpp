#include "probes/transport.hpp"

#include <algorithm>

#include "probes/http_action.hpp"

namespace keelson::probes {
namespace {

constexpr char kUserAgent[] = "kube-probe/1.36";

}  // namespace

Result<Action> make_action(const api::core::Probe& probe, const api::core::Container& container,
                           const std::string& container_id, const std::string& pod_ip) {
  const std::chrono::seconds limit(std::max(1, probe.timeoutseconds()));
  const auto& handler = probe.handler();
  if (handler.has_exec()) {
    const auto& command = handler.exec().command();
    return Action(ExecAction{container_id, {command.begin(), command.end()}, limit});
  }
  if (handler.has_httpget()) {
    auto request = make_http_get(handler.httpget(), container, pod_ip, kUserAgent, limit);
    if (!request.ok()) return request.error();
    return Action(std::move(*request));
  }
  if (handler.has_tcpsocket()) {
    auto port = resolve_port(handler.tcpsocket().port(), container);
    if (!port.ok()) return port.error();
    const std::string& host = handler.tcpsocket().host();
    return Action(TcpAction{host.empty() ? pod_ip : host, *port, limit});
  }
  if (handler.has_grpc()) {
    return Action(GrpcAction{pod_ip, handler.grpc().port(), handler.grpc().service(), limit});
  }
  return Error(ErrorKind::invalid, "missing probe handler for container " + container.name());
}

}  // namespace keelson::probes
