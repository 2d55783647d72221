// The kernel settings that a node's pods count on: panic, overcommit and key limits.
//
// Called once at start. Source: contract 03 §14 (values, what protectKernelDefaults does).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

struct KernelSetting {
  std::string name;  // "vm/overcommit_memory", below /proc/sys
  std::int64_t wanted = 0;
};
const std::vector<KernelSetting>& kernel_settings();

// Writes what differs below `proc_sys`. With `protect` nothing is written and a difference is the error. A setting that
// this kernel does not have, or that cannot be written, is in `warnings`.
Status apply_kernel_settings(const std::string& proc_sys, bool protect, std::vector<std::string>& warnings);

}  // namespace keelson::agent
