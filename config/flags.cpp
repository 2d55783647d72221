#include "config/flags.hpp"

#include <algorithm>
#include <set>

#include "config/values.hpp"

namespace keelson::config {
namespace {

struct RemovedFlag {
  std::string_view name;
  std::string_view advice;
};

// Flags of older kubelets that people still have in their units.
constexpr RemovedFlag kRemoved[] = {
    {"container-runtime", "the runtime is always reached over CRI"},
    {"network-plugin", "the container runtime runs CNI"},
    {"cni-bin-dir", "the container runtime runs CNI"},
    {"cni-conf-dir", "the container runtime runs CNI"},
    {"cni-cache-dir", "the container runtime runs CNI"},
    {"network-plugin-mtu", "the container runtime runs CNI"},
    {"cloud-config", "use --cloud-provider=external with a cloud controller"},
    {"keep-terminated-pod-volumes", "volumes of finished pods are always unmounted"},
    {"master-service-namespace", "it has no replacement"},
    {"dynamic-config-dir", "use --config and --config-dir"},
    {"logtostderr", "logs always go to stderr"},
    {"log-dir", "logs always go to stderr"},
    {"alsologtostderr", "logs always go to stderr"},
    {"stderrthreshold", "logs always go to stderr"},
};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string unknown_flag(std::string_view name) {
  const std::string text = "--" + std::string(name.substr(0, 100)) + ": unknown flag";
  for (const RemovedFlag& removed : kRemoved) {
    if (removed.name == name) return text + ": it was removed from the kubelet: " + std::string(removed.advice);
  }
  if (name.size() > 60) return text;
  const FlagSpec* best = nullptr;
  std::size_t distance = 3;
  for (const FlagSpec& spec : all_flags()) {
    const std::size_t d = edit_distance(name, spec.name);
    if (d < distance) {
      best = &spec;
      distance = d;
    }
  }
  return best == nullptr ? text : text + ", did you mean --" + std::string(best->name) + "?";
}

// Reads the command line into ParsedFlags.
class Parser {
 public:
  explicit Parser(const std::vector<std::string>& args) : args_(args) {
    for (const FlagRow& row : flag_rows()) {
      KEELSON_CHECK(parse_flag_text(row.standard, row.slot(out_.flags, ignored_), Form::plain, true).ok());
    }
  }

  ParsedFlags run() {
    for (next_ = 0; next_ < args_.size();) take(args_[next_++]);
    return std::move(out_);
  }

 private:
  void take(const std::string& arg) {
    if (!is_utf8(arg)) {
      out_.errors.push_back("argument " + std::to_string(next_) + " of the command line is not UTF-8 text");
      return;
    }
    if (rest_is_bare_ || arg.empty() || arg == "-" || arg[0] != '-') {
      out_.errors.push_back("unexpected argument " + quote(arg) + ": only flags are taken" +
                            (previous_bool_.empty() ? "" : " (write --" + previous_bool_ + "=" + arg + ")"));
      previous_bool_.clear();
      return;
    }
    previous_bool_.clear();
    if (arg == "--") {
      rest_is_bare_ = true;
    } else if (arg.starts_with("--")) {
      take_long(arg);
    } else {
      take_short(arg);
    }
  }

  void take_long(const std::string& arg) {
    const auto equals = arg.find('=');
    std::string name = arg.substr(2, equals == std::string::npos ? equals : equals - 2);
    std::replace(name.begin(), name.end(), '_', '-');
    std::optional<std::string> value;
    if (equals != std::string::npos) value = arg.substr(equals + 1);
    if (name == "help") {
      auto wanted = parse_bool(value.value_or("true"));
      if (wanted.ok()) {
        out_.help = *wanted;
      } else {
        out_.errors.push_back("--help: " + wanted.error().to_string());
      }
    } else if (name == "version") {
      out_.version = value.value_or("true");
    } else if (const FlagSpec* spec = find_flag(name)) {
      take_known(*spec, std::move(value));
    } else {
      out_.errors.push_back(unknown_flag(name));
      // Its value, most likely.
      if (!value && next_ < args_.size() && !args_[next_].starts_with('-')) ++next_;
    }
  }

