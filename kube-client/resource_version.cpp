#include "kube-client/resource_version.hpp"

#include <algorithm>

namespace keelson::kube {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string_view without_zeros(std::string_view number) {
  return number.substr(std::min(number.find_first_not_of('0'), number.size()));
}

}  // namespace

bool older(std::string_view version, std::string_view other) {
  if (!is_number(version) || !is_number(other)) return false;
  version = without_zeros(version);
  other = without_zeros(other);
  return version.size() != other.size() ? version.size() < other.size() : version < other;
}

bool not_newer(std::string_view version, std::string_view other) { return version == other || older(version, other); }

}  // namespace keelson::kube
