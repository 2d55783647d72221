// Programs that answer from a script: the first row whose beginning fits the command line; what fits none ends well and
// says nothing. All command lines are kept.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "volume/programs.hpp"

namespace keelson::volume {

class FakePrograms final : public Programs {
 public:
  Result<ProgramResult> run(const ProgramRequest& request) override {
    std::string line;
    for (const auto& word : request.argv) line += (line.empty() ? "" : " ") + word;
    calls.push_back(line);
    limits.push_back(request.limit);
    for (auto& row : rows_) {
      if (!line.starts_with(row.beginning)) continue;
      if (row.effect) row.effect();
      // The last answer of a row is given for ever.
      Result<ProgramResult> answer = row.answers.front();
      if (row.answers.size() > 1) row.answers.erase(row.answers.begin());
      return answer;
    }
    return ProgramResult{};
  }

  void on(std::string beginning, const Result<ProgramResult>& answer, std::function<void()> effect = {}) {
    rows_.push_back({std::move(beginning), std::vector<Result<ProgramResult>>(1, answer), std::move(effect)});
  }
  // One answer after another.
  void on_each(std::string beginning, std::vector<Result<ProgramResult>> answers) {
    rows_.push_back({std::move(beginning), std::move(answers), {}});
  }
  std::ptrdiff_t count(const std::string& beginning) const {
    return std::count_if(calls.begin(), calls.end(), [&](const auto& call) { return call.starts_with(beginning); });
  }

  std::vector<std::string> calls;
  std::vector<std::chrono::milliseconds> limits;

 private:
  struct Row {
    std::string beginning;
    std::vector<Result<ProgramResult>> answers;
    std::function<void()> effect;
  };
  std::vector<Row> rows_;
};

inline Result<ProgramResult> exits(int code, std::string out = "", std::string err = "") {
  return ProgramResult{std::move(out), std::move(err), code, 0};
}
inline Result<ProgramResult> hangs() { return Error(ErrorKind::deadline_exceeded, "the program did not end"); }

}  // namespace keelson::volume
