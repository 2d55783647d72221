#include "api/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace keelson::api {
namespace {

using Wide = __int128;
using Unsigned = unsigned __int128;
using Format = Quantity::Format;

constexpr int kDigits = 36;  // of a mantissa: 10^36 x 100 still fits 128 bits
constexpr std::int32_t kNano = -9;
constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMinInt64 = std::numeric_limits<std::int64_t>::min();
// Exponents beyond this are refused, far past any use and far from overflow of the exponent itself.
constexpr std::int64_t kMaxExponent = 100'000;

constexpr std::array<Wide, kDigits + 2> kPowers = [] {
  std::array<Wide, kDigits + 2> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

struct Suffix {
  std::string_view text;
  int exponent;  // of 10, or of 2 for the binary family
  Format format;
};

constexpr std::array kSuffixes = {
    Suffix{"n", -9, Format::decimal_si}, Suffix{"u", -6, Format::decimal_si}, Suffix{"m", -3, Format::decimal_si},
    Suffix{"", 0, Format::decimal_si},   Suffix{"k", 3, Format::decimal_si},  Suffix{"M", 6, Format::decimal_si},
    Suffix{"G", 9, Format::decimal_si},  Suffix{"T", 12, Format::decimal_si}, Suffix{"P", 15, Format::decimal_si},
    Suffix{"E", 18, Format::decimal_si}, Suffix{"Ki", 10, Format::binary_si}, Suffix{"Mi", 20, Format::binary_si},
    Suffix{"Gi", 30, Format::binary_si}, Suffix{"Ti", 40, Format::binary_si}, Suffix{"Pi", 50, Format::binary_si},
    Suffix{"Ei", 60, Format::binary_si},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Error bad(std::string_view text, std::string_view why) {
  constexpr std::size_t kLongest = 60;
  return Error(ErrorKind::invalid, "invalid quantity \"" + std::string(text.substr(0, kLongest)) +
                                       (text.size() > kLongest ? "...\"" : "\"") + ": " + std::string(why));
}

Error bad_form(std::string_view text) {
  return bad(text, "expected a number with an optional suffix, such as 100m, 1.5Gi, 1e3, 5");
}

std::string_view take_digits(std::string_view& rest) {
  std::size_t count = 0;
  while (count < rest.size() && is_digit(rest[count])) ++count;
  const std::string_view digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

void strip_leading_zeros(std::string_view& digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
}
void strip_trailing_zeros(std::string_view& digits) {
  const std::size_t last = digits.find_last_not_of('0');
  digits = digits.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

Wide to_wide(std::string_view digits) {
  Wide value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

int digit_count(Wide value) {
  int count = 1;
  while (count < kDigits + 1 && value >= kPowers[static_cast<std::size_t>(count)]) ++count;
  return count;
}

// value / 10^power, away from zero. Any power.
Wide divide_up(Wide value, std::int64_t power) {
  if (power <= 0 || value == 0) return value;
  const Wide direction = value > 0 ? 1 : -1;
  if (power > kDigits) return direction;
  const Wide divisor = kPowers[static_cast<std::size_t>(power)];
  return value / divisor + (value % divisor != 0 ? direction : 0);
}

std::string digits_of(Wide value) {
  const bool negative = value < 0;
  Unsigned rest = negative ? -static_cast<Unsigned>(value) : static_cast<Unsigned>(value);
  std::string reversed;
  do {
    reversed += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (negative) reversed += '-';
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

}  // namespace

Quantity Quantity::reduced(Mantissa mantissa, std::int32_t exponent, Format format) {
  if (mantissa == 0) return Quantity(0, 0, format);
  const auto fits = [](Wide value) { return value >= kMinInt64 && value <= kMaxInt64; };
  for (; !fits(mantissa) && mantissa % 10 == 0; mantissa /= 10) ++exponent;
  if (!fits(mantissa)) return Quantity(mantissa, exponent, format);
  // Dividing 128 bits is slow.
  auto small = static_cast<std::int64_t>(mantissa);
  for (; small % 10 == 0; small /= 10) ++exponent;
  return Quantity(small, exponent, format);
}

Quantity Quantity::from_int(std::int64_t value, Format format) { return reduced(value, 0, format); }
Quantity Quantity::from_milli(std::int64_t milli, Format format) { return reduced(milli, -3, format); }
Quantity Quantity::from_scaled(std::int64_t value, std::int32_t exponent, Format format) {
  return reduced(value, exponent, format);
}

Quantity Quantity::of(const k8s::resource::Quantity& message) {
  if (message.string().empty()) return {};
  return parse(message.string()).value_or(Quantity());
}

// The grammar is apimachinery's, generous where it is: a missing number is zero ("Ki", "+", "."), "1." and ".5" are
// fine.
Result<Quantity> Quantity::parse(std::string_view text) {
  std::string_view rest = text;
  if (rest.empty()) return bad_form(text);
  const bool negative = rest.front() == '-';
  if (negative || rest.front() == '+') rest.remove_prefix(1);
  const std::string_view whole = take_digits(rest);
  std::string_view fraction;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    fraction = take_digits(rest);
  }
  const auto suffix = std::find_if(kSuffixes.begin(), kSuffixes.end(), [&](const Suffix& s) { return s.text == rest; });
  if (suffix != kSuffixes.end()) {
    if (suffix->format == Format::binary_si) return parse_binary(text, negative, whole, fraction, suffix->exponent);
    return parse_decimal(text, negative, whole, fraction, suffix->exponent, Format::decimal_si);
  }
  if (rest.size() < 2 || (rest.front() != 'e' && rest.front() != 'E')) return bad_form(text);
  rest.remove_prefix(1);
  if (rest.front() == '+') rest.remove_prefix(1);
  if (rest.empty() || (rest.front() == '-' && text[text.size() - rest.size() - 1] == '+')) return bad_form(text);
  std::int64_t exponent = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
  if (read.ptr != rest.data() + rest.size() || read.ec == std::errc::invalid_argument) return bad_form(text);
  if (read.ec != std::errc() || exponent > kMaxExponent || exponent < -kMaxExponent) {
    return bad(text, "the exponent is out of range");
  }
  return parse_decimal(text, negative, whole, fraction, exponent, Format::decimal_exponent);
}

Result<Quantity> Quantity::parse_decimal(std::string_view text, bool negative, std::string_view whole,
                                         std::string_view fraction, std::int64_t exponent, Format format) {
  // Zeros at the ends carry no digits, however many there are.
  strip_leading_zeros(whole);
  strip_trailing_zeros(fraction);
  if (whole.empty()) {
    const std::size_t length = fraction.size();
    strip_leading_zeros(fraction);
    exponent -= static_cast<std::int64_t>(length);
  } else {
    exponent -= static_cast<std::int64_t>(fraction.size());
  }
  if (whole.empty() && fraction.empty()) return Quantity(0, 0, format);
  // Digits below a nano only say "round up".
  bool more = false;
  if (exponent < kNano) {
    const auto excess = static_cast<std::uint64_t>(kNano - exponent);
    const std::size_t from_fraction = std::min<std::uint64_t>(excess, fraction.size());
    fraction.remove_suffix(from_fraction);
    const std::size_t from_whole = std::min<std::uint64_t>(excess - from_fraction, whole.size());
    const std::string_view cut = whole.substr(whole.size() - from_whole);
    whole.remove_suffix(from_whole);
    // A fraction ends in a digit other than zero, if there is one.
    more = from_fraction > 0 || cut.find_first_not_of('0') != std::string_view::npos;
    exponent = kNano;
  }
  if (fraction.empty()) {
    const std::size_t length = whole.size();
    if (!more) strip_trailing_zeros(whole);
    exponent += static_cast<std::int64_t>(length - whole.size());
  }
  if (whole.size() + fraction.size() > static_cast<std::size_t>(kDigits)) {
    return bad(text, "more than 36 significant digits");
  }
  Wide mantissa = to_wide(whole) * kPowers[fraction.size()] + to_wide(fraction) + (more ? 1 : 0);
  if (exponent > kMaxExponent) return bad(text, "the value is out of range");
  return reduced(negative ? -mantissa : mantissa, static_cast<std::int32_t>(exponent), format);
}

Result<Quantity> Quantity::parse_binary(std::string_view text, bool negative, std::string_view whole,
                                        std::string_view fraction, int shift) {
  constexpr std::size_t kFractionDigits = 19;  // 10^19 x 2^60 fits 128 bits
  strip_leading_zeros(whole);
  strip_trailing_zeros(fraction);
  if (fraction.size() > kFractionDigits) return bad(text, "more than 19 decimal places before a binary suffix");
  // At most 2^63-1, in nanos: 9.2e27.
  const Wide cap = static_cast<Wide>(kMaxInt64) * kPowers[9];
  Wide nanos = cap;
  if (whole.size() <= 19) {
    const Wide units = to_wide(whole) << shift;  // below 10^19 x 2^60
    const Wide part = to_wide(fraction) << shift;
    const auto places = static_cast<std::int64_t>(fraction.size());
    const Wide part_nanos =
        places <= 9 ? part * kPowers[static_cast<std::size_t>(9 - places)] : divide_up(part, places - 9);
    if (units <= kMaxInt64) nanos = std::min(cap, units * kPowers[9] + part_nanos);
  }
  const bool below_one = nanos < kPowers[9] && nanos > 0;
  return reduced(negative ? -nanos : nanos, kNano, below_one ? Format::decimal_si : Format::binary_si);
}

std::int64_t Quantity::scaled(std::int32_t exponent) const {
  if (mantissa_ == 0) return 0;
  const std::int64_t shift = static_cast<std::int64_t>(exponent_) - exponent;
  Wide value = 0;
  if (shift <= 0) {
    value = divide_up(mantissa_, -shift);
  } else if (shift > 19 || digit_count(mantissa_ < 0 ? -mantissa_ : mantissa_) + shift > 20) {
    return mantissa_ > 0 ? kMaxInt64 : kMinInt64;
  } else {
    value = mantissa_ * kPowers[static_cast<std::size_t>(shift)];
  }
  if (value > kMaxInt64) return kMaxInt64;
  if (value < kMinInt64) return kMinInt64;
  return static_cast<std::int64_t>(value);
}

double Quantity::to_double() const { return static_cast<double>(mantissa_) * std::pow(10.0, exponent_); }

Quantity Quantity::operator-() const { return Quantity(-mantissa_, exponent_, format_); }

Quantity& Quantity::operator+=(const Quantity& other) {
  if (is_zero()) return *this = other;
  if (other.is_zero()) return *this;
  // Move the one with the larger exponent down to the other, as far as its digits allow.
  Quantity high = *this;
  Quantity low = other;
  if (high.exponent_ < low.exponent_) std::swap(high, low);
  const Wide size = high.mantissa_ < 0 ? -high.mantissa_ : high.mantissa_;
  const std::int64_t gap = static_cast<std::int64_t>(high.exponent_) - low.exponent_;
  const std::int64_t room = std::min<std::int64_t>(gap, kDigits - digit_count(size));
  const Wide lifted = high.mantissa_ * kPowers[static_cast<std::size_t>(room)];
  const Wide lowered = divide_up(low.mantissa_, gap - room);
  Wide sum = lifted + lowered;  // each below 10^36
  std::int64_t exponent = high.exponent_ - room;
  if (digit_count(sum < 0 ? -sum : sum) > kDigits) {
    sum = divide_up(sum, 1);
    ++exponent;
  }
  return *this = reduced(sum, static_cast<std::int32_t>(exponent), format_);
}

Quantity& Quantity::operator-=(const Quantity& other) { return *this += -other; }

std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
  if (a.sign() != b.sign() || a.sign() == 0) return a.sign() <=> b.sign();
  const Wide left = a.mantissa_ < 0 ? -a.mantissa_ : a.mantissa_;
  const Wide right = b.mantissa_ < 0 ? -b.mantissa_ : b.mantissa_;
  // First by the place of the leading digit, then digit by digit at the same exponent.
  const std::int64_t left_top = static_cast<std::int64_t>(digit_count(left)) + a.exponent_;
  const std::int64_t right_top = static_cast<std::int64_t>(digit_count(right)) + b.exponent_;
  std::strong_ordering order = left_top <=> right_top;
  if (order == 0) {
    const std::int32_t low = std::min(a.exponent_, b.exponent_);
    order = left * kPowers[static_cast<std::size_t>(a.exponent_ - low)] <=>
            right * kPowers[static_cast<std::size_t>(b.exponent_ - low)];
  }
  if (a.sign() > 0) return order;
  return 0 <=> order;
}

std::string Quantity::to_string() const {
  if (mantissa_ == 0) return "0";
  Format format = format_;
  if (format == Format::binary_si) {
    const Quantity limit = from_int(1024);
    const bool small = *this<limit&&* this> - limit;
    if (small || exponent_ < 0 || digit_count(mantissa_ < 0 ? -mantissa_ : mantissa_) + exponent_ > kDigits) {
      format = Format::decimal_si;  // binary suffixes cannot say it without loss
    } else {
      Wide value = mantissa_ * kPowers[static_cast<std::size_t>(exponent_)];
      int steps = 0;
      for (; value % 1024 == 0 && steps < 6; ++steps) value /= 1024;
      constexpr std::array<std::string_view, 7> kBinary = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
      return digits_of(value).append(kBinary[static_cast<std::size_t>(steps)]);
    }
  }
  // Exponents come in steps of three; the mantissa takes up to two zeros.
  std::int32_t exponent = exponent_;
  Wide mantissa = mantissa_;
  while (exponent % 3 != 0) {
    mantissa *= 10;
    --exponent;
  }
  const auto suffix = std::find_if(kSuffixes.begin(), kSuffixes.end(), [&](const Suffix& s) {
    return s.format == Format::decimal_si && s.exponent == exponent;
  });
  std::string out = digits_of(mantissa);
  if (format == Format::decimal_si && suffix != kSuffixes.end()) return out.append(suffix->text);
  if (exponent != 0) out += "e" + std::to_string(exponent);
  return out;
}

}  // namespace keelson::api
