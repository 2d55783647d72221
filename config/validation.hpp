// Validation: everything that can be wrong with a configuration without looking at the host.
//
// Pure, any thread. All problems are reported, each with the field's path; the wording follows the Kubernetes API.
// What needs the host (cgroup version, swap, files) is in config/host_checks.hpp.
//
// Source: contract 01 §2 ("Rejected", those "(at start)" that need no host included), §3, §5, §7.1, §7.3.
#pragma once

#include "config/configuration.hpp"
#include "config/report.hpp"

namespace keelson::config {

void validate(const Configuration& configuration, Report& report);

// The areas, one file each.
void validate_simple_rules(const Configuration& configuration, Report& report);
void validate_server(const Configuration& configuration, Report& report);
void validate_pods(const Configuration& configuration, Report& report);
void validate_images(const Configuration& configuration, Report& report);
void validate_resources(const Configuration& configuration, Report& report);
void validate_managers(const Configuration& configuration, Report& report);
void validate_eviction(const Configuration& configuration, Report& report);
void validate_node(const Configuration& configuration, Report& report);
void validate_flags(const Configuration& configuration, Report& report);

// "" when `text` is a list of CPUs such as "0-3,7", else what is wrong. `cpus` gets them when not null.
std::string check_cpu_list(std::string_view text, std::vector<int>* cpus);

struct NodeIps {
  std::vector<std::string> ips;
  std::vector<std::string> dropped;  // parts that are no IP address
  std::string error;                 // a combination that cannot be
};
NodeIps parse_node_ips(std::string_view text);

// The node's name: the override or the host's name, trimmed and lower-cased. `invalid` when nothing is left.
Result<std::string> node_name(std::string_view hostname_override, std::string_view hostname);

// "" or the reason why `key` / `value` is no label; the syntax is that of the API.
std::string check_label_key(std::string_view key);
std::string check_label_value(std::string_view value);
// Whether a node may set label `key` on itself.
bool node_may_set_label(std::string_view key);

}  // namespace keelson::config
