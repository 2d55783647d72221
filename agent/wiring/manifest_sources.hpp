// ManifestSources: the static pods of the configured directory and URL, handed to the workers.
//
// Owner: Agent. Thread: the loop. Stops: stop() ends both sources; pods keep running. Source: contract 02 §4.1.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/control/views.hpp"
#include "agent/sync/events.hpp"
#include "agent/sync/pod_workers.hpp"
#include "config/configuration.hpp"
#include "static-pods/directory_source.hpp"
#include "static-pods/url_source.hpp"

namespace keelson::agent {

class ManifestSources {
 public:
  ManifestSources(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, base::Logger log,
                  const config::Configuration& configuration, const std::string& node, PodWorkers& workers,
                  EventRecorder& events);

  void start();
  base::Task<void> stop();
  // Every configured source has delivered its first set.
  bool delivered() const;
  std::vector<ManifestProblem> problems() const;
  // The source ("file", "http") may have pods that it cannot name right now.
  bool unsure(const std::string& source) const;
  // The file or URL of that pod, empty when it is of no manifest.
  std::string manifest_of(const std::string& uid) const;

 private:
  // Takes what one source delivers under that source's name.
  struct Intake final : static_pods::Listener {
    Intake(std::string source_name, PodWorkers& pod_workers, EventRecorder& recorder)
        : name(std::move(source_name)), workers(pod_workers), events(recorder) {}
    void on_pods(std::vector<static_pods::StaticPod> pods) override;
    void on_event(static_pods::SourceEvent event) override;

    std::string name;
    PodWorkers& workers;
    EventRecorder& events;
    std::map<std::string, std::string> manifests;  // by UID
  };

  Intake files_;
  Intake http_;
  std::unique_ptr<static_pods::DirectorySource> directory_;
  std::unique_ptr<static_pods::UrlSource> url_;
};

}  // namespace keelson::agent
