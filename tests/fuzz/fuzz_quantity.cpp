// Two quantities, one per line: canonical form is stable, order and sums agree.
#include <limits>

#include "api/quantity.hpp"
#include "api/selectors.hpp"
#include "api/time.hpp"
#include "base/duration.hpp"
#include "tests/fuzz/fuzz.hpp"

KEELSON_FUZZ_ENTRY(keelson_fuzz_quantity) {
  using namespace keelson::api;
  const std::size_t newline = input.find('\n');
  const std::string_view first = input.substr(0, newline);
  const std::string_view second = newline == std::string_view::npos ? "1" : input.substr(newline + 1);
  // The other small languages share the input.
  (void)keelson::base::parse_duration(first);
  if (const auto time = parse_time(first); time.ok() && !is_zero(*time))
    KEELSON_CHECK(parse_time(format_time(*time)).ok());
  if (const auto selector = LabelSelector::parse(first); selector.ok()) {
    KEELSON_CHECK(LabelSelector::parse(selector->to_string()).ok());
  }
  if (const auto selector = FieldSelector::parse(first); selector.ok()) {
    KEELSON_CHECK(FieldSelector::parse(selector->to_string()).ok());
  }

  const auto a = Quantity::parse(first);
  if (!a.ok()) return;
  const auto again = Quantity::parse(a->to_string());
  KEELSON_CHECK(again.ok() && *again == *a && again->to_string() == a->to_string());
  const auto b = Quantity::parse(second);
  if (!b.ok()) return;
  KEELSON_CHECK(((*a <=> *b) == 0) == (*a == *b));
  KEELSON_CHECK((*a < *b) == (*b > *a));
  KEELSON_CHECK(*a + *b == *b + *a);
  KEELSON_CHECK((*a - *a).is_zero());
  KEELSON_CHECK(*a >= *b || a->value() <= b->value());
  KEELSON_CHECK(*a >= *b || a->milli_value() <= b->milli_value());
  KEELSON_CHECK((*a - *b).sign() == (*a == *b ? 0 : *a < *b ? -1 : 1));
}
