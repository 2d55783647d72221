// Service variables (contract 02 §3.2 step 1).
#include <algorithm>
#include <cctype>
#include <map>

#include "agent/pod_config/environment.hpp"

namespace keelson::agent {
namespace {

std::string variable_name(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string cased(std::string text, int (*convert)(int)) {
  for (char& c : text) c = static_cast<char>(convert(static_cast<unsigned char>(c)));
  return text;
}

std::string host_and_port(const std::string& ip, std::int32_t port) {
  const bool ipv6 = ip.find(':') != std::string::npos;
  return (ipv6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port);
}

void append_service(std::vector<cri::KeyValue>& out, const ServiceInfo& service) {
  const std::string name = variable_name(service.name);
  out.push_back({name + "_SERVICE_HOST", service.cluster_ip});
  if (service.ports.empty()) return;
  out.push_back({name + "_SERVICE_PORT", std::to_string(service.ports.front().port)});
  for (const auto& port : service.ports) {
    if (!port.name.empty()) {
      out.push_back({name + "_SERVICE_PORT_" + variable_name(port.name), std::to_string(port.port)});
    }
  }
  for (std::size_t i = 0; i < service.ports.size(); ++i) {
    const auto& port = service.ports[i];
    const std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
    const std::string lower = cased(protocol, std::tolower);
    const std::string url = lower + "://" + host_and_port(service.cluster_ip, port.port);
    if (i == 0) out.push_back({name + "_PORT", url});
    const std::string prefix = name + "_PORT_" + std::to_string(port.port) + "_" + cased(protocol, std::toupper);
    out.push_back({prefix, url});
    out.push_back({prefix + "_PROTO", lower});
    out.push_back({prefix + "_PORT", std::to_string(port.port)});
    out.push_back({prefix + "_ADDR", service.cluster_ip});
  }
}

}  // namespace

std::vector<cri::KeyValue> service_variables(const std::vector<ServiceInfo>& services, const std::string& ns,
                                             bool enable_service_links) {
  std::map<std::string, const ServiceInfo*> chosen;
  for (const auto& service : services) {
    if (service.cluster_ip.empty() || service.cluster_ip == "None") continue;
    const bool linked = enable_service_links && service.ns == ns;
    const bool master = service.ns == "default" && service.name == "kubernetes";
    if (linked) {
      chosen[service.name] = &service;
    } else if (master) {
      chosen.emplace(service.name, &service);
    }
  }
  std::vector<cri::KeyValue> out;
  for (const auto& [name, service] : chosen) append_service(out, *service);
  return out;
}

}  // namespace keelson::agent
