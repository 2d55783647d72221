#include "agent/wiring/manifest_sources.hpp"

namespace keelson::agent {

void ManifestSources::Intake::on_pods(std::vector<static_pods::StaticPod> pods) {
  std::vector<api::PodPtr> complete;
  manifests.clear();
  for (auto& pod : pods) {
    manifests[pod.pod->metadata().uid()] = pod.source;
    complete.push_back(std::move(pod.pod));
  }
  workers.set_pods(name, std::move(complete));
}

void ManifestSources::Intake::on_event(static_pods::SourceEvent event) {
  events.record(*event.pod, {event.type == "Warning", event.reason, event.message, ""});
}

ManifestSources::ManifestSources(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, base::Logger log,
                                 const config::Configuration& configuration, const std::string& node,
                                 PodWorkers& workers, EventRecorder& events)
    : files_("file", workers, events), http_("http", workers, events) {
  const config::KubeletConfiguration& kubelet = configuration.kubelet;
  if (!kubelet.static_pod_path.empty()) {
    static_pods::DirectoryConfig directory;
    directory.path = kubelet.static_pod_path;
    directory.node_name = node;
    directory.rescan = kubelet.file_check_frequency;
    directory_ = std::make_unique<static_pods::DirectorySource>(loop, clock, pool, log, directory, files_);
    workers.expect_source(files_.name);
  }
  if (!kubelet.static_pod_url.empty()) {
    static_pods::UrlConfig url;
    url.url = kubelet.static_pod_url;
    url.node_name = node;
    url.period = kubelet.http_check_frequency;
    for (const auto& [key, values] : kubelet.static_pod_url_header) {
      for (const auto& value : values) url.headers.emplace(key, value);
    }
    url_ = std::make_unique<static_pods::UrlSource>(loop, clock, pool, log, url, http_);
    workers.expect_source(http_.name);
  }
}

void ManifestSources::start() {
  if (directory_) directory_->start();
  if (url_) url_->start();
}

base::Task<void> ManifestSources::stop() {
  if (directory_) co_await directory_->stop();
  if (url_) co_await url_->stop();
}

bool ManifestSources::delivered() const {
  return (!directory_ || directory_->delivered()) && (!url_ || url_->delivered());
}

bool ManifestSources::unsure(const std::string& source) const {
  if (source == files_.name) return directory_ && directory_->has_unknown_pods();
  if (source == http_.name) return url_ && !url_->delivered();
  return false;
}

std::vector<ManifestProblem> ManifestSources::problems() const {
  std::vector<ManifestProblem> out;
  const auto add = [&](const std::vector<static_pods::Problem>& problems) {
    for (const auto& problem : problems) {
      ManifestProblem view;
      view.source = problem.source;
      view.message = problem.message;
      view.since = problem.since;
      view.keeps_running_pod = problem.pod_kept;
      out.push_back(std::move(view));
    }
  };
  if (directory_) add(directory_->problems());
  if (url_) add(url_->problems());
  return out;
}

std::string ManifestSources::manifest_of(const std::string& uid) const {
  for (const Intake* intake : {&files_, &http_}) {
    if (const auto found = intake->manifests.find(uid); found != intake->manifests.end()) return found->second;
  }
  return "";
}

}  // namespace keelson::agent
