#include "tests/sim/story.hpp"

#include <cstdio>

namespace keelson::sim {

std::string time_text(base::Duration duration) {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  char text[48];
  std::snprintf(text, sizeof text, "%lld:%02lld:%02lld.%03lld", static_cast<long long>(millis / 3'600'000),
                static_cast<long long>(millis / 60'000 % 60), static_cast<long long>(millis / 1000 % 60),
                static_cast<long long>(millis % 1000));
  return text;
}

std::string Story::stamp() const { return time_text(timeline_.elapsed()); }

void Story::tell(std::string_view who, std::string_view what) {
  std::string line = stamp();
  line.append("  ").append(who).append(": ").append(what);
  for (const char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
  ++lines_;
  if (print_) print_(line);
  last_.push_back(std::move(line));
  if (last_.size() > kKept) last_.pop_front();
}

void Story::note(std::string_view what) {
  if (print_) print_("                | " + std::string(what));
}

}  // namespace keelson::sim
