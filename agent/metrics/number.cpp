#include "agent/metrics/number.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace keelson::metrics {
namespace {

constexpr int kFirstExponent = 6;  // 1e+06, but 999999
constexpr int kLastFixed = -4;     // 0.0001, but 1e-05
constexpr std::size_t kLongest = 32;

}  // namespace

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  if (value == 0) {
    out += '0';
    return;
  }
  std::array<char, kLongest> text{};
  const char* end = std::to_chars(text.begin(), text.end(), value, std::chars_format::scientific).ptr;
  const char* exponent = std::find(text.cbegin(), end, 'e');
  const int power = std::atoi(exponent + 1);  // the text ends with a zero byte: it is shorter than the array
  if (power >= kLastFixed && power < kFirstExponent) {
    end = std::to_chars(text.begin(), text.end(), value, std::chars_format::fixed).ptr;
  }
  out.append(text.data(), static_cast<std::size_t>(end - text.data()));
}

}  // namespace keelson::metrics
