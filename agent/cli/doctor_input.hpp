// What doctor starts from: the running agent's own account and the configuration it runs with, or would run with.
//
// Configuration, in this order: --config FILE; the running agent's command line (/proc/PID/cmdline); the first of
// /etc/keelson/config.yaml and /var/lib/kubelet/config.yaml that exists; defaults. Blocking, values out.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/cli/doctor.hpp"
#include "config/files.hpp"

namespace keelson::agent {

// `agent_args`: the running agent's command line without the program's name; empty when there is none.
void load_configuration(const std::string& config_file, const std::vector<std::string>& agent_args,
                        const config::Files& files, const std::function<bool(const std::string&)>& exists,
                        DoctorInput& input);
// "/usr/bin/keelson\0--config=x\0" -> {"--config=x"}
std::vector<std::string> parse_cmdline(const std::string& text);

}  // namespace keelson::agent
