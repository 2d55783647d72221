// Faults: what a control file says shall go wrong, by method.
//
// The file is one JSON object and is read anew at each call; while its text stays the same, the `times` that were used
// up stay used up. {"NodeStageVolume": [{"code": 13, "message": "no", "times": 1}, {"hang": true}]}: the first that is
// not used up applies. Keys: code, message, delay_ms, hang (until the call is cancelled), die (the process ends at
// once), effect (the work is done first), times (absent: always). Thread-safe. What fails: a file that cannot be
// understood is as none, and said on standard error.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace keelson::fakes {

struct CsiFault {
  int code = 0;
  std::string message;
  int delay_ms = 0;
  bool hang = false;
  bool die = false;
  bool effect = false;
};

class CsiFaults {
 public:
  explicit CsiFaults(std::string file) : file_(std::move(file)) {}
  std::optional<CsiFault> next(const std::string& method);

 private:
  std::string file_;
  std::mutex mutex_;
  std::string text_;
  std::map<std::string, int> used_;  // "method/index"
};

}  // namespace keelson::fakes
