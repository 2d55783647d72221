#include "config/file_config.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "config/feature_gates.hpp"
#include "config/paths.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

using api::Node;

constexpr std::string_view kApiVersion = "kubelet.config.k8s.io/v1beta1";
constexpr std::string_view kKind = "KubeletConfiguration";

std::string place(const std::string& file, const api::Position& at) {
  return at.known() ? file + ":" + std::to_string(at.line) + ": " : file + ": ";
}

// Says what is wrong with apiVersion and kind. False when reading on makes no sense: no object, or one of another kind.
bool check_envelope(const Node& root, const std::string& file, ReadProblems& problems) {
  if (root.is_null()) {
    problems.errors.push_back(file + ": the file is empty: expected a " + std::string(kKind) + " (apiVersion " +
                              std::string(kApiVersion) + ")");
    return false;
  }
  if (!root.is_map()) {
    problems.errors.push_back(place(file, root.at) + "expected an object of kind " + std::string(kKind) + ", found a " +
                              std::string(root.kind_name()));
    return false;
  }
  struct Wanted {
    std::string_view key;
    std::string_view value;
  };
  bool readable = true;
  for (const auto& [key, value] : {Wanted{"apiVersion", kApiVersion}, Wanted{"kind", kKind}}) {
    const Node* node = root.find(key);
    if (node == nullptr || node->is_null() || (node->is_string() && node->text.empty())) {
      problems.errors.push_back(place(file, root.at) + std::string(key) + ": Required value: expected " + quote(value));
    } else if (!node->is_string() || node->text != value) {
      problems.errors.push_back(place(file, node->at) + std::string(key) + ": Invalid value: " +
                                (node->is_string() ? quote(node->text) : std::string(node->kind_name())) +
                                ": expected " + quote(value));
      readable = readable && key != "kind";
    }
  }
  return readable;
}

// Remembers the line of a value and of every value in it.
void record_origins(Origins& origins, const std::string& path, const std::string& file, const Node& node, int line,
                    bool in_list = false) {
  origins.set_file(path, file, line);
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    record_origins(origins, path + "[" + std::to_string(i) + "]", file, node.items[i], node.items[i].at.line, true);
  }
  for (const auto& entry : node.entries) {
    const std::string below = in_list ? path + "." + entry.key : path + "[" + entry.key + "]";
    record_origins(origins, below, file, entry.value, entry.at.line);
  }
}

// Reads one document into a draft.
class Reader {
 public:
  Reader(Draft& draft, const std::string& file, bool patch, ReadProblems& problems)
      : draft_(draft), file_(file), patch_(patch), problems_(problems) {}

  void walk(const Node& node, const std::string& above) {
    for (const auto& entry : node.entries) {
      const std::string path = above.empty() ? entry.key : above + "." + entry.key;
      if (entry.shadowed) {
        doubled(path, entry.at);
      } else if (const Field* field = find_field(path)) {
        take(*field, entry);
      } else if (is_group(path)) {
        take_group(path, entry);
      } else if (!above.empty() || (entry.key != "apiVersion" && entry.key != "kind")) {
        unknown(path, entry.at);
      }
    }
  }

 private:
  void take_group(const std::string& path, const Node::Entry& entry) {
    if (entry.value.is_map()) return walk(entry.value, path);
    if (!entry.value.is_null()) {
      problems_.errors.push_back(place(file_, entry.value.at) + path + ": Invalid value: expected an object, found a " +
                                 std::string(entry.value.kind_name()));
      draft_.unreadable.insert(path);
      return;
    }
    if (!patch_) return;
    for (const Field* field : all_fields()) {
      if (field->path.starts_with(path + ".")) clear(*field);
    }
  }

  void take(const Field& field, const Node::Entry& entry) {
    if (entry.value.is_null()) {
      if (patch_) clear(field);
      return;
    }
    const std::string path(field.path);
    std::vector<Remark> remarks;
    decode(entry.value, field.slot(draft_.values), field.form, {.patch = patch_}, remarks);
    if (!tell(path, remarks)) {
      draft_.unreadable.insert(path);
      return;
    }
    if (!field.pointer && is_zero(field.slot(draft_.values))) {
      clear(field);
      return;
    }
    draft_.unset.erase(&field);
    if (!patch_ || !entry.value.is_map()) draft_.origins.forget(path);
    record_origins(draft_.origins, path, file_, entry.value, entry.at.line);
  }

  // False when a remark is an error.
  bool tell(const std::string& path, const std::vector<Remark>& remarks) {
    bool good = true;
    for (const Remark& remark : remarks) {
      const bool doubled_key = remark.unknown_field && remark.text.starts_with("Duplicate");
      std::string line = place(file_, remark.at) + path + remark.subpath + ": " + remark.text;
      if (!remark.unknown_field || (patch_ && doubled_key)) {
        problems_.errors.push_back(std::move(line));
        good = good && remark.unknown_field;
      } else if (!patch_) {
        problems_.ignored.push_back(std::move(line));
      }
    }
    return good;
  }

  void clear(const Field& field) {
    KubeletConfiguration pristine;
    copy_value(field.slot(pristine), field.slot(draft_.values));
    draft_.unset.insert(&field);
    draft_.origins.forget(std::string(field.path));
  }

