#include "agent/node_api/pods.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "agent/node_api/answers.hpp"
#include "agent/pod_config/annotations.hpp"
#include "api/json_codec.hpp"

namespace keelson::node_api {
namespace {

constexpr const char* kListHead = R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":)";

std::string item_text(const api::Pod& pod) {
  api::EncodeOptions options;
  options.type_meta = false;
  return escape_json(api::encode_json(pod, options));
}

std::string label_of(const cri::Container& container, std::string_view name) {
  const auto found = container.labels.find(std::string(name));
  return found == container.labels.end() ? std::string() : found->second;
}

struct Running {
  api::Pod pod;
  std::int64_t created_at = 0;
};

Running named(const std::string& uid, const std::string& ns, const std::string& name) {
  Running running;
  running.pod.mutable_metadata()->set_uid(uid);
  running.pod.mutable_metadata()->set_namespace_(ns);
  running.pod.mutable_metadata()->set_name(name);
  return running;
}

}  // namespace

PodListWriter::PodListWriter(server::Reply& reply) : out_(reply, json_answer({})) {}

base::Task<Status> PodListWriter::add(api::PodPtr pod) {
  std::string text = any_ ? "," : std::string(kListHead) + "[";
  any_ = true;
  text += item_text(*pod);
  co_return co_await out_.add(std::move(text));
}

base::Task<Status> PodListWriter::end() {
  // Go writes a list that was never made as null.
  std::string text = any_ ? "]}\n" : std::string(kListHead) + "null}\n";
  auto added = co_await out_.add(std::move(text));
  if (!added.ok()) co_return added;
  co_return co_await out_.end();
}

base::Task<void> PodsHandler::handle(const server::Request&, server::Reply& reply) {
  PodListWriter list(reply);
  const std::vector<std::string> uids = pods_.uids();
  for (const std::string& uid : uids) {
    api::PodPtr pod = pods_.pod(uid);
    if (pod == nullptr) continue;
    auto added = co_await list.add(std::move(pod));
    if (!added.ok()) co_return;
  }
  (void)co_await list.end();
}

std::vector<api::Pod> running_pods(const std::vector<cri::PodSandbox>& sandboxes,
                                   const std::vector<cri::Container>& containers) {
  std::vector<Running> found;
  std::map<std::string, std::size_t> places;
  const auto place_of = [&](const std::string& uid, const std::string& ns, const std::string& name) -> Running& {
    const auto [place, is_new] = places.emplace(uid, found.size());
    if (is_new) found.push_back(named(uid, ns, name));
    return found[place->second];
  };
  for (const auto& sandbox : sandboxes) {
    if (sandbox.state != cri::SandboxState::ready) continue;
    const auto& meta = sandbox.metadata;
    place_of(meta.uid, meta.ns, meta.name).created_at = sandbox.created_at;
  }
  for (const auto& container : containers) {
    if (container.state != cri::ContainerState::running) continue;
    Running& running =
        place_of(label_of(container, agent::label::pod_uid), label_of(container, agent::label::pod_namespace),
                 label_of(container, agent::label::pod_name));
    auto* item = running.pod.mutable_spec()->add_containers();
    item->set_name(container.metadata.name);
    item->set_image(container.image.image.empty() ? container.image_id : container.image.image);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Running& a, const Running& b) { return a.created_at > b.created_at; });
  std::vector<api::Pod> pods;
  pods.reserve(found.size());
  for (auto& running : found) pods.push_back(std::move(running.pod));
  return pods;
}

base::Task<void> RunningPodsHandler::handle(const server::Request&, server::Reply& reply) {
  cri::PodSandboxFilter ready;
  ready.state = cri::SandboxState::ready;
  const auto sandboxes = co_await runtime_.list_pod_sandboxes(ready);
  if (!sandboxes.ok()) {
    server::Response failed = server::plain_text(500, sandboxes.error().to_string());
    co_await answer(reply, std::move(failed));
    co_return;
  }
  cri::ContainerFilter live;
  live.state = cri::ContainerState::running;
  const auto containers = co_await runtime_.list_containers(live);
  if (!containers.ok()) {
    server::Response failed = server::plain_text(500, containers.error().to_string());
    co_await answer(reply, std::move(failed));
    co_return;
  }
  PodListWriter list(reply);
  auto pods = running_pods(*sandboxes, *containers);
  for (api::Pod& pod : pods) {
    auto added = co_await list.add(std::make_shared<const api::Pod>(std::move(pod)));
    if (!added.ok()) co_return;
  }
  (void)co_await list.end();
}

}  // namespace keelson::node_api
