// ProblemList: what is wrong now, since when; every distinct problem is logged once, and its end too.
//
// Owner: a source. Thread: the loop. Call begin(), note() for all that is wrong at this time, then finish().
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/logger.hpp"
#include "static-pods/source.hpp"

namespace keelson::static_pods {

class ProblemList {
 public:
  ProblemList(base::Clock& clock, base::Logger log) : clock_(clock), log_(std::move(log)) {}

  void begin() { fresh_.clear(); }
  void note(const std::string& source, const std::string& message, bool warning, bool pod_kept);
  void finish();
  std::vector<Problem> list() const;

 private:
  using Key = std::pair<std::string, std::string>;  // source, message
  base::Clock& clock_;
  base::Logger log_;
  std::map<Key, Problem> current_;
  std::map<Key, Problem> fresh_;
};

}  // namespace keelson::static_pods
