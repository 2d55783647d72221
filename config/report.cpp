#include "config/report.hpp"

#include "config/values.hpp"

namespace keelson::config {
namespace {

// "a[0].b[c.d]" -> "a[0].b" -> "a[0]" -> "a" -> ""
std::string_view parent(std::string_view path) {
  if (path.ends_with(']')) {
    const auto bracket = path.rfind('[');
    return bracket == std::string_view::npos ? std::string_view() : path.substr(0, bracket);
  }
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

}  // namespace

void Origins::forget(const std::string& path) {
  std::erase_if(places_, [&](const auto& entry) {
    const std::string& key = entry.first;
    return key.starts_with(path) && (key.size() == path.size() || key[path.size()] == '[' || key[path.size()] == '.');
  });
}

std::string Origins::prefix(std::string_view path) const {
  for (; !path.empty(); path = parent(path)) {
    if (const auto it = places_.find(path); it != places_.end()) return it->second + ": ";
  }
  return "";
}

void Report::unsupported(std::string_view path, const std::string& value,
                         const std::vector<std::string_view>& supported) {
  add(path, "Unsupported value: " + value + ": expected " + one_of(supported));
}

void Report::add(std::string_view path, const std::string& text) {
  for (std::string_view part = path; !part.empty(); part = parent(part)) {
    if (muted_.contains(part)) return;
  }
  errors_.push_back(origins_.prefix(path) + std::string(path) + ": " + text);
}

void Report::warn(std::string_view path, const std::string& text) {
  warnings_.push_back(origins_.prefix(path) + std::string(path) + ": " + text);
}

}  // namespace keelson::config
