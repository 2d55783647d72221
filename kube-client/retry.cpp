#include "kube-client/retry.hpp"

#include <array>
#include <charconv>
#include <ctime>

namespace keelson::kube {
namespace {

constexpr std::int64_t kLongestSeconds = 1'000'000'000;

std::optional<std::int64_t> parse_seconds(std::string_view value) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc::result_out_of_range && end == value.data() + value.size()) return kLongestSeconds;
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0) return std::nullopt;
  return std::min(seconds, kLongestSeconds);
}

// The three forms that RFC 9110 §5.6.7 wants to be understood.
std::optional<base::SystemTime> parse_http_date(const std::string& value) {
  static constexpr std::array kForms = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
  for (const char* form : kForms) {
    std::tm parts{};
    const char* end = strptime(value.c_str(), form, &parts);
    if (end != nullptr && *end == '\0') return std::chrono::system_clock::from_time_t(timegm(&parts));
  }
  return std::nullopt;
}

}  // namespace

std::optional<base::Duration> parse_retry_after(std::string_view value, base::SystemTime now) {
  const std::size_t first = value.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  value = value.substr(first, value.find_last_not_of(" \t") - first + 1);
  if (const auto seconds = parse_seconds(value)) return std::chrono::seconds(*seconds);
  const auto date = parse_http_date(std::string(value));
  if (!date) return std::nullopt;
  return std::max(base::Duration(0), base::Duration(*date - now));
}

std::optional<base::Duration> Retries::after(const Error& error) {
  if (error.kind() == ErrorKind::unavailable) {
    if (std::exchange(reconnected_, true)) return std::nullopt;
    return base::Duration(0);
  }
  if (error.kind() != ErrorKind::maybe_applied || !is_get_ || ++broken_ > kMost) return std::nullopt;
  // The first break is most likely a connection that had been idle; more of them are trouble.
  return broken_ == 1 ? base::Duration(0) : base::Duration(std::chrono::seconds(1));
}

std::optional<base::Duration> Retries::after(int http_status, const Headers& headers, base::SystemTime now) {
  if (http_status != 429 && http_status < 500) return std::nullopt;
  const std::string* header = find_header(headers, "retry-after");
  if (header == nullptr) return std::nullopt;
  const auto wait = parse_retry_after(*header, now);
  if (!wait || ++answers_ > kMost) return std::nullopt;
  return wait;
}

}  // namespace keelson::kube
