// Flag texts: what --name=VALUE means for each type of field.
#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

#include "api/quantity.hpp"
#include "base/duration.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

Error invalid(std::string text) { return Error(ErrorKind::invalid, std::move(text)); }

// Decimal, or 0x.. and 0.. as Go reads them with base 0.
template <class T>
Status parse_integer(std::string_view text, T& out, std::string_view type) {
  const std::string_view whole = text;
  const bool negative = text.starts_with('-');
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.starts_with('0')) {
    base = 8;
  }
  const std::string digits = (negative ? "-" : "") + std::string(text);
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (text.empty() || text.starts_with('-') || error != std::errc{} || end != digits.data() + digits.size()) {
    return invalid("expected an " + std::string(type) + ", found " + quote(whole));
  }
  out = value;
  return {};
}

// Visits the type of the slot with the flag's text.
struct FlagReader {
  std::string_view text;
  Form form;
  bool first;

  Status operator()(bool* out) const {
    auto value = parse_bool(text);
    if (!value.ok()) return value.error();
    *out = *value;
    return {};
  }
  Status operator()(std::int32_t* out) const { return parse_integer(text, *out, "int32"); }
  Status operator()(std::int64_t* out) const { return parse_integer(text, *out, "int64"); }
  Status operator()(std::uint32_t* out) const { return parse_integer(text, *out, "uint32"); }
  Status operator()(double* out) const {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
      return invalid("expected a number, found " + quote(text));
    }
    *out = value;
    return {};
  }
  Status operator()(std::string* out) const {
    if (form == Form::ip_address && !is_ip_address(std::string(trim(text)))) {
      return invalid("expected an IP address, found " + quote(text));
    }
    *out = form == Form::ip_address ? std::string(trim(text)) : std::string(text);
    return {};
  }
  Status operator()(Duration* out) const {
    auto value = base::parse_duration(text);
    if (!value.ok()) return invalid("expected a duration such as 1m30s, found " + quote(text));
    *out = *value;
    return {};
  }
  Status operator()(Bytes* out) const {
    auto value = api::Quantity::parse(text);
    if (!value.ok()) return invalid("expected a quantity such as 64Ki, found " + quote(text));
    out->value = value->value();
    return {};
  }
  Status operator()(std::vector<std::string>* out) const {
    if (first) out->clear();
    if (text.empty()) return {};
    for (auto& item : split(text, ',')) out->push_back(std::move(item));
    return {};
  }
  Status operator()(std::vector<std::int32_t>* out) const {
    if (first) out->clear();
    if (text.empty()) return {};
    for (const auto& item : split(text, ',')) {
      std::int32_t value = 0;
      KEELSON_TRY(parse_integer(trim(item), value, "int32"));
      out->push_back(value);
    }
    return {};
  }
  Status operator()(StringMap* out) const {
    if (first) out->clear();
    const char separator = form == Form::less_than ? '<' : '=';
    return each_pair(separator, [&](std::string_view key, std::string_view value) -> Status {
      (*out)[std::string(key)] = std::string(value);
      return {};
    });
  }
  Status operator()(BoolMap* out) const {
    if (first) out->clear();
    return each_pair('=', [&](std::string_view key, std::string_view value) -> Status {
      auto parsed = parse_bool(value);
      if (!parsed.ok()) return parsed.error().wrap(std::string(key));
      (*out)[std::string(key)] = *parsed;
      return {};
    });
  }
  Status operator()(HeaderMap* out) const {
    if (first) out->clear();
    return each_pair(':', [&](std::string_view key, std::string_view value) -> Status {
      (*out)[std::string(key)].push_back(std::string(value));
      return {};
    });
  }
  template <class T>
  Status operator()(std::optional<T>* out) const {
    T value{};
    KEELSON_TRY((*this)(&value));
    *out = std::move(value);
    return {};
  }
  Status operator()(std::vector<Taint>* out) const {
    if (first) out->clear();
    if (text.empty()) return {};
    for (const auto& item : split(text, ',')) {
      const auto colon = item.rfind(':');
      if (colon == std::string::npos) {
        return invalid("expected taints as key=value:Effect,..., found " + quote(item));
      }
      const std::string pair = item.substr(0, colon);
      const auto equals = pair.find('=');
      Taint taint;
      taint.key = std::string(trim(pair.substr(0, equals)));
      if (equals != std::string::npos) taint.value = pair.substr(equals + 1);
      taint.effect = item.substr(colon + 1);
      out->push_back(std::move(taint));
    }
    return {};
  }
  // 0:memory=1Gi,hugepages-1M=2Gi
  Status operator()(std::vector<MemoryReservation>* out) const {
    if (first) out->clear();
    const auto colon = text.find(':');
    const std::string_view expected = "expected NODE:RESOURCE=QUANTITY,..., found ";
    if (colon == std::string_view::npos) return invalid(std::string(expected) + quote(text));
    MemoryReservation reservation;
    KEELSON_TRY(parse_integer(trim(text.substr(0, colon)), reservation.numa_node, "int32"));
    for (const auto& pair : split(text.substr(colon + 1), ',')) {
      const auto equals = pair.find('=');
      if (equals == std::string::npos) return invalid(std::string(expected) + quote(text));
      reservation.limits[std::string(trim(pair.substr(0, equals)))] = std::string(trim(pair.substr(equals + 1)));
    }
    out->push_back(std::move(reservation));
    return {};
  }
  Status operator()(std::vector<ShutdownGracePeriodByPodPriority>*) const { return invalid("cannot be set by a flag"); }
  Status operator()(std::vector<VModule>* out) const {
    if (first) out->clear();
    return each_pair('=', [&](std::string_view key, std::string_view value) -> Status {
      VModule module{std::string(key), 0};
      KEELSON_TRY(parse_integer(value, module.verbosity, "uint32"));
      out->push_back(std::move(module));
      return {};
    });
  }

  template <class Visit>
  Status each_pair(char separator, const Visit& visit) const {
    for (const auto& pair : split(text, ',')) {
      if (trim(pair).empty()) continue;
      const auto at = pair.find(separator);
      if (at == std::string::npos) {
        return invalid("expected key" + std::string(1, separator) + "value pairs separated by commas, found " +
                       quote(pair));
      }
      KEELSON_TRY(visit(trim(std::string_view(pair).substr(0, at)), trim(std::string_view(pair).substr(at + 1))));
    }
    return {};
  }
};

}  // namespace

Status parse_flag_text(std::string_view text, Slot slot, Form form, bool first) {
  return std::visit(FlagReader{text, form, first}, slot);
}

std::string on_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out += c;
      continue;
    }
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    out += escaped;
  }
  return out;
}

std::string quote(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return "\"" + on_one_line(out) + "\"";
}

bool is_utf8(const std::string& text) {
  try {
    (void)nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::string one_of(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += quote(words[i]);
  }
  return out;
}

Result<bool> parse_bool(std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  return invalid("expected true or false, found " + quote(text));
}

bool is_ip_address(const std::string& text) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, text.c_str(), buffer) == 1 || inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (std::size_t at = text.find(separator); at != std::string_view::npos; at = text.find(separator, start)) {
    parts.emplace_back(text.substr(start, at - start));
    start = at + 1;
  }
  parts.emplace_back(text.substr(start));
  return parts;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace keelson::config
