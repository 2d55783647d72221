#include "static-pods/problem_list.hpp"

#include <set>

namespace keelson::static_pods {

void ProblemList::note(const std::string& source, const std::string& message, bool warning, bool pod_kept) {
  const Key key{source, message};
  const auto known = current_.find(key);
  Problem problem{source, message, known == current_.end() ? clock_.now() : known->second.since, warning, pod_kept};
  if (known == current_.end()) {
    if (warning) {
      log_.warning("Static pod manifest needs a look", {{"source", source}, {"problem", message}});
    } else {
      log_.error("Static pod manifest refused",
                 {{"source", source}, {"problem", message}, {"running_pod_kept", pod_kept}});
    }
  }
  fresh_.insert_or_assign(key, std::move(problem));
}

void ProblemList::finish() {
  std::set<std::string> solved;
  for (const auto& [key, problem] : current_) {
    if (fresh_.count(key) == 0) solved.insert(problem.source);
  }
  for (const auto& [key, problem] : fresh_) solved.erase(problem.source);
  for (const auto& source : solved) log_.info("Static pod manifest has no problem any more", {{"source", source}});
  current_.swap(fresh_);
}

std::vector<Problem> ProblemList::list() const {
  std::vector<Problem> problems;
  for (const auto& [key, problem] : current_) problems.push_back(problem);
  return problems;
}

}  // namespace keelson::static_pods
