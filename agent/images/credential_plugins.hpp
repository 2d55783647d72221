// CredentialPlugins: asks the configured programs for logins to the registries that they know.
//
// All plugins whose patterns fit the image are asked side by side. An answer is kept for as long as the plugin says,
// for the image, its registry or everything, in token mode for one service account (or one pod's token); those who ask
// for the same at the same time share one run, which goes on when one of them gives up. Owner: PodEngine. Thread: the
// loop. Stops: with the gate it was started in; programs that still run are killed. What fails: nothing to the outside:
// a plugin that cannot be run, or whose answer cannot be used, is told in the log and has no logins. Source: contract
// 02 §16.2, contract 01 §2.6.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/images/credential_plugin.hpp"
#include "agent/images/image_metrics.hpp"
#include "agent/images/program_runner.hpp"
#include "agent/sync/pod_objects.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

struct PluginSettings {
  std::vector<config::CredentialProvider> providers;
  std::string directory;  // of the programs
  std::map<std::string, std::string> environment;
};

class CredentialPlugins {
 public:
  // `runner` is null only where there are no providers.
  CredentialPlugins(base::Loop& loop, base::Clock& clock, ProgramRunner* runner, PodObjects& objects,
                    PluginSettings settings, base::Logger log);

  void start(base::Gate& gate) { gate_ = &gate; }
  // `repository` as normal_repository() makes it.
  base::Task<std::vector<Credential>> find(api::PodPtr pod, std::string repository);
  const CredentialPluginMetrics& metrics() const { return metrics_; }

 private:
  struct Kept {
    DockerConfig logins;
    base::SteadyTime until{};
  };
  // One run, and who waits for it.
  struct Flight {
    explicit Flight(base::Loop& loop) : ended(loop) {}
    std::optional<DockerConfig> logins;
    base::Notification ended;
  };
  struct Plugin {
    config::CredentialProvider provider;
    std::map<PluginCacheKey, Kept> cache;
    std::map<PluginCacheKey, std::shared_ptr<Flight>> flights;
    base::SteadyTime purged{};
  };
  struct Question {
    std::string image;
    std::optional<PluginAccount> account;
    PluginCacheKey key;  // `what` is filled in by the answer
  };
  struct Answer {
    DockerConfig logins;
    CredentialOrigin origin;
  };
  class Landing;

  base::Task<Answer> ask(Plugin* plugin, api::PodPtr pod, std::string image);
  // Nothing: the account lacks an annotation, by which it would have asked for this plugin.
  base::Task<Result<std::optional<PluginAccount>>> account_of(const Plugin* plugin, api::PodPtr pod);
  void complain(const Plugin& plugin, const api::Pod& pod, const Error& error) const;
  std::optional<DockerConfig> kept(Plugin& plugin, const Question& question);
  void keep(Plugin& plugin, const Question& question, const PluginResponse& response);
  std::shared_ptr<Flight> board(Plugin* plugin, const Question& question);
  base::Task<void> fly(Plugin* plugin, std::shared_ptr<Flight> flight, Question question, PluginCacheKey key);
  base::Task<Result<PluginResponse>> run(const Plugin* plugin, Question question);
  base::ProcessRequest process_request(const Plugin& plugin, const Question& question) const;

  base::Loop& loop_;
  base::Clock& clock_;
  ProgramRunner* runner_;
  PodObjects& objects_;
  std::string directory_;
  std::map<std::string, std::string> environment_;
  base::Logger log_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  base::Gate* gate_ = nullptr;
  CredentialPluginMetrics metrics_;
};

}  // namespace keelson::agent
