#include "config/docs.hpp"

#include "config/feature_gates.hpp"
#include "config/fields.hpp"
#include "config/flags.hpp"
#include "config/values.hpp"
#include "config/version.hpp"

namespace keelson::config {
namespace {

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    if (c == '<' || c == '*') out += '\\';
    out += c;
  }
  return out;
}

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string default_text(const Field& field) {
  if (!field.default_note.empty()) return cell(field.default_note);
  if (!field.standard) return "-";
  return field.standard->empty() ? "-" : code(*field.standard);
}

constexpr std::string_view kIntroduction = R"(# Configuration

<!-- Made from the tables in config/ by `keelson_config_docs`. Do not edit: change the table and run
     `build/dev/keelson_config_docs docs/configuration.md`. -->

Keelson reads what the kubelet reads: a file of kind `KubeletConfiguration` (`--config`), a folder of drop-ins
(`--config-dir`), and flags. `keelson --check-config` with the same flags checks all of it, prints every problem with its
file and line, and exits with 0 only when there is none.

## Where a value comes from

Later wins: defaults, the file, drop-ins in lexical order, flags that are given.

- The file is YAML or JSON with `apiVersion: kubelet.config.k8s.io/v1beta1` and `kind: KubeletConfiguration`. A field that
  does not exist and a doubled key are logged and ignored (under `--check-config` they are problems); the last of doubled
  keys counts. A value of the wrong type keeps the agent from starting. Names are case-sensitive.
- A field that is 0, `0s` or empty takes its default. Fields marked **?** keep an explicit zero. A list or map that is
  given stays as given, also when it is empty.
- Relative paths of the fields marked **path** start at the folder of the file; in drop-ins they are left alone.
- Drop-ins are the files ending in `.conf` in the folder and in the folders below it. Each carries the same `apiVersion`
  and `kind` and is merged as a JSON merge patch: maps key by key, lists and single values replaced, `null` brings the
  default back. Unknown fields in a drop-in are ignored without a word; a doubled key is an error.
- A flag for a field overrides the file. Flags for maps replace the whole map, but `--feature-gates`, which merges gate by
  gate. `_` in a flag's name equals `-`. Such flags are deprecated and say so, but for those marked *current*.
- Without `--config` some defaults are the older ones of the flags; they stand in the last column but one.

All problems are reported together, one line each: `/etc/kubernetes/kubelet.yaml:12: port: Invalid value: 70000: must be
between 1 and 65535, inclusive`. Some can be seen only on the host (marked *at start*): cgroup version, swap, files.

## Without an API server

Without `--kubeconfig` the agent runs standalone: static pods only. Then nobody can check tokens or decide about callers,
so the file must say `authentication.webhook.enabled: false` and `authorization.mode: AlwaysAllow`:

```yaml
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: /etc/kubernetes/manifests
authentication:
  webhook:
    enabled: false
authorization:
  mode: AlwaysAllow
```
)";

std::string fields_markdown() {
  std::string out = "\n## Fields of KubeletConfiguration\n";
  for (const SectionFields& section : sections()) {
    out += "\n### " + std::string(to_string(section.section)) + "\n\n";
    out += "| Field | Type | Default | Meaning | Refused | Without --config | Flag |\n|---|---|---|---|---|---|---|\n";
    for (const Field& field : section.fields) {
      std::string type(type_name(field));
      if (field.pointer) type += " **?**";
      if (field.form == Form::absolute_later) type += " **path**";
      std::string legacy = field.legacy ? (field.legacy->empty() ? "none" : code(*field.legacy)) : "";
      std::string flag = field.flag.empty() ? "" : code("--" + std::string(field.flag));
      if (field.shorthand != 0) flag += " " + code(std::string("-") + field.shorthand);
      if (field.flag_current) flag += " *current*";
      out += "| " + code(field.path) + " | " + type + " | " + default_text(field) + " | " + cell(field.meaning) +
             " | " + cell(field.rejected) + " | " + legacy + " | " + flag + " |\n";
    }
  }
  return out;
}

std::string flags_markdown() {
  std::string out = "\n## Flags that are no fields\n";
  for (const FlagGroup group :
       {FlagGroup::general, FlagGroup::api_server, FlagGroup::node, FlagGroup::runtime, FlagGroup::ignored}) {
    out +=
        "\n### " + std::string(to_string(group)) + "\n\n| Flag | Default | Meaning | Deprecated |\n|---|---|---|---|\n";
    for (const FlagRow& row : flag_rows()) {
      if (row.group != group) continue;
      out += "| " + code("--" + std::string(row.name)) + " | " + (row.standard.empty() ? "-" : code(row.standard)) +
             " | " + cell(row.meaning) + " | " + cell(row.deprecated) + " |\n";
    }
  }
  out += "\n`--help` prints all flags; `--version` prints `Kubernetes " + std::string(kGitVersion) +
         "`, `--version=raw` more, `--version=" + std::string(kGitVersion) +
         "-suffix` sets the version that is reported.\n";
  out += R"(
`--node-labels` within `kubernetes.io` and `k8s.io` may hold only: keys under `kubelet.kubernetes.io` and
`node.kubernetes.io` (and what is below them), `kubernetes.io/hostname`, `kubernetes.io/os`, `kubernetes.io/arch`,
`beta.kubernetes.io/os`, `beta.kubernetes.io/arch`, `beta.kubernetes.io/instance-type`, `topology.kubernetes.io/zone`,
`topology.kubernetes.io/region`, `failure-domain.beta.kubernetes.io/zone`, `failure-domain.beta.kubernetes.io/region`.
)";
  return out;
}

std::string gates_markdown() {
  std::string out =
      "\n## Feature gates\n\nEvery gate of Kubernetes v1.36 is known, those of other components too. A locked "
      "gate cannot be changed.\n\n| Gate | Default | Stage | Locked |\n|---|---|---|---|\n";
  for (const GateSpec& gate : known_gates()) {
    const std::string_view stage = gate.stage == Stage::ga ? "GA" : to_string(gate.stage);
    out += "| " + code(gate.name) + " | " + (gate.enabled_by_default ? "on" : "off") + " | " + std::string(stage) +
           " | " + (gate.locked ? "yes" : "") + " |\n";
  }
  return out;
}

}  // namespace

std::string configuration_markdown() {
  return std::string(kIntroduction) + fields_markdown() + flags_markdown() + gates_markdown();
}

}  // namespace keelson::config
