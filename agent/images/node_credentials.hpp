// NodeCredentials: the logins that the node itself has, for all its pods, in Docker's configuration files.
//
// The first config.json that can be read wins, else the first .dockercfg; what was found, nothing included, is kept for
// five minutes. A file that is there and cannot be used is skipped and told once in the log. Owner: PodEngine. Thread:
// the loop. Stops: with the tasks that await it. What fails: nothing; a node without such files has no logins. Source:
// contract 02 §16.2.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/images/image_files.hpp"
#include "agent/images/keyring.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"

namespace keelson::agent {

struct NodeConfigFiles {
  std::vector<std::string> config_json;  // in the order they are tried
  std::vector<std::string> dockercfg;
};
// Where the kubelet looks: its root directory, its working directory, its home, "/". Empty ones are left out.
NodeConfigFiles node_config_files(const std::string& root, const std::string& working_directory,
                                  const std::string& home);

class NodeCredentials {
 public:
  NodeCredentials(base::Loop& loop, base::Clock& clock, ImageFiles& files, NodeConfigFiles paths, base::Logger log);

  base::Task<std::shared_ptr<const Keyring>> keyring();

 private:
  bool fresh() const { return keyring_ != nullptr && clock_.steady_now() < fresh_until_; }
  base::Task<std::optional<DockerConfig>> find_config();
  base::Task<std::optional<DockerConfig>> read_config(std::string path, bool json);

  base::Clock& clock_;
  ImageFiles& files_;
  NodeConfigFiles paths_;
  base::Logger log_;
  base::Semaphore reader_;  // one at a time
  std::shared_ptr<const Keyring> keyring_;
  base::SteadyTime fresh_until_{};
  std::set<std::string> complaints_;  // paths that have been told
};

}  // namespace keelson::agent
