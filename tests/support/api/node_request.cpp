#include "tests/support/api/node_request.hpp"

#include <algorithm>

#include "kube-client/url.hpp"
#include "kube-client/wire.hpp"
#include "tests/support/api/fake_api_request.hpp"

namespace keelson::fakes {
namespace {

using nlohmann::json;

constexpr int kDefaultPort = 10250;

// Of an option of the API, its name at the node. A switch says "1" there when it is on here.
struct Option {
  const char* name;
  const char* at_node;
  bool is_switch;
};
constexpr Option kCommand[] = {{"command", "command", false},
                               {"stdin", "input", true},
                               {"stdout", "output", true},
                               {"stderr", "error", true},
                               {"tty", "tty", true}};
constexpr Option kPorts[] = {{"ports", "port", false}};
constexpr Option kLog[] = {{"follow", "follow", false},         {"previous", "previous", false},
                           {"timestamps", "timestamps", false}, {"sinceSeconds", "sinceSeconds", false},
                           {"sinceTime", "sinceTime", false},   {"tailLines", "tailLines", false},
                           {"limitBytes", "limitBytes", false}};

Error bad(std::string text) { return Error(ErrorKind::invalid, std::move(text)); }

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

template <std::size_t size>
kube::Query translated(const NodeRequest& request, const Option (&options)[size]) {
  kube::Query out;
  for (const auto& [name, value] : request.query) {
    const auto option =
        std::find_if(std::begin(options), std::end(options), [&](auto& one) { return name == one.name; });
    if (option == std::end(options)) continue;
    if (!option->is_switch) out.emplace_back(option->at_node, value);
    if (option->is_switch && (value == "true" || value == "1")) out.emplace_back(option->at_node, "1");
  }
  return out;
}

std::vector<std::string> names_of(const json& spec, const char* list) {
  std::vector<std::string> names;
  for (const auto& container : spec.value(list, json::array())) names.push_back(container.value("name", ""));
  return names;
}

Result<std::string> container_of(const NodeRequest& request, const json& pod) {
  const json spec = pod.value("spec", json::object());
  std::string wanted;
  for (const auto& [name, value] : request.query) {
    if (name == "container") wanted = value;
  }
  const auto containers = names_of(spec, "containers");
  if (wanted.empty()) {
    if (containers.size() == 1) return containers.front();
    std::string choice;
    for (const auto& name : containers) choice += (choice.empty() ? "" : " ") + name;
    return bad("a container name must be specified for pod " + request.pod + ", choose one of: [" + choice + "]");
  }
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"}) {
    const auto names = names_of(spec, list);
    if (std::find(names.begin(), names.end(), wanted) != names.end()) return wanted;
  }
  return bad("container " + wanted + " is not valid for pod " + request.pod);
}

}  // namespace

NodeRequest parse_node_request(std::string_view target) {
  NodeRequest out;
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, question);
  if (question < target.size()) out.raw_query = std::string(target.substr(question + 1));
  for (const auto& pair : split(out.raw_query, '&')) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string value = equals < pair.size() ? pair.substr(equals + 1) : "";
    out.query.emplace_back(percent_decode(pair.substr(0, equals), true), percent_decode(value, true));
  }
  auto parts = split(path, '/');  // api v1 nodes NODE proxy ..., or api v1 namespaces NS pods POD WHAT ...
  parts.resize(std::max<std::size_t>(parts.size(), 7));
  if (parts[2] == "nodes") {
    out.node = parts[3];
    out.what = parts[4];
    const std::size_t at = path.find("/proxy");
    if (at != std::string_view::npos) out.rest = std::string(path.substr(at + 6));
  } else {
    out.ns = parts[3];
    out.pod = parts[5];
    out.what = parts[6];
  }
  return out;
}

Result<std::string> node_target(const NodeRequest& request, const json& pod) {
  if (!request.node.empty()) {
    const std::string path = request.rest.empty() ? "/" : request.rest;
    return request.raw_query.empty() ? path : path + "?" + request.raw_query;
  }
  const std::string place = "/" + request.ns + "/" + request.pod;
  if (request.what == "portforward") return kube::target_of("/portForward" + place, translated(request, kPorts));
  const auto container = container_of(request, pod);
  if (!container.ok()) return container.error();
  if (request.what == "log") {
    return kube::target_of("/containerLogs" + place + "/" + *container, translated(request, kLog));
  }
  if (request.what == "exec" || request.what == "attach") {
    return kube::target_of("/" + request.what + place + "/" + *container, translated(request, kCommand));
  }
  return bad("this server knows no " + request.what + " of a pod");
}

Result<std::string> node_url(const json& node) {
  const json status = node.value("status", json::object());
  std::string address;
  for (const char* type : {"InternalIP", "Hostname"}) {
    for (const auto& one : status.value("addresses", json::array())) {
      if (address.empty() && one.value("type", "") == type) address = one.value("address", "");
    }
  }
  if (address.empty()) return bad("no preferred addresses found; known addresses: []");
  const json::json_pointer port("/daemonEndpoints/kubeletEndpoint/Port");
  const int number = status.contains(port) ? status[port].get<int>() : kDefaultPort;
  return "https://" + kube::join_host_port(address, std::to_string(number));
}

}  // namespace keelson::fakes