  void doubled(const std::string& path, const api::Position& at) {
    std::string line = place(file_, at) + path + ": doubled key" + (patch_ ? "" : ", the last one counts");
    (patch_ ? problems_.errors : problems_.ignored).push_back(std::move(line));
  }

  void unknown(const std::string& path, const api::Position& at) {
    if (patch_) return;
    problems_.ignored.push_back(place(file_, at) + path + ": unknown field" + suggestion(path));
  }

  // The field that differs in case only, which is the usual slip.
  static std::string suggestion(const std::string& path) {
    for (const Field* field : all_fields()) {
      const auto same = [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
      };
      if (std::equal(field->path.begin(), field->path.end(), path.begin(), path.end(), same)) {
        return ", did you mean " + std::string(field->path) + "?";
      }
    }
    return "";
  }

  Draft& draft_;
  const std::string& file_;
  const bool patch_;
  ReadProblems& problems_;
};

void set_text(const Field& field, KubeletConfiguration& values, std::string_view text) {
  KEELSON_CHECK(parse_flag_text(text, field.slot(values), field.form, true).ok() && "a default that does not parse");
}

struct DefaultContext {
  const Draft& draft;
  const FeatureGates& gates;
  bool legacy;

  bool unset(std::string_view path) const { return draft.unset.contains(find_field(path)); }
};

// A default that a rule decides: nullopt for none.
using DefaultRule = std::optional<std::string_view> (*)(const Field&, const DefaultContext&);
struct RuledDefault {
  std::string_view path;
  DefaultRule rule;
};
constexpr RuledDefault kRuledDefaults[] = {
    {"serializeImagePulls",
     [](const Field&, const DefaultContext& context) -> std::optional<std::string_view> {
       return context.draft.values.max_parallel_image_pulls.value_or(0) >= 2 ? "false" : "true";
     }},
    {"crashLoopBackOff.maxContainerRestartPeriod",
     [](const Field& field, const DefaultContext& context) -> std::optional<std::string_view> {
       return context.gates.enabled("KubeletCrashLoopBackOffMax") ? field.standard : std::nullopt;
     }},
    {"imagePullCredentialsVerificationPolicy",
     [](const Field& field, const DefaultContext& context) -> std::optional<std::string_view> {
       return context.gates.enabled("KubeletEnsureSecretPulledImages") ? field.standard : std::nullopt;
     }},
};

std::optional<std::string_view> default_of(const Field& field, const DefaultContext& context) {
  for (const RuledDefault& ruled : kRuledDefaults) {
    if (ruled.path == field.path) return ruled.rule(field, context);
  }
  return context.legacy && field.legacy ? field.legacy : field.standard;
}

void fill_defaults(Draft& draft, bool legacy, const BoolMap& gates_from_flags) {
  BoolMap overrides = draft.values.feature_gates;
  for (const auto& [gate, on] : gates_from_flags) overrides[gate] = on;
  const FeatureGates gates(overrides);
  const DefaultContext context{draft, gates, legacy};
  // Whoever sets only how often the status is computed gets it reported that often too.
  const bool follow_update = context.unset("nodeStatusReportFrequency") && !context.unset("nodeStatusUpdateFrequency");
  for (const Field* field : draft.unset) {
    if (const auto text = default_of(*field, context)) set_text(*field, draft.values, *text);
  }
  if (follow_update) draft.values.node_status_report_frequency = draft.values.node_status_update_frequency;
  if (draft.values.pod_pids_limit < 0) draft.values.pod_pids_limit = -1;
  draft.unset.clear();
}

Draft empty_draft() {
  Draft draft;
  draft.unset.insert(all_fields().begin(), all_fields().end());
  return draft;
}

void add_missing_default_signals(KubeletConfiguration& values) {
  if (!values.merge_default_eviction_settings) return;
  KubeletConfiguration defaults;
  const Field* field = find_field("evictionHard");
  set_text(*field, defaults, *field->standard);
  values.eviction_hard.merge(defaults.eviction_hard);
}

}  // namespace

Draft default_draft(bool legacy, const BoolMap& gates_from_flags) {
  Draft draft = empty_draft();
  fill_defaults(draft, legacy, gates_from_flags);
  return draft;
}

Draft read_main_file(const Node& root, const std::string& file, const BoolMap& gates_from_flags,
                     ReadProblems& problems) {
  Draft draft = empty_draft();
  if (check_envelope(root, file, problems)) Reader(draft, file, false, problems).walk(root, "");
  fill_defaults(draft, false, gates_from_flags);
  add_missing_default_signals(draft.values);
  return draft;
}

void merge_drop_in(const Node& root, const std::string& file, const BoolMap& gates_from_flags, Draft& draft,
                   ReadProblems& problems) {
  if (check_envelope(root, file, problems)) Reader(draft, file, true, problems).walk(root, "");
  fill_defaults(draft, false, gates_from_flags);
}

void resolve_relative_paths(KubeletConfiguration& values, std::string_view folder) {
  for (const Field* field : all_fields()) {
    if (field->form != Form::absolute_later) continue;
    const Slot slot = field->slot(values);
    std::string& path = **std::get_if<std::string*>(&slot);
    if (!path.empty()) path = resolve_path(folder, path);
  }
}

}  // namespace keelson::config
