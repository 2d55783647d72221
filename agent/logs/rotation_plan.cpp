#include "agent/logs/rotation_plan.hpp"

#include <algorithm>
#include <ctime>
#include <set>

namespace keelson::logs {

RotationPlan plan_rotation(const std::string& log, std::vector<std::string> names, int max_files,
                           const std::string& in_work) {
  RotationPlan plan;
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(log + "."); });
  // By their times, which is oldest first.
  std::sort(names.begin(), names.end());
  const std::set<std::string> present(names.begin(), names.end());
  std::vector<std::string> kept;
  for (const std::string& name : names) {
    if (name.ends_with(kUnfinished)) {
      if (in_work.empty() || name != in_work + kUnfinished) plan.remove.push_back(name);
    } else if (!name.ends_with(kCompressed) && present.count(name + kCompressed) > 0) {
      plan.remove.push_back(name);
    } else {
      kept.push_back(name);
    }
  }
  const auto most = static_cast<std::size_t>(std::max(0, max_files - 2));
  const std::size_t surplus = kept.size() > most ? kept.size() - most : 0;
  plan.remove.insert(plan.remove.end(), kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(surplus));
  for (std::size_t i = surplus; i < kept.size(); ++i) {
    if (!kept[i].ends_with(kCompressed) && kept[i] != in_work) plan.compress.push_back(kept[i]);
  }
  return plan;
}

std::string rotated_name(const std::string& log, base::SystemTime now) {
  const std::time_t seconds = base::SystemTime::clock::to_time_t(now);
  std::tm fields{};
  ::localtime_r(&seconds, &fields);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &fields);
  return log + "." + text;
}

}  // namespace keelson::logs