  // -h, -v 2, -v=2, -v2
  void take_short(const std::string& arg) {
    if (arg == "-h") {
      out_.help = true;
      return;
    }
    const auto& flags = all_flags();
    const auto spec = std::find_if(flags.begin(), flags.end(), [&](const FlagSpec& flag) {
      return flag.shorthand != 0 && flag.shorthand == arg[1];
    });
    if (spec == flags.end()) {
      out_.errors.push_back(quote(arg) + ": unknown flag" +
                            (find_flag(std::string_view(arg).substr(1, arg.find('=') - 1)) == nullptr
                                 ? ""
                                 : ": flags start with two dashes"));
      return;
    }
    if (arg.size() == 2) return take_known(*spec, std::nullopt);
    take_known(*spec, arg.substr(arg[2] == '=' ? 3 : 2));
  }

  void take_known(const FlagSpec& spec, std::optional<std::string> value) {
    const Slot slot = spec.field != nullptr ? spec.field->slot(out_.values) : spec.row->slot(out_.flags, ignored_);
    const std::string name(spec.name);
    if (!value && std::holds_alternative<bool*>(slot)) {
      value = "true";
      previous_bool_ = name;
    }
    if (!value) {
      if (next_ >= args_.size()) {
        out_.errors.push_back("--" + name + ": needs a value");
        return;
      }
      value = args_[next_++];
      if (!is_utf8(*value)) {
        out_.errors.push_back("--" + name + ": the value is not UTF-8 text");
        return;
      }
    }
    const bool first = seen_.insert(spec.name).second;
    if (first) deprecation_line(spec);
    const Status read = parse_flag_text(*value, slot, spec.field != nullptr ? spec.field->form : Form::plain, first);
    if (!read.ok()) {
      out_.errors.push_back("--" + name + ": " + read.error().to_string());
      return;
    }
    if (spec.field != nullptr && first) out_.given.push_back(spec.field);
  }

  void deprecation_line(const FlagSpec& spec) {
    const std::string start = "Flag --" + std::string(spec.name) + " has been deprecated, ";
    if (spec.row != nullptr && !spec.row->deprecated.empty()) {
      out_.warnings.push_back(start + std::string(spec.row->deprecated));
    } else if (spec.field != nullptr && !spec.field->flag_current) {
      out_.warnings.push_back(start + "set the field " + std::string(spec.field->path) +
                              " in the file of --config instead");
    }
  }

  const std::vector<std::string>& args_;
  ParsedFlags out_;
  IgnoredFlags ignored_;
  std::set<std::string_view> seen_;
  std::size_t next_ = 0;
  bool rest_is_bare_ = false;
  std::string previous_bool_;  // a bool flag without a value came just before
};

}  // namespace

const std::vector<FlagSpec>& all_flags() {
  static const auto all = [] {
    std::vector<FlagSpec> specs;
    for (const Field* field : all_fields()) {
      if (!field->flag.empty()) specs.push_back({field->flag, field->shorthand, field, nullptr});
    }
    for (const FlagRow& row : flag_rows()) specs.push_back({row.name, 0, nullptr, &row});
    std::sort(specs.begin(), specs.end(), [](const FlagSpec& a, const FlagSpec& b) { return a.name < b.name; });
    return specs;
  }();
  return all;
}

const FlagSpec* find_flag(std::string_view name) {
  const auto& all = all_flags();
  const auto it = std::lower_bound(all.begin(), all.end(), name,
                                   [](const FlagSpec& spec, std::string_view wanted) { return spec.name < wanted; });
  return it != all.end() && it->name == name ? &*it : nullptr;
}

ParsedFlags parse_flags(const std::vector<std::string>& args) { return Parser(args).run(); }

void apply_flags(const ParsedFlags& flags, KubeletConfiguration& configuration, Origins& origins) {
  for (const Field* field : flags.given) {
    // The slots of `values` are only read.
    const Slot given = field->slot(const_cast<KubeletConfiguration&>(flags.values));
    if (field->path == "featureGates") {
      for (const auto& [gate, on] : flags.values.feature_gates) {
        configuration.feature_gates[gate] = on;
        origins.set_flag("featureGates[" + gate + "]", field->flag);
      }
      continue;
    }
    copy_value(given, field->slot(configuration));
    origins.set_flag(std::string(field->path), field->flag);
  }
  configuration.seccomp_default = configuration.seccomp_default || flags.flags.seccomp_default;
}

}  // namespace keelson::config
