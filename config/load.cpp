#include "config/load.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "api/document.hpp"
#include "config/credential_providers.hpp"
#include "config/file_config.hpp"
#include "config/flags.hpp"
#include "config/paths.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"
#include "config/version.hpp"

namespace keelson::config {
namespace {

void append(std::vector<std::string>& to, std::vector<std::string> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

std::string raw_version(std::string_view git_version) {
  return "version.Info{Major:\"" + std::string(kMajor) + "\", Minor:\"" + std::string(kMinor) + "\", GitVersion:\"" +
         std::string(git_version) +
         "\", GitCommit:\"\", GitTreeState:\"\", BuildDate:\"\", GoVersion:\"\", Compiler:\"" +
         "c++\", Platform:\"linux\"}\n";
}

// What --version asks for.
struct VersionAnswer {
  std::optional<Print> print;
  std::string reported{kGitVersion};
  std::string error;
};

VersionAnswer answer_version(const std::string& value) {
  VersionAnswer answer;
  if (value == "raw") {
    answer.print = Print{raw_version(kGitVersion), 0, {}};
  } else if (value.starts_with('v')) {
    // It may carry more than our own version, not another one: vX.Y.Z-vendor.
    const std::string_view rest = std::string_view(value).substr(std::min(value.size(), kGitVersion.size()));
    const bool ours = value.starts_with(kGitVersion) && (rest.empty() || rest[0] == '-' || rest[0] == '+');
    const bool clean = std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '-' || c == '+' || c == '.';
    });
    if (ours && clean && rest.size() != 1) {
      answer.reported = value;
    } else {
      answer.error = "--version: Invalid value: " + quote(value) + ": must be " + std::string(kGitVersion) +
                     ", with a suffix such as -vendor.1 if need be";
    }
  } else if (const auto wanted = parse_bool(value); !wanted.ok()) {
    answer.error = "--version: Invalid value: " + quote(value) + ": expected true, false, raw or a version";
  } else if (*wanted) {
    answer.print = Print{"Kubernetes " + std::string(kGitVersion) + "\n", 0, {}};
  }
  return answer;
}

// What the loader has put together so far.
struct State {
  const Files& files;
  ParsedFlags flags;
  ReadProblems problems;
  Draft draft;
  bool configuration_known = true;  // false: the main file could not be read, so rules about it would be noise
};

std::optional<api::Node> parse_file(State& state, const std::string& path, const std::string& flag) {
  auto text = state.files.read(path);
  if (!text.ok()) {
    state.problems.errors.push_back(flag + ": " + text.error().to_string());
    return std::nullopt;
  }
  // As in the kubelet one document counts. That the rest does not is worth a word.
  auto root = api::parse_document(*text, api::MultiDocument::first_only);
  if (root.ok() && !api::parse_document(*text).ok()) {
    state.problems.ignored.push_back(path + ": holds more than one document: only the first counts");
  }
  if (!root.ok()) {
    state.problems.errors.push_back(path + ": " + root.error().to_string());
    return std::nullopt;
  }
  return std::move(*root);
}

void read_main(State& state) {
  const std::string path = resolve_path(state.files.working_directory(), state.flags.flags.config);
  const auto root = parse_file(state, path, "--config");
  if (!root) {
    state.draft = default_draft(false, state.flags.values.feature_gates);
    state.configuration_known = false;
    return;
  }
  state.draft = read_main_file(*root, path, state.flags.values.feature_gates, state.problems);
  resolve_relative_paths(state.draft.values, folder_of(path));
}

// Every *.conf below `folder`, in lexical order of the path's parts.
void collect_drop_ins(State& state, const std::string& folder, int depth, std::vector<std::string>& found) {
  auto entries = state.files.list(folder);
  if (!entries.ok()) {
    state.problems.errors.push_back("--config-dir: " + entries.error().to_string());
    return;
  }
  std::sort(entries->begin(), entries->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const Files::Entry& entry : *entries) {
    const std::string path = resolve_path(folder, entry.name);
    if (!entry.directory) {
      if (entry.name.ends_with(".conf")) found.push_back(path);
    } else if (depth >= 40) {
      state.problems.errors.push_back("--config-dir: " + path + ": folders nest too deep");
    } else {
      collect_drop_ins(state, path, depth + 1, found);
    }
  }
}

void merge_drop_ins(State& state) {
  const std::string folder = resolve_path(state.files.working_directory(), state.flags.flags.config_dir);
  std::vector<std::string> drop_ins;
  collect_drop_ins(state, folder, 0, drop_ins);
  for (const std::string& path : drop_ins) {
    if (const auto root = parse_file(state, path, "--config-dir")) {
      merge_drop_in(*root, path, state.flags.values.feature_gates, state.draft, state.problems);
    } else {
      state.configuration_known = false;
    }
  }
}

Configuration assemble(const State& state, const std::string& version) {
  Configuration configuration;
  configuration.kubelet = state.draft.values;
  configuration.flags = state.flags.flags;
  configuration.gates = FeatureGates(configuration.kubelet.feature_gates);
  configuration.reported_version = version;
  configuration.node_ips = parse_node_ips(configuration.flags.node_ip).ips;
  return configuration;
}

// Paths on the command line start at the working directory, wherever the process goes later.
void resolve_flag_paths(Flags& flags, const std::string& folder) {
  for (std::string* path :
       {&flags.config, &flags.config_dir, &flags.kubeconfig, &flags.bootstrap_kubeconfig, &flags.cert_dir,
        &flags.lock_file, &flags.image_credential_provider_config, &flags.image_credential_provider_bin_dir}) {
    if (!path->empty()) *path = resolve_path(folder, *path);
  }
}

void check_token_gate(const Configuration& configuration, const std::string& path, std::vector<std::string>& errors) {
  constexpr std::string_view kGate = "KubeletServiceAccountTokenForCredentialProviders";
  if (configuration.gates.enabled(kGate)) return;
  for (const CredentialProvider& provider : configuration.credential_providers) {
    if (!provider.token_attributes) continue;
    errors.push_back("--image-credential-provider-config: " + path + ": provider " + quote(provider.name) +
                     ": tokenAttributes: Forbidden: needs feature gate " + std::string(kGate));
  }
}

}  // namespace

