// The recorded /stats/summary, taken apart into the readings that a kubelet must have made it of.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "agent/stats/snapshot.hpp"

namespace keelson::stats {

std::string recorded(const std::string& name);  // tests/golden/http/NAME
Snapshot snapshot_of(const nlohmann::json& summary);

}  // namespace keelson::stats
