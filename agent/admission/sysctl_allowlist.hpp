// SysctlAllowlist: which sysctls pods may set on this node.
//
// The safe ones that the kernel has, and what the configuration adds (allowedUnsafeSysctls, `*` at the end). Made once
// at start; `invalid` names a pattern that is not known to be namespaced. A plain value, any thread. Source: contract
// 02 §13, contract 01 §2.2 allowedUnsafeSysctls.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::agent {

class SysctlAllowlist {
 public:
  // `kernel_release` as uname(2) tells it: "6.1.0-18-amd64". Where it cannot be read, only those that every kernel has
  // are safe.
  static Result<SysctlAllowlist> create(const std::vector<std::string>& unsafe_patterns,
                                        std::string_view kernel_release);

  // What is wrong with the pod's sysctls: "forbidden sysctl: ...".
  std::optional<std::string> complaint(const api::Pod& pod) const;

 private:
  struct Entry {
    std::string text;  // without the `*`
    bool prefix = false;
    std::string_view kernel_namespace;  // "ipc" or "net"
  };
  std::vector<Entry> entries_;
};

}  // namespace keelson::agent
