#include "agent/wiring/cluster_pods.hpp"

#include "agent/pod_config/qos.hpp"
#include "static-pods/manifest.hpp"

namespace keelson::agent {
namespace {

constexpr char kApiSource[] = "api";

kube::Selection pods_of_node(const std::string& name) {
  kube::Selection selection;
  selection.field_selector = "spec.nodeName=" + name;
  selection.repeat_timeout = false;
  return selection;
}

}  // namespace

void ClusterPods::Sink::publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) {
  if (is_static(*pod)) mirrors_.static_pod(pod, status);
  writer_.publish(pod, status, containers_may_run);
}

void ClusterPods::Sink::terminated(const api::PodPtr& pod, const api::core::PodStatus& status) {
  if (is_static(*pod)) mirrors_.static_pod_ended(pod, status);
  writer_.terminated(pod, status);
}

void ClusterPods::Sink::forget(const std::string& uid) {
  mirrors_.static_pod_finished(uid);
  writer_.forget(uid);
}

void ClusterPods::Sink::added(const api::PodPtr& pod) {
  if (is_static(*pod)) mirrors_.static_pod_added(pod);
}

void ClusterPods::Sink::removed(const api::PodPtr& pod) {
  if (is_static(*pod)) mirrors_.static_pod_removed(pod->metadata().uid());
}

ClusterPods::ClusterPods(base::Loop& loop, base::Clock& clock, base::Random& random, kube::Client& client,
                         const std::string& node_name, base::Logger log)
    : clock_(clock),
      log_(log),
      api_(client),
      informer_(client, random, pods_of_node(node_name), log),
      writer_(loop, clock, random, api_, {}, log),
      mirrors_(loop, clock, random, api_, log),
      sink_(writer_, mirrors_) {
  informer_.trim_by([this](api::Pod& pod) { add_own_annotations(pod); });
}

void ClusterPods::attach(PodWorkers& workers, std::function<void(const std::string& uid)> gone) {
  workers_ = &workers;
  gone_ = std::move(gone);
  workers.expect_source(kApiSource);
  informer_.on_event([this](const Informer::Event& event) { on_event(event); });
  informer_.when_synced([this] { on_synced(); });
  informer_.when_watching_again([this] {
    writer_.api_is_back();
    mirrors_.api_is_back();
  });
}

void ClusterPods::on_event(const Informer::Event& event) {
  const api::Pod& pod = *event.object;
  if (event.change == kube::Change::removed) return on_removed(pod);
  writer_.on_api_pod(event.object);
  workers_->metrics().starts.seen(pod, clock_.now());
  if (is_mirror(pod)) {
    mirrors_.on_api_pod(event.object);
  } else {
    workers_->set_pod(kApiSource, event.object);
  }
}

void ClusterPods::on_removed(const api::Pod& pod) {
  const std::string uid = pod.metadata().uid();
  mirrors_.on_api_pod_removed(uid);
  writer_.on_api_pod_removed(uid);
  seen_.erase(uid);
  workers_->metrics().starts.gone(uid);
  if (is_mirror(pod)) return;
  workers_->remove_pod(uid);
  if (gone_) gone_(uid);
}

// contract 02 §4: the agent's own annotations are on every pod that it runs. They go onto the informer's object, so
// that there is one of each pod: a second would be a third of what a pod costs in memory.
void ClusterPods::add_own_annotations(api::Pod& pod) {
  if (is_mirror(pod)) return;
  auto& annotations = *pod.mutable_metadata()->mutable_annotations();
  std::string& when = seen_[pod.metadata().uid()];
  if (when.empty()) when = static_pods::format_seen(clock_.now());
  annotations[static_pods::kConfigSource] = kApiSource;
  annotations[static_pods::kConfigSeen] = when;
}

void ClusterPods::on_synced() {
  log_.info("The pods of this node are known", {{"pods", informer_.objects().size()}});
  mirrors_.pods_synced();
  workers_->source_ready(kApiSource);
}

base::Task<void> ClusterPods::stop() {
  co_await writer_.stop();
  co_await mirrors_.stop();
}

}  // namespace keelson::agent
