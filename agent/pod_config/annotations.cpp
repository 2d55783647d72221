#include "agent/pod_config/annotations.hpp"

#include "agent/pod_config/container_hash.hpp"
#include "agent/pod_config/go_text.hpp"

namespace keelson::agent {
namespace {

// A compact JSON object; empty members are left out by the caller's choice of method.
class JsonObject {
 public:
  void raw(std::string_view key, const std::string& value) {
    if (text_.size() > 1) text_ += ',';
    text_ += go_json_string(key) + ":" + value;
  }
  void text(std::string_view key, const std::string& value) {
    if (!value.empty()) raw(key, go_json_string(value));
  }
  void number(std::string_view key, std::int64_t value) {
    if (value != 0) raw(key, std::to_string(value));
  }
  std::string take() && { return std::move(text_) + "}"; }

 private:
  std::string text_ = "{";
};

template <class List, class Format>
std::string json_array(const List& list, Format format) {
  std::string out = "[";
  for (const auto& item : list) {
    if (out.size() > 1) out += ',';
    out += format(item);
  }
  return out + "]";
}

std::string json_of(const k8s::intstr::IntOrString& value) {
  return value.type() == 1 ? go_json_string(value.strval()) : std::to_string(value.intval());
}

std::string exec_json(const api::core::ExecAction& exec) {
  JsonObject json;
  if (!exec.command().empty()) json.raw("command", json_array(exec.command(), go_json_string));
  return std::move(json).take();
}

std::string http_get_json(const api::core::HTTPGetAction& get) {
  JsonObject json;
  json.text("path", get.path());
  json.raw("port", json_of(get.port()));
  json.text("host", get.host());
  json.text("scheme", get.scheme());
  if (!get.httpheaders().empty()) {
    json.raw("httpHeaders", json_array(get.httpheaders(), [](const api::core::HTTPHeader& header) {
               JsonObject one;
               one.raw("name", go_json_string(header.name()));
               one.raw("value", go_json_string(header.value()));
               return std::move(one).take();
             }));
  }
  return std::move(json).take();
}

std::string tcp_socket_json(const api::core::TCPSocketAction& tcp) {
  JsonObject json;
  json.raw("port", json_of(tcp.port()));
  json.text("host", tcp.host());
  return std::move(json).take();
}

std::string port_json(const api::core::ContainerPort& port) {
  JsonObject json;
  json.text("name", port.name());
  json.number("hostPort", port.hostport());
  json.raw("containerPort", std::to_string(port.containerport()));
  json.text("protocol", port.protocol());
  json.text("hostIP", port.hostip());
  return std::move(json).take();
}

void set(std::map<std::string, std::string>& map, std::string_view key, std::string value) {
  map.insert_or_assign(std::string(key), std::move(value));
}

void set_pod_labels(std::map<std::string, std::string>& labels, const api::Pod& pod) {
  set(labels, label::pod_name, pod.metadata().name());
  set(labels, label::pod_namespace, pod.metadata().namespace_());
  set(labels, label::pod_uid, pod.metadata().uid());
}

}  // namespace

std::string ports_json(const google::protobuf::RepeatedPtrField<api::core::ContainerPort>& ports) {
  return json_array(ports, port_json);
}

std::string handler_json(const api::core::LifecycleHandler& handler) {
  JsonObject json;
  if (handler.has_exec()) json.raw("exec", exec_json(handler.exec()));
  if (handler.has_httpget()) json.raw("httpGet", http_get_json(handler.httpget()));
  if (handler.has_tcpsocket()) json.raw("tcpSocket", tcp_socket_json(handler.tcpsocket()));
  if (handler.has_sleep()) json.raw("sleep", "{\"seconds\":" + std::to_string(handler.sleep().seconds()) + "}");
  return std::move(json).take();
}

std::map<std::string, std::string> sandbox_labels(const api::Pod& pod) {
  std::map<std::string, std::string> labels(pod.metadata().labels().begin(), pod.metadata().labels().end());
  set_pod_labels(labels, pod);
  return labels;
}

std::map<std::string, std::string> sandbox_annotations(const api::Pod& pod) {
  return {pod.metadata().annotations().begin(), pod.metadata().annotations().end()};
}

std::map<std::string, std::string> container_labels(const api::Pod& pod, const api::core::Container& container) {
  std::map<std::string, std::string> labels;
  set_pod_labels(labels, pod);
  set(labels, label::container_name, container.name());
  return labels;
}

std::map<std::string, std::string> container_annotations(const api::Pod& pod, const api::core::Container& container,
                                                         std::uint32_t restart_count,
                                                         const std::map<std::string, std::string>& more) {
  std::map<std::string, std::string> annotations = more;
  set(annotations, annotation::hash, hash_text(container_hash(container)));
  set(annotations, annotation::restart_count, std::to_string(restart_count));
  set(annotations, annotation::termination_path, container.terminationmessagepath());
  set(annotations, annotation::termination_policy, container.terminationmessagepolicy());
  if (pod.spec().has_terminationgraceperiodseconds()) {
    set(annotations, annotation::pod_termination_grace, std::to_string(pod.spec().terminationgraceperiodseconds()));
  }
  if (pod.metadata().has_deletiongraceperiodseconds()) {
    set(annotations, annotation::pod_deletion_grace, std::to_string(pod.metadata().deletiongraceperiodseconds()));
  }
  if (container.lifecycle().has_prestop()) {
    set(annotations, annotation::pre_stop, handler_json(container.lifecycle().prestop()));
  }
  if (!container.ports().empty()) set(annotations, annotation::ports, ports_json(container.ports()));
  return annotations;
}

}  // namespace keelson::agent
