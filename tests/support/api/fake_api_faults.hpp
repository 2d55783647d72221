// ApiFaults: the faults that wait for their requests.
//
// Owner: FakeApi. Thread: the loop. Pure beside its list. Source: fake_api.hpp (ApiFault).
#pragma once

#include <string>
#include <vector>

#include "tests/support/api/fake_api.hpp"

namespace keelson::fakes {

// What all faults that match a request amount to.
struct FaultPlan {
  base::Duration latency{};
  bool hang = false;
  int status = 0;
  int retry_after = 0;
  bool reset = false;
  bool after_effect = false;
  bool half_body = false;
  bool stale = false;
};

class ApiFaults {
 public:
  void add(ApiFault fault) { faults_.push_back(std::move(fault)); }
  void remove(const std::string& id);
  void clear() { faults_.clear(); }
  // Uses up what matches.
  FaultPlan take(const std::string& method, const std::string& target);

 private:
  std::vector<ApiFault> faults_;
};

// The second half of an answer does not come.
ApiAnswer halved(ApiAnswer answer);

}  // namespace keelson::fakes
