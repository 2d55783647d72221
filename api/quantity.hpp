// Quantity: an exact decimal amount of a resource: "100m", "1.5Gi", "1e3", "5".
//
// A value, trivially copyable, any thread. Held as mantissa x 10^exponent with a 128-bit mantissa: no floating point.
// As in apimachinery: values finer than 1n are rounded away from zero on parse; binary suffixes are capped at 2^63-1;
// the suffix family is kept. Unlike there, more than 36 significant digits are refused when parsed, and sums that would
// need more lose their lowest digits (rounded away from zero).
//
// Source: contract 05a (resource.Quantity); apimachinery's grammar and rounding.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/proto/resource.pb.h"
#include "base/result.hpp"

namespace keelson::api {

class Quantity {
 public:
  enum class Format : std::uint8_t { decimal_si, binary_si, decimal_exponent };

  constexpr Quantity() = default;  // 0, decimal_si

  static Result<Quantity> parse(std::string_view text);
  // 0 when the message is unset or holds text that does not parse (binary input is not validated by the wire).
  static Quantity of(const k8s::resource::Quantity& message);
  static Quantity from_int(std::int64_t value, Format format = Format::decimal_si);
  static Quantity from_milli(std::int64_t milli, Format format = Format::decimal_si);
  // value x 10^exponent
  static Quantity from_scaled(std::int64_t value, std::int32_t exponent, Format format = Format::decimal_si);
  static Quantity bytes(std::int64_t value) { return from_int(value, Format::binary_si); }

  Format format() const { return format_; }
  bool is_zero() const { return mantissa_ == 0; }
  int sign() const { return mantissa_ > 0 ? 1 : mantissa_ < 0 ? -1 : 0; }

  // Whole units, fractions rounded away from zero, saturated at the ends of int64.
  std::int64_t value() const { return scaled(0); }
  std::int64_t milli_value() const { return scaled(-3); }
  // In units of 10^exponent: scaled(-9) is nanos.
  std::int64_t scaled(std::int32_t exponent) const;
  double to_double() const;

  // Addition keeps this quantity's format; a zero takes the other's (as apimachinery).
  Quantity& operator+=(const Quantity& other);
  Quantity& operator-=(const Quantity& other);
  friend Quantity operator+(Quantity a, const Quantity& b) { return a += b; }
  friend Quantity operator-(Quantity a, const Quantity& b) { return a -= b; }
  Quantity operator-() const;

  // By amount; the format does not matter.
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b);
  friend bool operator==(const Quantity& a, const Quantity& b) { return (a <=> b) == 0; }

  // Canonical form: no fraction, the largest suffix of the family that loses nothing: "1500m", "512Mi", "1e3".
  std::string to_string() const;
  void store(k8s::resource::Quantity& message) const { message.set_string(to_string()); }

 private:
  using Mantissa = __int128;

  constexpr Quantity(Mantissa mantissa, std::int32_t exponent, Format format)
      : mantissa_(mantissa), exponent_(exponent), format_(format) {}
  static Quantity reduced(Mantissa mantissa, std::int32_t exponent, Format format);
  static Result<Quantity> parse_binary(std::string_view text, bool negative, std::string_view whole,
                                       std::string_view fraction, int shift);
  static Result<Quantity> parse_decimal(std::string_view text, bool negative, std::string_view whole,
                                        std::string_view fraction, std::int64_t exponent, Format format);

  // Normal form: no factor 10 in the mantissa; zero has exponent 0.
  Mantissa mantissa_ = 0;
  std::int32_t exponent_ = 0;
  Format format_ = Format::decimal_si;
};

}  // namespace keelson::api
