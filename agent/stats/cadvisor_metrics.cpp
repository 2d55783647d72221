#include "agent/stats/cadvisor_metrics.hpp"

#include <cstring>

#include "agent/stats/cadvisor_series.hpp"

namespace keelson::stats {
namespace {

using metrics::Page;
using metrics::Stability;
using metrics::Type;
using See = std::function<void(const Page&)>;

constexpr const char* kError = "container_scrape_error";

void see_error(bool failed, const See& see) {
  Page page;
  page.family(kError, Type::gauge, Stability::none,
              "1 if there was an error while getting container metrics, 0 otherwise")
      .add({}, failed ? 1 : 0);
  see(page);
}

void see_series(const CadvisorSeries& series, const std::vector<ContainerRow>& rows, const See& see) {
  Page page;
  metrics::Family& family = page.family(series.name, series.type, Stability::none, series.help);
  for (const ContainerRow& row : rows) {
    RowEmitter out(family, row);
    series.emit(row, out);
  }
  if (!family.samples().empty()) see(page);
}

}  // namespace

void each_cadvisor_page(const Snapshot* snapshot, const MachineFacts& machine, const See& see) {
  const std::vector<ContainerRow> rows = snapshot == nullptr ? std::vector<ContainerRow>() : rows_of(*snapshot);
  Page version;
  add_version(version, machine);
  see(version);
  bool told_error = false;
  for (const CadvisorSeries& series : cadvisor_series()) {
    if (!told_error && std::strcmp(series.name, kError) > 0) {
      see_error(snapshot == nullptr, see);
      told_error = true;
    }
    see_series(series, rows, see);
  }
  Page last;
  add_machine(last, machine);
  see(last);
}

}  // namespace keelson::stats
