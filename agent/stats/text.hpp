// Pieces of text that the kernel's files are made of: lines, words and numbers.
//
// Pure, any thread. Nothing fails: what is no number is nullopt.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace keelson::stats {

// "max" in a cgroup's file.
inline constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
// A memory limit above this is none: on cgroup v1 the kernel shows "no limit" as a large round number.
inline constexpr std::uint64_t largest_memory_limit = std::uint64_t{1} << 62;

// Takes the next line, without its newline; false when nothing is left.
bool take_line(std::string_view& text, std::string_view& line);
// Takes the next word; empty when only blanks are left.
std::string_view take_word(std::string_view& line);
std::vector<std::string_view> words_of(std::string_view line);

// The whole word is a number.
std::optional<std::uint64_t> parse_number(std::string_view word);
// Zero when it is none.
std::uint64_t number_or_zero(std::string_view word);
std::optional<double> parse_decimal(std::string_view word);
// The first word of a file of one value: a number, or "max".
std::optional<std::uint64_t> parse_value(std::string_view text);

// Calls `see(key, number)` for each line "KEY NUMBER"; other lines are left out.
template <class See>
void each_pair(std::string_view text, See see) {
  std::string_view line;
  while (take_line(text, line)) {
    const std::string_view key = take_word(line);
    if (const auto value = parse_number(take_word(line))) see(key, *value);
  }
}

}  // namespace keelson::stats
