// The table of the series of containers: name, type, help and where the values come from.
//
// Pure; any thread. In the order of the names. Source: contract 05 §14.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "agent/metrics/page.hpp"
#include "agent/stats/container_rows.hpp"

namespace keelson::stats {

// Takes the values of one row into one family.
class RowEmitter {
 public:
  RowEmitter(metrics::Family& family, const ContainerRow& row);

  // With the time of the reading.
  void add(double value);
  void add(double value, const metrics::Labels& more);
  // Values that have none.
  void add_untimed(double value);

 private:
  metrics::Family& family_;
  metrics::Labels labels_;
  std::int64_t milliseconds_;
};

struct CadvisorSeries {
  const char* name;
  metrics::Type type;
  const char* help;
  void (*emit)(const ContainerRow& row, RowEmitter& out);
};

std::span<const CadvisorSeries> cadvisor_series();

}  // namespace keelson::stats
