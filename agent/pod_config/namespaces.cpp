#include "agent/pod_config/namespaces.hpp"

#include <algorithm>

namespace keelson::agent {
namespace {

constexpr std::string_view kNoUserNamespaces = "can't set `spec.hostUsers: false`, ";

cri::NamespaceMode pid_mode(const api::core::PodSpec& spec) {
  if (spec.hostpid()) return cri::NamespaceMode::node;
  return spec.shareprocessnamespace() ? cri::NamespaceMode::pod : cri::NamespaceMode::container;
}

}  // namespace

bool wants_user_namespace(const api::Pod& pod) { return pod.spec().has_hostusers() && !pod.spec().hostusers(); }

Status check_user_namespace_support(const api::Pod& pod, const std::string& runtime_handler,
                                    const std::vector<cri::RuntimeHandler>& handlers) {
  if (!wants_user_namespace(pod)) return {};
  const auto it = std::find_if(handlers.begin(), handlers.end(),
                               [&](const cri::RuntimeHandler& handler) { return handler.name == runtime_handler; });
  if (it != handlers.end() && it->user_namespaces) return {};
  const std::string who = runtime_handler.empty() ? "runtime" : "RuntimeClass handler \"" + runtime_handler + "\"";
  std::string text = std::string(kNoUserNamespaces) + who + " does not support user namespaces";
  if (it == handlers.end() && !handlers.empty()) text += ": the handler \"" + runtime_handler + "\" is not known";
  return Error(ErrorKind::invalid, std::move(text));
}

Result<cri::NamespaceOption> make_namespace_options(const api::Pod& pod,
                                                    const std::optional<UserNamespaceRange>& range) {
  const auto& spec = pod.spec();
  cri::NamespaceOption options;
  options.network = spec.hostnetwork() ? cri::NamespaceMode::node : cri::NamespaceMode::pod;
  options.pid = pid_mode(spec);
  options.ipc = spec.hostipc() ? cri::NamespaceMode::node : cri::NamespaceMode::pod;
  options.userns_options.emplace();
  options.userns_options->mode = cri::NamespaceMode::node;
  if (!wants_user_namespace(pod)) return options;

  if (!range) return Error(ErrorKind::internal, "no user IDs were given to a pod with `spec.hostUsers: false`");
  const std::vector<cri::IdMapping> map{{range->host_first, 0, range->length}};
  options.userns_options = cri::UserNamespace{cri::NamespaceMode::pod, map, map};
  return options;
}

cri::NamespaceOption with_target(cri::NamespaceOption options, const std::string& target_id) {
  if (!target_id.empty() && options.pid == cri::NamespaceMode::container) {
    options.pid = cri::NamespaceMode::target;
    options.target_id = target_id;
  }
  return options;
}

}  // namespace keelson::agent
