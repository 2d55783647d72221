#include "agent/images/node_credentials.hpp"

namespace keelson::agent {
namespace {

using base::Task;

constexpr auto kKept = std::chrono::minutes(5);

}  // namespace

NodeConfigFiles node_config_files(const std::string& root, const std::string& working_directory,
                                  const std::string& home) {
  NodeConfigFiles files;
  const auto add = [](std::vector<std::string>& list, const std::string& directory, const std::string& name) {
    if (!directory.empty()) list.push_back(directory == "/" ? "/" + name : directory + "/" + name);
  };
  add(files.config_json, root, "config.json");
  add(files.config_json, working_directory, "config.json");
  add(files.config_json, home, ".docker/config.json");
  add(files.config_json, "/", ".docker/config.json");
  for (const auto& directory : {root, working_directory, home, std::string("/")}) {
    add(files.dockercfg, directory, ".dockercfg");
  }
  return files;
}

NodeCredentials::NodeCredentials(base::Loop& loop, base::Clock& clock, ImageFiles& files, NodeConfigFiles paths,
                                 base::Logger log)
    : clock_(clock), files_(files), paths_(std::move(paths)), log_(std::move(log)), reader_(loop, 1) {}

Task<std::shared_ptr<const Keyring>> NodeCredentials::keyring() {
  if (fresh()) co_return keyring_;
  auto turn = co_await reader_.acquire();
  if (fresh()) co_return keyring_;  // whoever was before us has read them
  auto config = co_await find_config();
  auto found = std::make_shared<Keyring>();
  if (config) found->add(CredentialOrigin(), *config);
  keyring_ = std::move(found);
  fresh_until_ = clock_.steady_now() + kKept;
  co_return keyring_;
}

Task<std::optional<DockerConfig>> NodeCredentials::find_config() {
  for (std::size_t i = 0; i < paths_.config_json.size(); ++i) {
    auto config = co_await read_config(paths_.config_json[i], true);
    if (config) co_return config;
  }
  for (std::size_t i = 0; i < paths_.dockercfg.size(); ++i) {
    auto config = co_await read_config(paths_.dockercfg[i], false);
    if (config) co_return config;
  }
  co_return std::nullopt;
}

Task<std::optional<DockerConfig>> NodeCredentials::read_config(std::string path, bool json) {
  auto text = co_await files_.read(path);
  if (!text.ok() && text.error().kind() == ErrorKind::not_found) co_return std::nullopt;
  auto config = !text.ok() ? Result<DockerConfig>(text.error())
                : json     ? parse_docker_config_json(*text)
                           : parse_dockercfg(*text);
  if (config.ok()) {
    complaints_.erase(path);
    co_return std::move(*config);
  }
  if (complaints_.insert(path).second) {
    log_.warning("A file with logins for registries cannot be used", {{"file", path}, {"err", config.error()}});
  }
  co_return std::nullopt;
}

}  // namespace keelson::agent
