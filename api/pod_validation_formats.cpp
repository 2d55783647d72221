// The text formats of the Kubernetes API: DNS names, qualified names, labels, ports, environment names, paths.
#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "api/pod_validation_internal.hpp"

namespace keelson::api::validation {
namespace {

constexpr char kLabel[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr char kSubdomain[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr char kSubdomainUnderscore[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
constexpr char kNamePart[] =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr char kLabelValue[] =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
constexpr char kConfigKey[] =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
constexpr char kHeader[] =
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')";

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alnum(char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

bool all_of(std::string_view text, bool (*test)(char)) { return std::all_of(text.begin(), text.end(), test); }

bool is_label(std::string_view text, bool underscore = false) {
  if (text.empty() || !lower_or_digit(text.front()) || !lower_or_digit(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return lower_or_digit(c) || c == '-' || (underscore && c == '_'); });
}

bool is_subdomain(std::string_view text, bool underscore = false) {
  for (;;) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot), underscore)) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_name_part(std::string_view text) {
  if (text.empty() || !alnum(text.front()) || !alnum(text.back())) return false;
  return all_of(text, [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::string length_reason(std::size_t limit) { return "must be no more than " + std::to_string(limit) + " bytes"; }

}  // namespace

Reasons dns_label(std::string_view value) {
  Reasons reasons;
  if (value.size() > 63) reasons.push_back(length_reason(63));
  if (!is_label(value)) reasons.push_back(kLabel);
  return reasons;
}

Reasons dns_subdomain(std::string_view value) {
  Reasons reasons;
  if (value.size() > 253) reasons.push_back(length_reason(253));
  if (!is_subdomain(value)) reasons.push_back(kSubdomain);
  return reasons;
}

Reasons dns_subdomain_with_underscore(std::string_view value) {
  Reasons reasons;
  if (value.size() > 253) reasons.push_back(length_reason(253));
  if (!is_subdomain(value, true)) reasons.push_back(kSubdomainUnderscore);
  return reasons;
}

Reasons qualified_name(std::string_view value) {
  Reasons reasons;
  std::string_view name = value;
  if (const auto slash = value.find('/'); slash != std::string_view::npos) {
    if (value.find('/', slash + 1) != std::string_view::npos) {
      return {std::string("a qualified name ") + kNamePart +
              " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    const auto prefix = value.substr(0, slash);
    name = value.substr(slash + 1);
    if (prefix.empty()) {
      reasons.push_back("prefix part must be non-empty");
    } else {
      for (const auto& reason : dns_subdomain(prefix)) reasons.push_back("prefix part " + reason);
    }
  }
  if (name.empty()) {
    reasons.push_back("name part must be non-empty");
  } else if (name.size() > 63) {
    reasons.push_back("name part " + length_reason(63));
  }
  if (!is_name_part(name)) reasons.push_back(std::string("name part ") + kNamePart);
  return reasons;
}

Reasons label_value(std::string_view value) {
  Reasons reasons;
  if (value.size() > 63) reasons.push_back(length_reason(63));
  if (!value.empty() && !is_name_part(value)) reasons.push_back(kLabelValue);
  return reasons;
}

Reasons port_name(std::string_view value) {
  Reasons reasons;
  if (value.size() > 15) reasons.push_back(length_reason(15));
  if (value.empty() || !all_of(value, [](char c) { return lower_or_digit(c) || c == '-'; })) {
    reasons.push_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(value.begin(), value.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
    reasons.push_back("must contain at least one letter (a-z)");
  }
  if (value.find("--") != std::string_view::npos) reasons.push_back("must not contain consecutive hyphens");
  if (!value.empty() && (value.front() == '-' || value.back() == '-')) {
    reasons.push_back("must not begin or end with a hyphen");
  }
  return reasons;
}

std::string range_reason(int64_t low, int64_t high) {
  return "must be between " + std::to_string(low) + " and " + std::to_string(high) + ", inclusive";
}

Reasons port_number(int64_t value) {
  if (value >= 1 && value <= 65535) return {};
  return {range_reason(1, 65535)};
}

// RelaxedEnvironmentVariableValidation is locked on.
Reasons env_name(std::string_view value) {
  if (value.empty()) return {"environment variable name must be non-empty"};
  if (all_of(value, [](char c) { return c >= ' ' && c <= '~' && c != '='; })) return {};
  return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
}

Reasons config_key(std::string_view value) {
  Reasons reasons;
  if (value.size() > 253) reasons.push_back(length_reason(253));
  if (value.empty() || !all_of(value, [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; })) {
    reasons.push_back(kConfigKey);
  }
  if (value == ".") {
    reasons.push_back("must not be '.'");
  } else if (value == "..") {
    reasons.push_back("must not be '..'");
  } else if (value.substr(0, 2) == "..") {
    reasons.push_back("must not start with '..'");
  }
  return reasons;
}

Reasons http_header_name(std::string_view value) {
  if (!value.empty() && all_of(value, [](char c) { return alnum(c) || c == '-'; })) return {};
  return {kHeader};
}

Reasons ip_address(std::string_view value) {
  std::string text(value);
  unsigned char buffer[16];
  if (inet_pton(AF_INET, text.c_str(), buffer) == 1 || inet_pton(AF_INET6, text.c_str(), buffer) == 1) return {};
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

Reasons user_or_group_id(int64_t value) {
  if (value >= 0 && value <= INT32_MAX) return {};
  return {range_reason(0, INT32_MAX)};
}

bool has_dot_dot(std::string_view path) {
  for (;;) {
    const auto slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

std::string trim_space(std::string_view text) {
  const auto space = [](unsigned char c) { return std::isspace(c) != 0; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace keelson::api::validation
