// JsonWriter: writes JSON text as Go's MarshalIndent(value, "", " ") does, piece by piece.
//
// A summary of a hundred pods has tens of thousands of values: no tree is built of them. Pure; whoever makes one owns
// it. Calls must nest; a broken order gives broken text. Source: contract 05 §10 (indented JSON, one blank).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace keelson::stats {

class JsonWriter {
 public:
  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }
  void key(std::string_view name);

  void text(std::string_view value);
  void number(std::uint64_t value);
  void number(double value);
  void boolean(bool value);
  void time(base::SystemTime value);  // RFC 3339, seconds

  std::string take() { return std::move(out_); }

 private:
  void begin(char bracket);
  void end(char bracket);
  void before_value();
  void new_line();
  void quoted(std::string_view value);

  std::string out_;
  std::vector<bool> has_values_;  // by level
  bool after_key_ = false;
  std::int64_t last_second_ = 0;  // most times of one answer are the same
  std::string last_time_;
};

}  // namespace keelson::stats
