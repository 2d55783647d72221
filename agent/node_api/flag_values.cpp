#include "agent/node_api/flag_values.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/duration.hpp"
#include "config/flags.hpp"
#include "config/values.hpp"

namespace keelson::node_api {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

// A flag's value as pflag prints it.
struct FlagText {
  config::Form form;

  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::string* value) const { return *value; }
  std::string operator()(const config::Duration* value) const { return base::format_duration(*value); }
  std::string operator()(const config::Bytes* value) const { return std::to_string(value->value); }
  std::string operator()(const double* value) const { return nlohmann::json(*value).dump(); }
  template <class T>
  requires std::is_integral_v<T> std::string operator()(const T* value) const { return std::to_string(*value); }
  template <class T>
  std::string operator()(const std::optional<T>* value) const {
    return value->has_value() ? (*this)(&**value) : std::string();
  }
  std::string operator()(const std::vector<std::string>* list) const { return "[" + joined(*list) + "]"; }
  std::string operator()(const std::vector<std::int32_t>* list) const {
    std::vector<std::string> parts;
    for (const std::int32_t item : *list) parts.push_back(std::to_string(item));
    return "[" + joined(parts) + "]";
  }
  template <class T>
  std::string operator()(const std::map<std::string, T>* map) const {
    std::vector<std::string> parts;
    const char* between = form == config::Form::less_than ? "<" : "=";
    for (const auto& [key, value] : *map) parts.push_back(key + between + (*this)(&value));
    return joined(parts);
  }
  std::string operator()(const config::HeaderMap* headers) const {
    std::vector<std::string> parts;
    for (const auto& [key, values] : *headers) {
      for (const std::string& value : values) parts.push_back(key + ":" + value);
    }
    return joined(parts);
  }
  std::string operator()(const std::vector<config::Taint>* taints) const {
    std::vector<std::string> parts;
    for (const config::Taint& taint : *taints) parts.push_back(taint.key + "=" + taint.value + ":" + taint.effect);
    return joined(parts);
  }
  std::string operator()(const std::vector<config::MemoryReservation>* reservations) const {
    std::vector<std::string> parts;
    for (const auto& one : *reservations) {
      parts.push_back(std::to_string(one.numa_node) + ":" + (*this)(&one.limits));
    }
    return joined(parts);
  }
  std::string operator()(const std::vector<config::ShutdownGracePeriodByPodPriority>* periods) const {
    std::vector<std::string> parts;
    for (const auto& one : *periods) {
      parts.push_back(std::to_string(one.priority) + ":" + std::to_string(one.shutdown_grace_period_seconds));
    }
    return joined(parts);
  }
  std::string operator()(const std::vector<config::VModule>* modules) const {
    std::vector<std::string> parts;
    for (const auto& one : *modules) parts.push_back(one.file_pattern + "=" + std::to_string(one.verbosity));
    return joined(parts);
  }
};

std::string text_of(config::Slot slot, config::Form form) { return std::visit(FlagText{form}, slot); }

// Read and written again, so that a default looks like a value that was given.
std::string default_text(std::optional<std::string_view> standard, config::Slot scratch, config::Form form) {
  if (standard && !config::parse_flag_text(*standard, scratch, form, true).ok()) return std::string(*standard);
  return text_of(scratch, form);
}

}  // namespace

std::map<std::string, std::string> flag_values(const std::vector<std::string>& args) {
  config::ParsedFlags parsed = config::parse_flags(args);
  config::KubeletConfiguration scratch;
  config::IgnoredFlags ignored;
  std::map<std::string, std::string> values;
  for (const config::FlagSpec& flag : config::all_flags()) {
    std::string& value = values[std::string(flag.name)];
    if (flag.row != nullptr && flag.row->group == config::FlagGroup::ignored) {
      value = default_text(flag.row->standard, flag.row->slot(parsed.flags, ignored), config::Form::plain);
    } else if (flag.row != nullptr) {
      value = text_of(flag.row->slot(parsed.flags, ignored), config::Form::plain);
    } else if (std::find(parsed.given.begin(), parsed.given.end(), flag.field) != parsed.given.end()) {
      value = text_of(flag.field->slot(parsed.values), flag.field->form);
    } else {
      // Without --config the defaults are the older ones, and those are the flags' own.
      const auto standard = flag.field->legacy ? flag.field->legacy : flag.field->standard;
      value = default_text(standard, flag.field->slot(scratch), flag.field->form);
    }
  }
  return values;
}

}  // namespace keelson::node_api
