#include "agent/images/image_metrics.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace keelson::agent {
namespace {

constexpr std::uint64_t kMega = 1024 * 1024;
constexpr std::uint64_t kGiga = 1024 * kMega;

struct SizeRow {
  std::uint64_t above;
  const char* label;
};
constexpr std::array kSizes{
    SizeRow{60 * kGiga, "60GB-100GB"},
    SizeRow{40 * kGiga, "40GB-60GB"},
    SizeRow{30 * kGiga, "30GB-40GB"},
    SizeRow{20 * kGiga, "20GB-30GB"},
    SizeRow{10 * kGiga, "10GB-20GB"},
    SizeRow{5 * kGiga, "5GB-10GB"},
    SizeRow{kGiga, "1GB-5GB"},
    SizeRow{500 * kMega, "500MB-1GB"},
    SizeRow{100 * kMega, "100MB-500MB"},
    SizeRow{10 * kMega, "10MB-100MB"},
    SizeRow{0, "0-10MB"},
};
constexpr std::uint64_t kLargest = 100 * kGiga;

std::string word(std::optional<bool> answer) {
  if (!answer) return "unknown";
  return *answer ? "true" : "false";
}

}  // namespace

void ImageMetrics::requested(const std::string& policy, std::optional<bool> present, std::optional<bool> pull) {
  std::string lower = policy;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  ++requests[{std::move(lower), word(present), word(pull)}];
}

std::string image_size_label(std::uint64_t bytes) {
  if (bytes == 0) return "N/A";
  if (bytes > kLargest) return "GT100GB";
  return std::find_if(kSizes.begin(), kSizes.end(), [&](const SizeRow& row) { return bytes > row.above; })->label;
}

}  // namespace keelson::agent
