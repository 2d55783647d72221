// The version this agent claims to be, as kubeadm, the API server and every user of node.status.nodeInfo read it.
//
// Plain constants. `--version=vX.Y.Z-suffix` overrides kGitVersion for one run: read Configuration::reported_version.
// Source: contract 01 §3, §4.4.
#pragma once

#include <string_view>

namespace keelson::config {

inline constexpr std::string_view kMajor = "1";
inline constexpr std::string_view kMinor = "36";
inline constexpr std::string_view kGitVersion = "v1.36.2";
// The only value showHiddenMetricsForVersion takes.
inline constexpr std::string_view kPreviousMinor = "1.35";

}  // namespace keelson::config
