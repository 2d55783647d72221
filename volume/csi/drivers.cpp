#include "volume/csi/drivers.hpp"

#include <algorithm>

#include "volume/csi/go_json.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// ["1.0.0" "1.1"]
std::string list_of(const std::vector<std::string>& versions) {
  std::string out = "[";
  for (const std::string& version : versions) {
    if (out.size() > 1) out += ' ';
    out += go_json_string(version);
  }
  return out + "]";
}

std::string bare_path(const std::string& endpoint) {
  constexpr std::string_view kScheme = "unix://";
  return endpoint.starts_with(kScheme) ? endpoint.substr(kScheme.size()) : endpoint;
}

}  // namespace

Result<CsiVersion> CsiVersion::parse(std::string_view text) {
  const Error unusable(ErrorKind::invalid, "could not parse \"" + std::string(text) + "\" as version");
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\n')) text.remove_prefix(1);
  if (!text.empty() && text.front() == 'v') text.remove_prefix(1);
  CsiVersion version;
  while (!text.empty() && is_digit(text.front())) {
    std::size_t end = 0;
    while (end < text.size() && is_digit(text[end])) ++end;
    if (end > 18) return unusable;
    if (end > 1 && text.front() == '0') {
      return Error(ErrorKind::invalid, "illegal zero-prefixed version component \"" + std::string(text.substr(0, end)) +
                                           "\" in \"" + std::string(text) + "\"");
    }
    version.numbers.push_back(std::stoull(std::string(text.substr(0, end))));
    const bool more = end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1]);
    text.remove_prefix(more ? end + 1 : end);
    if (!more) break;
  }
  if (version.numbers.size() < 2) return unusable;
  return version;
}

std::string CsiVersion::to_string() const {
  std::string out;
  for (const std::uint64_t number : numbers) out += (out.empty() ? "" : ".") + std::to_string(number);
  return out;
}

// A number that is not there counts as 0.
bool CsiVersion::operator<(const CsiVersion& other) const {
  const std::size_t size = std::max(numbers.size(), other.numbers.size());
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t mine = i < numbers.size() ? numbers[i] : 0;
    const std::uint64_t theirs = i < other.numbers.size() ? other.numbers[i] : 0;
    if (mine != theirs) return mine < theirs;
  }
  return false;
}

Result<CsiVersion> highest_csi_version(const std::vector<std::string>& versions) {
  std::optional<CsiVersion> highest;
  std::string cause = "<nil>";
  for (const std::string& text : versions) {
    auto version = CsiVersion::parse(text);
    if (!version.ok()) {
      cause = version.error().to_string();
    } else if (version->major_number() <= 1 && (!highest || *highest < *version)) {
      highest = *version;
    }
  }
  if (!highest) {
    return Error(ErrorKind::invalid, "could not find a highest supported version from versions (" + list_of(versions) +
                                         ") reported by this driver: " + cause);
  }
  if (highest->major_number() != 1) {
    return Error(ErrorKind::invalid,
                 "highest supported version reported by driver is " + highest->to_string() + ", must be v1.x");
  }
  return *highest;
}

Result<CsiVersion> CsiDrivers::check(const char* caller, const std::string& name,
                                     const std::vector<std::string>& versions) const {
  const std::string failed = "kubernetes.io/csi: " + std::string(caller) + " for CSI driver \"" + name + "\" failed. ";
  // It is part of paths.
  if (const Status plain = check_element("driver name", name); !plain.ok())
    return Error(ErrorKind::invalid, failed + plain.error().to_string());
  if (versions.empty())
    return Error(ErrorKind::invalid, failed + "Plugin returned an empty list for supported versions");
  auto highest = highest_csi_version(versions);
  if (!highest.ok()) {
    return Error(ErrorKind::invalid, failed + "None of the versions specified " + list_of(versions) +
                                         " are supported. err=" + highest.error().to_string());
  }
  const auto known = drivers_.find(name);
  if (known != drivers_.end() && !(known->second.version < *highest)) {
    return Error(ErrorKind::already_exists,
                 failed +
                     "Another driver with the same name is already registered with a higher supported version: \"" +
                     known->second.version.to_string() + "\"");
  }
  return highest;
}

Status CsiDrivers::validate(const std::string& name, const std::string& endpoint,
                            const std::vector<std::string>& versions) const {
  const auto checked = check("ValidatePlugin", name, versions);
  if (checked.ok()) return {};
  return Error(checked.error().kind(), "validation failed for CSI Driver " + name + " at endpoint " + endpoint + ": " +
                                           checked.error().to_string());
}

Status CsiDrivers::add(const std::string& name, const std::string& endpoint, const std::vector<std::string>& versions) {
  auto version = check("RegisterPlugin", name, versions);
  if (!version.ok()) return std::move(version).error();
  CsiDriver driver;
  driver.name = name;
  driver.endpoint = bare_path(endpoint);
  driver.version = std::move(*version);
  drivers_[name] = std::move(driver);
  if (listener_) listener_();
  return {};
}

bool CsiDrivers::remove(const std::string& name) {
  if (drivers_.erase(name) == 0) return false;
  if (listener_) listener_();
  return true;
}

std::optional<CsiDriver> CsiDrivers::find(const std::string& name) const {
  const auto found = drivers_.find(name);
  if (found == drivers_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> CsiDrivers::names() const {
  std::vector<std::string> out;
  for (const auto& [name, driver] : drivers_) out.push_back(name);
  return out;
}

}  // namespace keelson::volume
