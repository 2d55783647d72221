// The effective configuration as JSON, in the shape the kubelet's /configz has.
//
// Pure, any thread. Durations are long ("1m0s"); plain zero values and unset pointers are left out.
// Source: contract 05 §6 (/configz); the recorded answer of a kubelet.
#pragma once

#include <nlohmann/json.hpp>

#include "config/configuration.hpp"

namespace keelson::config {

// {"kind":"KubeletConfiguration","apiVersion":...,...}: what stands under "kubeletconfig".
nlohmann::json to_json(const KubeletConfiguration& configuration);
// The whole answer of /configz.
nlohmann::json configz(const KubeletConfiguration& configuration);

}  // namespace keelson::config
