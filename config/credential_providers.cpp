#include "config/credential_providers.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "api/document.hpp"
#include "base/sha256.hpp"
#include "config/paths.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

using api::Node;

constexpr std::array<std::string_view, 3> kConfigVersions = {
    "kubelet.config.k8s.io/v1", "kubelet.config.k8s.io/v1beta1", "kubelet.config.k8s.io/v1alpha1"};
constexpr std::array<std::string_view, 3> kPluginVersions = {"credentialprovider.kubelet.k8s.io/v1",
                                                             "credentialprovider.kubelet.k8s.io/v1beta1",
                                                             "credentialprovider.kubelet.k8s.io/v1alpha1"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// One file, read strictly.
class ProviderFile {
 public:
  ProviderFile(std::string file, std::vector<std::string>& errors) : file_(std::move(file)), errors_(errors) {}

  void read(const Node& root, std::vector<CredentialProvider>& out) {
    if (!root.is_map()) return fail(root.at, "", "expected an object of kind CredentialProviderConfig");
    std::string kind;
    bool any = false;
    fields(root, "", [&](const Node::Entry& entry, const std::string& path) {
      if (entry.key == "apiVersion") return take(entry.value, path, &version_);
      if (entry.key == "kind") return take(entry.value, path, &kind);
      if (entry.key != "providers") return false;
      each(entry.value, path, [&](const Node& item, const std::string& at) {
        any = true;
        out.push_back(provider(item, at));
      });
      return true;
    });
    if (kind != "CredentialProviderConfig") {
      fail(root.at, "kind", "Invalid value: " + quote(kind) + ": expected \"CredentialProviderConfig\"");
    }
    if (!contains(kConfigVersions, version_)) {
      fail(root.at, "apiVersion",
           "Unsupported value: " + quote(version_) + ": expected " +
               one_of({kConfigVersions.begin(), kConfigVersions.end()}));
    }
    if (!any) fail(root.at, "providers", "Required value: at least one provider");
  }

 private:
  void fail(const api::Position& at, const std::string& path, const std::string& text) {
    errors_.push_back(file_ + (at.known() ? ":" + std::to_string(at.line) : "") + ": " +
                      (path.empty() ? "" : path + ": ") + text);
  }

  // Visits an object's fields; what `visit` does not take is unknown.
  template <class Visit>
  void fields(const Node& node, const std::string& above, const Visit& visit) {
    if (!node.is_map()) return fail(node.at, above, "Invalid value: expected an object");
    for (const auto& entry : node.entries) {
      const std::string path = above.empty() ? entry.key : above + "." + entry.key;
      if (entry.shadowed) {
        fail(entry.at, path, "doubled key");
      } else if (!visit(entry, path)) {
        fail(entry.at, path, "unknown field");
      }
    }
  }

  template <class Visit>
  void each(const Node& node, const std::string& path, const Visit& visit) {
    if (node.is_null()) return;
    if (!node.is_list()) return fail(node.at, path, "Invalid value: expected a list");
    for (std::size_t i = 0; i < node.items.size(); ++i) visit(node.items[i], path + "[" + std::to_string(i) + "]");
  }

  // Reads a value of any field type; always "taken".
  template <class T>
  bool take(const Node& node, const std::string& path, T* out) {
    if (node.is_null()) return true;
    std::vector<Remark> remarks;
    decode(node, Slot(out), Form::plain, {}, remarks);
    for (const Remark& remark : remarks) fail(remark.at, path + remark.subpath, remark.text);
    return true;
  }

  CredentialProvider provider(const Node& node, const std::string& path) {
    CredentialProvider out;
    std::optional<Duration> cache;
    fields(node, path, [&](const Node::Entry& entry, const std::string& at) {
      if (entry.key == "name") return take(entry.value, at, &out.name);
      if (entry.key == "matchImages") return take(entry.value, at, &out.match_images);
      if (entry.key == "defaultCacheDuration") return take(entry.value, at, &cache);
      if (entry.key == "apiVersion") return take(entry.value, at, &out.api_version);
      if (entry.key == "args") return take(entry.value, at, &out.args);
      if (entry.key == "env") {
        each(entry.value, at,
             [&](const Node& item, const std::string& below) { out.env.push_back(variable(item, below)); });
        return true;
      }
      if (entry.key != "tokenAttributes") return false;
      if (!entry.value.is_null()) out.token_attributes = token_attributes(entry.value, at);
      return true;
    });
    check(node, path, out, cache);
    out.default_cache_duration = cache.value_or(Duration{});
    return out;
  }

  std::pair<std::string, std::string> variable(const Node& node, const std::string& path) {
    std::pair<std::string, std::string> out;
    fields(node, path, [&](const Node::Entry& entry, const std::string& at) {
      if (entry.key == "name") return take(entry.value, at, &out.first);
      return entry.key == "value" && take(entry.value, at, &out.second);
    });
    if (out.first.empty()) fail(node.at, path + ".name", "Required value: the variable's name");
    return out;
  }

  CredentialProvider::TokenAttributes token_attributes(const Node& node, const std::string& path) {
    CredentialProvider::TokenAttributes out;
    std::optional<bool> require;
    fields(node, path, [&](const Node::Entry& entry, const std::string& at) {
      if (entry.key == "serviceAccountTokenAudience") return take(entry.value, at, &out.service_account_token_audience);
      if (entry.key == "cacheType") return take(entry.value, at, &out.cache_type);
      if (entry.key == "requireServiceAccount") return take(entry.value, at, &require);
      if (entry.key == "requiredServiceAccountAnnotationKeys") {
        return take(entry.value, at, &out.required_service_account_annotation_keys);
      }
      return entry.key == "optionalServiceAccountAnnotationKeys" &&
             take(entry.value, at, &out.optional_service_account_annotation_keys);
    });
    out.require_service_account = require.value_or(false);
    if (out.service_account_token_audience.empty()) {
      fail(node.at, path + ".serviceAccountTokenAudience", "Required value: the audience of the token");
    }
    if (out.cache_type != "Token" && out.cache_type != "ServiceAccount") {
      fail(node.at, path + ".cacheType",
           "Unsupported value: " + quote(out.cache_type) + ": expected \"Token\" or \"ServiceAccount\"");
    }
    if (!require) fail(node.at, path + ".requireServiceAccount", "Required value: true or false");
    check_annotation_keys(node, path, out);
    return out;
  }

  void check_annotation_keys(const Node& node, const std::string& path,
                             const CredentialProvider::TokenAttributes& token) {
    const auto& required = token.required_service_account_annotation_keys;
    if (!required.empty() && !token.require_service_account) {
      fail(node.at, path + ".requiredServiceAccountAnnotationKeys", "Forbidden: only with requireServiceAccount true");
    }
    std::set<std::string> seen;
    for (const auto* keys : {&required, &token.optional_service_account_annotation_keys}) {
      for (const std::string& key : *keys) {
        const std::string list = path + (keys == &required ? ".requiredServiceAccountAnnotationKeys"
                                                           : ".optionalServiceAccountAnnotationKeys");
        if (const std::string problem = check_label_key(key); !problem.empty()) {
          fail(node.at, list, "Invalid value: " + quote(key) + ": " + problem);
        } else if (!seen.insert(key).second) {
          fail(node.at, list, "Duplicate value: " + quote(key));
        }
      }
    }
  }

  void check(const Node& node, const std::string& path, const CredentialProvider& provider,
             const std::optional<Duration>& cache) {
    const std::string& name = provider.name;
    if (name.empty()) {
      fail(node.at, path + ".name", "Required value: the name of the program");
    } else if (name == "." || name == ".." || name.find_first_of("/ \t\n") != std::string::npos) {
      fail(node.at, path + ".name", "Invalid value: " + quote(name) + ": must be a file name without / and spaces");
    }
    if (provider.match_images.empty()) fail(node.at, path + ".matchImages", "Required value: at least one pattern");
    for (const std::string& pattern : provider.match_images) {
      if (pattern.empty() || pattern.find_first_of(" \t\n") != std::string::npos) {
        fail(node.at, path + ".matchImages",
             "Invalid value: " + quote(pattern) + ": must be a registry such as *.example.com");
      }
    }
    if (!cache) {
      fail(node.at, path + ".defaultCacheDuration", "Required value: a duration such as 10m");
    } else if (cache->count() < 0) {
      fail(node.at, path + ".defaultCacheDuration", "Invalid value: must not be negative");
    }
    if (!contains(kPluginVersions, provider.api_version)) {
      fail(node.at, path + ".apiVersion",
           "Unsupported value: " + quote(provider.api_version) + ": expected " +
               one_of({kPluginVersions.begin(), kPluginVersions.end()}));
    }
    if (provider.token_attributes && (version_ != kConfigVersions[0] || provider.api_version != kPluginVersions[0])) {
      fail(node.at, path + ".tokenAttributes",
           "Forbidden: needs apiVersion " + std::string(kConfigVersions[0]) + " and a provider with apiVersion " +
               std::string(kPluginVersions[0]));
    }
  }

  const std::string file_;
  std::vector<std::string>& errors_;
  std::string version_;
};

bool is_config_name(std::string_view name) {
  return name.ends_with(".json") || name.ends_with(".yaml") || name.ends_with(".yml");
}

std::vector<std::string> config_files(const std::string& path, const Files& files, std::vector<std::string>& errors) {
  if (!files.is_directory(path)) return {path};
  auto entries = files.list(path);
  std::vector<std::string> found;
  if (!entries.ok()) {
    errors.push_back("--image-credential-provider-config: " + entries.error().to_string());
    return found;
  }
  for (const Files::Entry& entry : *entries) {
    if (!entry.directory && is_config_name(entry.name)) found.push_back(resolve_path(path, entry.name));
  }
  std::sort(found.begin(), found.end());
  if (found.empty()) {
    errors.push_back("--image-credential-provider-config: " + path + " holds no .json, .yaml or .yml file");
  }
  return found;
}

}  // namespace

