#include "static-pods/manifest.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>

#include "api/json_codec.hpp"
#include "api/pod_defaults.hpp"
#include "api/pod_validation.hpp"
#include "base/duration.hpp"
#include "static-pods/api_references.hpp"
#include "static-pods/pod_hash.hpp"

namespace keelson::static_pods {
namespace {

constexpr std::size_t kMaxComplaints = 5;

// One step of a field path: "containers", an index, or a key in brackets.
const api::Node* step(const api::Node* node, const std::string& name, bool bracket) {
  if (!bracket || node->is_map()) return node->find(name);
  if (!node->is_list() || name.empty() || name.find_first_not_of("0123456789") != std::string::npos) return nullptr;
  const std::size_t index = std::min<std::size_t>(name.size() > 6 ? 1'000'000 : std::stoul(name), node->items.size());
  return index < node->items.size() ? &node->items[index] : nullptr;
}

// Where a field of `root` stands in the text; where it is missing, its nearest parent that is there.
api::Position position_of(const api::Node& root, const std::string& path) {
  const api::Node* node = &root;
  std::size_t i = 0;
  while (i < path.size()) {
    const bool bracket = path[i] == '[';
    const std::size_t start = i + (bracket || path[i] == '.' ? 1 : 0);
    const std::size_t end = bracket ? path.find(']', start) : std::min(path.find_first_of(".[", start), path.size());
    if (end == std::string::npos) break;
    const api::Node* next = step(node, path.substr(start, end - start), bracket);
    if (next == nullptr) break;
    node = next;
    i = end + (bracket ? 1 : 0);
  }
  return node->at;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string pod_uid(const api::Pod& pod, const Origin& origin) {
  Fnv128a hash;
  hash.add(canonical_form(pod));
  if (origin.kind == Origin::Kind::file) {
    hash.add("host:" + origin.node_name);
    hash.add("file:" + origin.place);
  } else {
    hash.add("url:" + origin.place);
  }
  return hash.hex();
}

void tolerate_no_execute(api::core::PodSpec& spec) {
  for (auto& toleration : *spec.mutable_tolerations()) {
    const bool same = toleration.key().empty() && toleration.operator_() == "Exists" && toleration.value().empty() &&
                      toleration.effect() == "NoExecute";
    if (!same) continue;
    toleration.clear_tolerationseconds();
    return;
  }
  auto& toleration = *spec.add_tolerations();
  toleration.set_operator_("Exists");
  toleration.set_effect("NoExecute");
}

bool is_safe_uid(const std::string& uid) {
  const auto alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return uid.size() <= 128 && alnum(uid.front()) &&
         std::all_of(uid.begin(), uid.end(), [&](char c) { return alnum(c) || c == '-' || c == '.'; });
}

// From the pod as read to the pod as the node runs it.
void complete(api::Pod& pod, const Origin& origin) {
  auto& metadata = *pod.mutable_metadata();
  if (metadata.uid().empty()) metadata.set_uid(pod_uid(pod, origin));
  api::set_pod_defaults(pod);
  const bool file = origin.kind == Origin::Kind::file;
  metadata.set_name(metadata.name() + "-" + lower(origin.node_name));
  if (metadata.namespace_().empty()) metadata.set_namespace_("default");
  pod.mutable_spec()->set_nodename(origin.node_name);
  auto& annotations = *metadata.mutable_annotations();
  annotations[kConfigHash] = metadata.uid();
  annotations[kConfigSource] = file ? "file" : "http";
  annotations.erase(kConfigSeen);
  if (file) tolerate_no_execute(*pod.mutable_spec());
  pod.mutable_status()->set_phase("Pending");
}

class Reader {
 public:
  Reader(const Origin& origin, Manifest& manifest) : origin_(origin), manifest_(manifest) {}

  void read(const api::Node& root) {
    if (root.is_null()) return error(root.at, "nothing in it; expected a Pod");
    if (!root.is_map()) return error(root.at, "expected a Pod, found a " + std::string(root.kind_name()));
    const std::string kind = text_of(root, "kind");
    const bool list = kind == "PodList";
    if (list && origin_.kind == Origin::Kind::file) {
      return error(root.find("kind")->at, "kind: a PodList is not accepted from a file; write one Pod per file");
    }
    if (!check_type(root, kind, list)) return;
    if (!list) return read_pod(root, "");
    const api::Node* items = root.find("items");
    if (items == nullptr || items->is_null()) return;
    if (!items->is_list()) return error(items->at, "items: expected a list of pods");
    for (std::size_t i = 0; i < items->items.size(); ++i) {
      read_pod(items->items[i], "items[" + std::to_string(i) + "].");
    }
  }

 private:
  void error(api::Position at, std::string message) { manifest_.errors.push_back({at, std::move(message)}); }

  static std::string text_of(const api::Node& root, std::string_view key) {
    const api::Node* node = root.find(key);
    return node != nullptr && node->is_string() ? node->text : "";
  }

  bool check_type(const api::Node& root, const std::string& kind, bool list) {
    const std::size_t before = manifest_.errors.size();
    const std::string version = text_of(root, "apiVersion");
    if (version != "v1") {
      error(position_of(root, "apiVersion"), version.empty() ? "apiVersion: Required value: must be \"v1\""
                                                             : "apiVersion: must be \"v1\", not \"" + version + "\"");
    }
    if (kind != "Pod" && !list) {
      error(position_of(root, "kind"),
            kind.empty() ? "kind: Required value: must be \"Pod\"" : "kind: must be \"Pod\", not \"" + kind + "\"");
    }
    return manifest_.errors.size() == before;
  }

  void read_pod(const api::Node& node, const std::string& prefix) {
    const std::size_t before = manifest_.errors.size();
    api::Pod pod;
    std::vector<api::FieldError> complaints;
    const auto status = api::decode(node, pod, {.strictness = api::Strictness::warn}, complaints);
    for (const auto& complaint : complaints) {
      using Kind = api::FieldError::Kind;
      const bool harmless = complaint.kind == Kind::unknown_field || complaint.kind == Kind::duplicate_field;
      const std::string where = prefix + complaint.path;
      auto& list = harmless ? manifest_.warnings : manifest_.errors;
      list.push_back({complaint.at, (where.empty() ? "" : where + ": ") + complaint.message});
    }
    if (!status.ok() && manifest_.errors.size() == before) error(node.at, status.error().to_string());
    if (manifest_.errors.size() > before) return;
    if (pod.metadata().name().empty()) {
      return error(position_of(node, "metadata"), prefix + "metadata.name: Required value: name is needed for the pod");
    }
    if (const std::string& uid = pod.metadata().uid(); !uid.empty() && !is_safe_uid(uid)) {
      return error(
          position_of(node, "metadata.uid"),
          prefix + "metadata.uid: Invalid value: \"" + uid +
              "\": expected at most 128 letters, digits, '-' and '.', beginning with a letter or digit (it names "
              "directories and cgroups), or nothing");
    }
    complete(pod, origin_);
    for (const auto& wrong : api::validate_pod(pod)) {
      error(position_of(node, wrong.path), prefix + wrong.message());
    }
    if (const auto reference = find_api_reference(pod)) {
      error(position_of(node, reference->path),
            prefix + reference->path + ": static pods may not reference " + reference->what);
    }
    if (manifest_.errors.size() == before) manifest_.pods.push_back(std::move(pod));
  }

  const Origin& origin_;
  Manifest& manifest_;
};

}  // namespace

std::string Complaint::to_string() const {
  if (!at.known()) return message;
  return "line " + std::to_string(at.line) + ", column " + std::to_string(at.column) + ": " + message;
}

std::string join(const std::vector<Complaint>& complaints) {
  std::string text;
  for (std::size_t i = 0; i < complaints.size(); ++i) {
    if (i == kMaxComplaints) {
      text += "; and " + std::to_string(complaints.size() - i) + " more";
      break;
    }
    text += (i == 0 ? "" : "; ") + complaints[i].to_string();
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Manifest read_manifest(std::string_view bytes, const Origin& origin) {
  Manifest manifest;
  api::DocumentLimits limits;
  limits.bytes = kMaxManifestBytes;
  const auto root = api::parse_document(bytes, api::MultiDocument::first_only, limits);
  if (!root.ok()) {
    manifest.errors.push_back({{}, root.error().message()});
    return manifest;
  }
  Reader(origin, manifest).read(*root);
  if (!manifest.errors.empty()) manifest.pods.clear();
  if (bytes.find("\n---") != std::string_view::npos) {
    const auto all = api::parse_document(bytes, api::MultiDocument::refuse, limits);
    if (!all.ok()) manifest.warnings.push_back({{}, "only the first document is used: " + all.error().message()});
  }
  return manifest;
}

std::string format_seen(base::SystemTime when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(when - seconds).count();
  std::string text = base::format_rfc3339(seconds);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%09lld", static_cast<long long>(nanos));
  return text.insert(text.size() - 1, fraction);
}

}  // namespace keelson::static_pods
