#include "agent/cli/doctor.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/cli/table.hpp"

namespace keelson::agent {
namespace {

constexpr std::array<std::pair<Level, std::string_view>, 4> level_names{
    {{Level::ok, "ok"}, {Level::warn, "warn"}, {Level::fail, "fail"}, {Level::unknown, "unknown"}}};

std::ptrdiff_t count(const Findings& findings, Level level) {
  return std::count_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.level == level; });
}

}  // namespace

Findings examine(const DoctorInput& input, Host& host) {
  const auto& kubelet = input.config.kubelet;
  Findings findings;
  if (!host.is_root()) {
    findings.push_back({"privileges", Level::unknown, "not run as root: what only root may see stays unknown",
                        "run `sudo keelson doctor`"});
  }
  check_agent(input, findings);
  check_configuration(input, findings);
  const RuntimeView runtime = host.runtime(kubelet.container_runtime_endpoint, kubelet.image_endpoint());
  check_runtime(input, runtime, findings);
  check_cgroups(input, runtime, host, findings);
  check_swap(input, host, findings);
  check_sysctls(input, host, findings);
  check_modules(host, findings);
  check_ports(input, host, findings);
  check_other_kubelet(input, host, findings);
  check_network_plugin(runtime, host, findings);
  check_certificates(input, host, findings);
  check_disks(input, runtime, host, findings);
  check_manifests(input, host, findings);
  return findings;
}

std::string_view to_string(Level level) {
  for (const auto& [known, name] : level_names) {
    if (known == level) return name;
  }
  return "unknown";
}

int exit_status(const Findings& findings) {
  if (count(findings, Level::fail) > 0) return 2;
  return count(findings, Level::warn) > 0 ? 1 : 0;
}

std::string render_findings(const Findings& findings) {
  std::vector<TableRow> rows;
  for (const auto& finding : findings) {
    std::string level(to_string(finding.level));
    for (char& c : level) c = static_cast<char>(c - 'a' + 'A');
    rows.push_back({level, finding.check, one_line(finding.message)});
    if (!finding.fix.empty()) rows.push_back({"", "", "fix: " + one_line(finding.fix)});
  }
  return format_table(rows) + "\n" + std::to_string(count(findings, Level::ok)) + " ok, " +
         std::to_string(count(findings, Level::warn)) + " warnings, " + std::to_string(count(findings, Level::fail)) +
         " failures, " + std::to_string(count(findings, Level::unknown)) + " unknown\n";
}

std::string findings_to_json(const Findings& findings) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& f : findings) {
    list.push_back({{"check", f.check}, {"level", to_string(f.level)}, {"message", f.message}, {"fix", f.fix}});
  }
  nlohmann::json summary;
  for (const auto& [level, name] : level_names) summary[std::string(name)] = count(findings, level);
  return nlohmann::json{{"findings", list}, {"summary", summary}}.dump(2, ' ', false,
                                                                       nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace keelson::agent