std::vector<CredentialProvider> load_credential_providers(const std::string& path, const Files& files,
                                                          std::vector<std::string>& errors) {
  std::vector<CredentialProvider> providers;
  for (const std::string& file : config_files(path, files, errors)) {
    const auto text = files.read(file);
    if (!text.ok()) {
      errors.push_back("--image-credential-provider-config: " + text.error().to_string());
      continue;
    }
    const auto root = api::parse_document(*text);
    if (!root.ok()) {
      errors.push_back(file + ": " + root.error().to_string());
      continue;
    }
    const std::size_t before = providers.size();
    ProviderFile(file, errors).read(*root, providers);
    for (std::size_t i = before; i < providers.size(); ++i) {
      const auto same = [&](const CredentialProvider& other) { return other.name == providers[i].name; };
      if (!providers[i].name.empty() &&
          std::any_of(providers.begin(), providers.begin() + static_cast<long>(i), same)) {
        errors.push_back(file + ": providers[" + std::to_string(i - before) +
                         "].name: Duplicate value: " + quote(providers[i].name));
      }
    }
  }
  return providers;
}

std::string credential_config_hash(const std::string& path, const Files& files) {
  std::vector<std::string> ignored;
  std::string all;
  for (const std::string& file : config_files(path, files, ignored)) {
    const auto text = files.read(file);
    if (!text.ok()) return {};
    all += *text;
  }
  return "sha256:" + base::sha256_hex(all);
}

}  // namespace keelson::config
