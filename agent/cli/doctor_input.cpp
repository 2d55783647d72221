#include "agent/cli/doctor_input.hpp"

#include <utility>
#include <variant>

#include "agent/cli/own_flags.hpp"
#include "config/load.hpp"

namespace keelson::agent {
namespace {

// False when it was refused; the errors are kept and `input.config` stays as it was.
bool load(const std::vector<std::string>& args, const std::string& origin, const config::Files& files,
          DoctorInput& input) {
  input.config_origin = origin;
  auto outcome = config::load(args, files);
  if (auto* run = std::get_if<config::Run>(&outcome)) {
    input.config = std::move(run->configuration);
    return true;
  }
  if (auto* refuse = std::get_if<config::Refuse>(&outcome)) input.config_errors = std::move(refuse->errors);
  return false;
}

}  // namespace

std::vector<std::string> parse_cmdline(const std::string& text) {
  std::vector<std::string> args;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    args.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (!args.empty()) args.erase(args.begin());
  return args;
}

void load_configuration(const std::string& config_file, const std::vector<std::string>& agent_args,
                        const config::Files& files, const std::function<bool(const std::string&)>& exists,
                        DoctorInput& input) {
  bool loaded = false;
  if (!config_file.empty()) {
    loaded = load({"--config=" + config_file}, config_file, files, input);
  } else if (!agent_args.empty()) {
    std::vector<std::string> kubelets = agent_args;
    take_own_flags(kubelets);
    loaded = load(kubelets, "the running agent's", files, input);
  } else {
    for (const char* candidate : {"/etc/keelson/config.yaml", "/var/lib/kubelet/config.yaml"}) {
      if (!exists(candidate)) continue;
      loaded = load({std::string("--config=") + candidate}, candidate, files, input);
      break;
    }
  }
  if (loaded) return;
  // The checks still need values to check against.
  const auto errors = std::exchange(input.config_errors, {});
  const std::string origin = std::exchange(input.config_origin, {});
  load({}, "defaults", files, input);
  if (!errors.empty()) {
    input.config_errors = errors;
    input.config_origin = origin;
  }
}

}  // namespace keelson::agent