Outcome load(const std::vector<std::string>& args, const Files& files) {
  State state{files, parse_flags(args), {}, {}};
  std::vector<std::string> warnings = state.flags.warnings;
  if (!state.flags.errors.empty() && (state.flags.help || state.flags.version)) {
    return Refuse{std::move(state.flags.errors), std::move(warnings)};
  }
  if (state.flags.help) return Print{help_text(), 0, {}};
  const VersionAnswer version = answer_version(state.flags.version.value_or("false"));
  if (version.print) return *version.print;

  std::vector<std::string> errors = std::move(state.flags.errors);
  if (!version.error.empty()) errors.push_back(version.error);
  const bool from_file = !state.flags.flags.config.empty();
  if (from_file) {
    read_main(state);
  } else {
    state.draft = default_draft(true, state.flags.values.feature_gates);
  }
  if (!state.flags.flags.config_dir.empty()) merge_drop_ins(state);
  apply_flags(state.flags, state.draft.values, state.draft.origins);
  append(errors, std::move(state.problems.errors));
  append(state.flags.flags.check_config ? errors : warnings, std::move(state.problems.ignored));

  Configuration configuration = assemble(state, version.reported);
  Report report(state.draft.origins);
  for (const std::string& path : state.draft.unreadable) report.mute(path);
  if (state.configuration_known) {
    validate(configuration, report);
  } else {
    validate_flags(configuration, report);
  }
  append(errors, report.errors());
  append(warnings, report.warnings());
  resolve_flag_paths(configuration.flags, files.working_directory());
  if (const std::string& path = configuration.flags.image_credential_provider_config; !path.empty()) {
    configuration.credential_providers = load_credential_providers(path, files, errors);
    check_token_gate(configuration, path, errors);
  }
  for (auto* lines : {&errors, &warnings}) {
    for (std::string& line : *lines) line = on_one_line(line);
  }
  if (!errors.empty()) return Refuse{std::move(errors), std::move(warnings)};
  if (configuration.flags.check_config) return Print{"configuration is valid\n", 0, std::move(warnings)};
  return Run{std::move(configuration), std::move(warnings)};
}

}  // namespace keelson::config
