// The table of KubeletConfiguration v1beta1: one row for each field, with its type, default, flag, meaning and limits.
//
// Decoding, defaulting, drop-ins, flags, --help, /configz and docs/configuration.md are all made from it, so a field
// that is in the table is everywhere. Static data, any thread.
//
// Source: contract 01 §2 and §3; flag names as the kubelet's reference page lists them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/configuration.hpp"

namespace keelson::config {

// Where a field's value lives. The alternative says the field's type.
using Slot = std::variant<bool*, std::int32_t*, std::int64_t*, std::uint32_t*, double*, std::string*, Duration*, Bytes*,
                          std::vector<std::string>*, std::vector<std::int32_t>*, StringMap*, BoolMap*, HeaderMap*,
                          std::optional<bool>*, std::optional<std::int32_t>*, std::optional<std::int64_t>*,
                          std::optional<Duration>*, std::optional<std::string>*, std::vector<Taint>*,
                          std::vector<MemoryReservation>*, std::vector<ShutdownGracePeriodByPodPriority>*,
                          std::vector<VModule>*>;

enum class Section { server, pods, images, resources, node };
std::string_view to_string(Section section);

// Variants of how a value is read that its type does not tell.
enum class Form {
  plain,
  nanoseconds,     // a duration that may also be a bare number of nanoseconds
  less_than,       // a map whose flag is written signal<value
  ip_address,      // a string whose flag must be an IP address
  absolute_later,  // a path that is relative to the folder of the main file
};

struct Field {
  std::string_view path;  // as in the file: "authentication.x509.clientCAFile"
  Slot (*slot)(KubeletConfiguration&);
  // Text as the field's flag takes it; no value: the field has no default.
  std::optional<std::string_view> standard;
  // The starting value without --config where it differs.
  std::optional<std::string_view> legacy;
  // A pointer in the Kubernetes type: an explicit zero is kept. Plain fields take zero for "not set".
  bool pointer = false;
  Form form = Form::plain;
  // /configz shows it even when zero.
  bool always_shown = false;
  std::string_view flag;
  char shorthand = 0;
  // The flag prints no deprecation line.
  bool flag_current = false;
  std::string_view meaning;
  std::string_view rejected;
  // Replaces the default in the documentation where a rule decides.
  std::string_view default_note;
};

std::span<const Field> server_fields();
std::span<const Field> pod_fields();
std::span<const Field> image_fields();
std::span<const Field> resource_fields();
std::span<const Field> node_fields();

struct SectionFields {
  Section section;
  std::span<const Field> fields;
};
const std::vector<SectionFields>& sections();
const std::vector<const Field*>& all_fields();
const Field* find_field(std::string_view path);
// Whether `path` is an object that holds fields: "authentication", "logging.options".
bool is_group(std::string_view path);

// "int32", "duration", "map of string to string", ...
std::string_view type_name(const Field& field);

}  // namespace keelson::config
