#include "agent/stats/machine_facts.hpp"

#include <fcntl.h>

#include <array>
#include <set>
#include <utility>

#include "agent/stats/small_files.hpp"

namespace keelson::stats {
namespace {

using metrics::Labels;
using metrics::Stability;
using metrics::Type;

struct MachineSeries {
  const char* name;
  const char* help;
  std::uint64_t MachineFacts::*value;  // null: always 0
};

// Books and drawers are those of mainframes; nobody makes such memory modules any more.
constexpr std::array kMachine{
    MachineSeries{"machine_cpu_books", "Number of CPU books.", nullptr},
    MachineSeries{"machine_cpu_cores", "Number of logical CPU cores.", &MachineFacts::cpus},
    MachineSeries{"machine_cpu_drawers", "Number of CPU drawers.", nullptr},
    MachineSeries{"machine_cpu_physical_cores", "Number of physical CPU cores.", &MachineFacts::physical_cores},
    MachineSeries{"machine_cpu_sockets", "Number of CPU sockets.", &MachineFacts::sockets},
    MachineSeries{"machine_memory_bytes", "Amount of memory installed on the machine.", &MachineFacts::memory_bytes},
    MachineSeries{"machine_nvm_avg_power_budget_watts", "NVM power budget.", nullptr},
    MachineSeries{"machine_swap_bytes", "Amount of swap memory available on the machine.", &MachineFacts::swap_bytes},
};

metrics::Family& gauge(metrics::Page& page, const char* name, const char* help) {
  return page.family(name, Type::gauge, Stability::none, help);
}

}  // namespace

CpuTopology read_cpu_topology(const std::string& sys) {
  SmallFiles files;
  std::set<std::uint64_t> sockets;
  std::set<std::pair<std::uint64_t, std::uint64_t>> cores;
  const base::UniqueFd cpus = hold_directory(AT_FDCWD, sys + "/devices/system/cpu");
  if (!cpus) return {};
  for (const std::string& name : names_in(cpus.get())) {
    const auto socket = files.number(cpus.get(), name + "/topology/physical_package_id");
    const auto core = files.number(cpus.get(), name + "/topology/core_id");
    if (!socket || !core) continue;
    sockets.insert(*socket);
    cores.emplace(*socket, *core);
  }
  return {cores.size(), sockets.size()};
}

void add_version(metrics::Page& page, const MachineFacts& machine) {
  gauge(page, "cadvisor_version_info",
        "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & "
        "cadvisor revision.")
      .add({{"cadvisorRevision", ""},
            {"cadvisorVersion", ""},
            {"dockerVersion", ""},
            {"kernelVersion", machine.kernel_version},
            {"osVersion", machine.os_version}},
           1);
}

void add_machine(metrics::Page& page, const MachineFacts& machine) {
  const Labels labels{
      {"boot_id", machine.boot_id}, {"machine_id", machine.machine_id}, {"system_uuid", machine.system_uuid}};
  for (const MachineSeries& series : kMachine) {
    const std::uint64_t value = series.value == nullptr ? 0 : machine.*series.value;
    gauge(page, series.name, series.help).add(labels, static_cast<double>(value));
  }
  for (const char* mode : {"app_direct_mode", "memory_mode"}) {
    Labels all = labels;
    all.emplace_back("mode", mode);
    gauge(page, "machine_nvm_capacity", "NVM capacity value labeled by NVM mode (memory mode or app direct mode).")
        .add(std::move(all), 0);
  }
  gauge(page, "machine_scrape_error", "1 if there was an error while getting machine metrics, 0 otherwise.").add({}, 0);
}

}  // namespace keelson::stats
