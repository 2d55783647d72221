// Story: what happened in a simulation, line by line, each with its virtual time.
//
// Every line goes into the hash, by which two runs of one seed are compared; the last lines are kept for the report of
// a failure, and all are printed when somebody watches. Owner: Simulation. Thread: the simulation's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "tests/sim/timeline.hpp"

namespace keelson::sim {

class Story {
 public:
  explicit Story(const Timeline& timeline) : timeline_(timeline) {}

  // `who` is "world", "user", "runtime", "api", "agent 2".
  void tell(std::string_view who, std::string_view what);
  // Beside the story, for who watches: the agent's own log. Not part of the hash.
  void note(std::string_view what);
  void print_to(std::function<void(std::string_view line)> print) { print_ = std::move(print); }
  bool watched() const { return print_ != nullptr; }

  std::uint64_t hash() const { return hash_; }
  std::uint64_t lines() const { return lines_; }
  const std::deque<std::string>& last() const { return last_; }

 private:
  static constexpr std::size_t kKept = 400;
  std::string stamp() const;

  const Timeline& timeline_;
  std::function<void(std::string_view)> print_;
  std::uint64_t hash_ = 14695981039346656037u;
  std::uint64_t lines_ = 0;
  std::deque<std::string> last_;
};

// "1h02m03.004s"
std::string time_text(base::Duration duration);

}  // namespace keelson::sim
