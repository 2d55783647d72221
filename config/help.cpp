// What --help prints: the flags by group, each with its type and the default it has without --config.
#include <optional>
#include <type_traits>

#include "config/file_config.hpp"
#include "config/flags.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

struct HelpType {
  std::string_view operator()(const bool*) const { return ""; }
  std::string_view operator()(const std::string*) const { return "text"; }
  std::string_view operator()(const double*) const { return "number"; }
  std::string_view operator()(const Duration*) const { return "duration"; }
  std::string_view operator()(const Bytes*) const { return "quantity"; }
  std::string_view operator()(const std::vector<std::string>*) const { return "a,b,..."; }
  std::string_view operator()(const std::vector<std::int32_t>*) const { return "1,2,..."; }
  std::string_view operator()(const StringMap*) const { return "key=value,..."; }
  std::string_view operator()(const BoolMap*) const { return "key=true|false,..."; }
  std::string_view operator()(const HeaderMap*) const { return "name:value,..."; }
  std::string_view operator()(const std::vector<Taint>*) const { return "key=value:Effect,..."; }
  std::string_view operator()(const std::vector<MemoryReservation>*) const { return "node:resource=quantity,..."; }
  std::string_view operator()(const std::vector<ShutdownGracePeriodByPodPriority>*) const { return ""; }
  std::string_view operator()(const std::vector<VModule>*) const { return "pattern=N,..."; }
  template <class T>
  std::string_view operator()(const std::optional<T>*) const {
    return (*this)(static_cast<const T*>(nullptr));
  }
  template <class T>
  requires std::is_integral_v<T> std::string_view operator()(const T*) const { return "int"; }
};

void add_wrapped(std::string& out, std::string_view text) {
  constexpr std::size_t kWidth = 100;
  constexpr std::string_view kIndent = "        ";
  std::string line(kIndent);
  for (const std::string& word : split(text, ' ')) {
    if (line.size() + word.size() + 1 > kWidth && line.size() > kIndent.size()) {
      out += line + "\n";
      line = kIndent;
    }
    if (line.size() > kIndent.size()) line += " ";
    line += word;
  }
  out += line + "\n";
}

void add_flag(std::string& out, std::string_view name, char shorthand, std::string_view type, std::string_view standard,
              std::string_view meaning, bool deprecated) {
  out += "  ";
  if (shorthand != 0) out += std::string("-") + shorthand + ", ";
  out += "--" + std::string(name);
  if (!type.empty()) out += " " + std::string(type);
  if (!standard.empty()) out += "  (default " + std::string(standard) + ")";
  if (deprecated) out += "  [deprecated]";
  out += "\n";
  add_wrapped(out, meaning);
}

}  // namespace

std::string help_text() {
  std::string out =
      "keelson runs the pods of this node: those of a manifest folder or URL, and, with --kubeconfig, those of the "
      "API\n"
      "server.\n"
      "\n"
      "Usage: keelson [flags]\n"
      "\n"
      "Settings belong in the file of --config (kind KubeletConfiguration); flags for them override it and are\n"
      "deprecated. Defaults shown are those without --config; docs/configuration.md has those of the file.\n";
  Flags flags;
  IgnoredFlags ignored;
  for (const FlagGroup group : {FlagGroup::general, FlagGroup::api_server, FlagGroup::node, FlagGroup::runtime}) {
    out += "\n" + std::string(to_string(group)) + ":\n";
    for (const FlagRow& row : flag_rows()) {
      if (row.group != group) continue;
      add_flag(out, row.name, 0, std::visit(HelpType{}, row.slot(flags, ignored)), row.standard, row.meaning,
               !row.deprecated.empty());
    }
  }
  out += "  -h, --help\n        Print this text.\n  --version[=true|raw|vX.Y.Z]\n";
  add_wrapped(out, "Print the version; raw prints all about it; a version sets the one that is reported.");
  KubeletConfiguration values = default_draft(true, {}).values;
  for (const SectionFields& section : sections()) {
    out += "\n" + std::string(to_string(section.section)) + ":\n";
    for (const Field& field : section.fields) {
      if (field.flag.empty()) continue;
      const Slot slot = field.slot(values);
      const auto standard = field.legacy ? field.legacy : field.standard;
      add_flag(out, field.flag, field.shorthand, std::visit(HelpType{}, slot), standard.value_or(""), field.meaning,
               !field.flag_current);
    }
  }
  out += "\n" + std::string(to_string(FlagGroup::ignored)) + ":\n ";
  for (const FlagRow& row : flag_rows()) {
    if (row.group == FlagGroup::ignored) out += " --" + std::string(row.name);
  }
  return out + "\n";
}

}  // namespace keelson::config
