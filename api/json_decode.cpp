#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "api/base64.hpp"
#include "api/envelope.hpp"
#include "api/field_value.hpp"
#include "api/int_or_string.hpp"
#include "api/json_codec.hpp"
#include "api/json_text.hpp"
#include "api/message_plan.hpp"
#include "api/proto/runtime.pb.h"
#include "api/quantity.hpp"
#include "api/time.hpp"
#include "base/duration.hpp"

namespace keelson::api {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using internal::as;
using internal::FieldPlan;
using internal::MessagePlan;
using internal::Special;

// Input that is wrong everywhere is not worth a complaint per field.
constexpr std::size_t kMostErrors = 1000;

// Number of single-character edits between two short names, cut off at `limit`.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  if (a.size() > b.size() + limit || b.size() > a.size() + limit) return limit + 1;
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The known name that was probably meant.
std::string_view nearest_name(const MessagePlan& plan, std::string_view name) {
  if (name.size() > 64) return {};
  const std::string wanted = lower(name);
  const std::size_t limit = name.size() <= 4 ? 1 : 2;
  std::string_view best;
  std::size_t best_distance = limit + 1;
  for (const auto& key : plan.keys) {
    const std::size_t distance = edit_distance(lower(key.name), wanted, limit);
    if (distance < best_distance) {
      best = key.name;
      best_distance = distance;
    }
  }
  return best;
}

class Decoder {
 public:
  Decoder(const DecodeOptions& options, std::vector<FieldError>& errors) : options_(options), errors_(errors) {}

  bool failed() const { return failed_; }

  void decode_root(const Node& node, Message& message) {
    const MessagePlan& plan = internal::plan_of(message.GetDescriptor());
    if (plan.special != Special::none) {
      decode_special(node, message, plan.special);
    } else if (node.is_null()) {
      add_error(FieldError::Kind::wrong_type, node.at, "expected an object, found nothing");
    } else {
      decode_message(node, message, plan, options_.type_meta);
    }
  }

 private:
  // One step of the path, put on a stack while decoding goes down; text is made only for complaints.
  struct Step {
    std::string_view name;
    int index = -1;
    bool map_key = false;
  };
  class Scope {
   public:
    Scope(std::vector<Step>& path, Step step) : path_(path) { path_.push_back(step); }
    ~Scope() { path_.pop_back(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::vector<Step>& path_;
  };

  std::string path_text() const {
    std::string out;
    for (const Step& step : path_) {
      if (step.index >= 0) {
        out += "[" + std::to_string(step.index) + "]";
      } else if (step.map_key) {
        out.append("[").append(step.name).append("]");
      } else {
        out.append(out.empty() ? "" : ".").append(step.name);
      }
    }
    return out;
  }

  void add_error(FieldError::Kind kind, Position at, std::string message) {
    const bool form = kind == FieldError::Kind::unknown_field || kind == FieldError::Kind::duplicate_field;
    if (form && options_.strictness == Strictness::ignore) return;
    if (!form || options_.strictness == Strictness::error) failed_ = true;
    if (errors_.size() < kMostErrors) errors_.push_back({kind, path_text(), at, std::move(message)});
  }

  void wrong_type(const Node& node, std::string_view expected) {
    add_error(FieldError::Kind::wrong_type, node.at, "expected " + std::string(expected) + ", found " + describe(node));
  }
  void bad_value(const Node& node, std::string message) {
    add_error(FieldError::Kind::bad_value, node.at, std::move(message));
  }

  void report_duplicate(const Node::Entry& entry) {
    if (!entry.first.known()) return;
    add_error(FieldError::Kind::duplicate_field, entry.at,
              "duplicate field: first given at line " + std::to_string(entry.first.line));
  }

  void decode_message(const Node& node, Message& message, const MessagePlan& plan, bool type_meta) {
    if (node.is_null()) return;
    if (!node.is_map()) return wrong_type(node, "an object");
    for (const Node::Entry& entry : node.entries) {
      const Scope scope(path_, {entry.key});
      report_duplicate(entry);
      if (entry.shadowed) continue;
      if (const MessagePlan::Key* key = plan.find(entry.key)) {
        decode_path(entry.value, message, *key);
      } else if ((plan.object || type_meta) && (entry.key == "apiVersion" || entry.key == "kind")) {
        if (!entry.value.is_string() && !entry.value.is_null()) wrong_type(entry.value, "a string");
      } else {
        report_unknown(entry, plan);
      }
    }
  }

  void report_unknown(const Node::Entry& entry, const MessagePlan& plan) {
    std::string text = "unknown field";
    if (const std::string_view near = nearest_name(plan, entry.key); !near.empty()) {
      text.append(" (did you mean \"").append(near).append("\"?)");
    }
    add_error(FieldError::Kind::unknown_field, entry.at, std::move(text));
  }

  // Through the inlined messages to the field itself; those that end up empty are taken back.
  void decode_path(const Node& node, Message& message, const MessagePlan::Key& key) {
    Message* target = &message;
    for (std::size_t i = 0; i + 1 < key.path.size(); ++i) {
      target = target->GetReflection()->MutableMessage(target, key.path[i]->field);
    }
    decode_field(node, *target, *key.path.back());
    if (key.path.size() > 1) {
      const FieldPlan& outer = *key.path.front();
      const auto* reflection = message.GetReflection();
      if (is_zero_message(reflection->GetMessage(message, outer.field), *outer.message)) {
        reflection->ClearField(&message, outer.field);
      }
    }
  }

  void decode_field(const Node& node, Message& message, const FieldPlan& field) {
    if (node.is_null()) return;
    if (field.field->is_map()) return decode_map(node, message, field);
    if (field.field->is_repeated()) return decode_list(node, message, field);
    if (field.message == nullptr) return decode_scalar(node, message, field.field, field.pointer, false);
    const auto* reflection = message.GetReflection();
    Message* value = reflection->MutableMessage(&message, field.field);
    decode_value(node, *value, *field.message);
    if (!field.pointer && is_zero_message(*value, *field.message)) reflection->ClearField(&message, field.field);
  }

  void decode_value(const Node& node, Message& value, const MessagePlan& plan) {
    if (plan.special == Special::none) {
      decode_message(node, value, plan, false);
    } else {
      decode_special(node, value, plan.special);
    }
  }

  void decode_list(const Node& node, Message& message, const FieldPlan& field) {
    if (!node.is_list()) return wrong_type(node, "a list");
    const auto* reflection = message.GetReflection();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const Scope scope(path_, {{}, static_cast<int>(i)});
      if (field.message == nullptr) {
        decode_scalar(node.items[i], message, field.field, true, true);
      } else {
        decode_value(node.items[i], *reflection->AddMessage(&message, field.field), *field.message);
      }
    }
  }

  void decode_map(const Node& node, Message& message, const FieldPlan& field) {
    if (!node.is_map()) return wrong_type(node, "an object");
    const auto* reflection = message.GetReflection();
    const FieldDescriptor* key = field.field->message_type()->map_key();
    const FieldDescriptor* value = field.field->message_type()->map_value();
    for (const Node::Entry& item : node.entries) {
      const Scope scope(path_, {item.key, -1, true});
      report_duplicate(item);
      if (item.shadowed) continue;
      Message* entry = reflection->AddMessage(&message, field.field);
      const auto* inner = entry->GetReflection();
      inner->SetString(entry, key, item.key);
      if (field.message == nullptr) {
        decode_scalar(item.value, *entry, value, true, false);
      } else {
        decode_value(item.value, *inner->MutableMessage(entry, value), *field.message);
      }
    }
  }

  // Into a field, or to the end of a list. `keep_zero`: presence matters (pointers, elements, map values).
  void decode_scalar(const Node& node, Message& message, const FieldDescriptor* field, bool keep_zero, bool append) {
    const auto* reflection = message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        auto text = read_string(node, field->type() == FieldDescriptor::TYPE_BYTES);
        if (append) {
          reflection->AddString(&message, field, std::move(text).value_or(""));
        } else if (text && (keep_zero || !text->empty())) {
          reflection->SetString(&message, field, std::move(*text));
        }
        return;
      }
      case FieldDescriptor::CPPTYPE_BOOL: {
        if (node.kind != Node::Kind::boolean && !node.is_null()) return wrong_type(node, "true or false");
        if (append) {
          reflection->AddBool(&message, field, node.boolean);
        } else if (keep_zero || node.boolean) {
          reflection->SetBool(&message, field, node.boolean);
        }
        return;
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        const auto value = read_int<std::int32_t>(node, "a whole number of 32 bits");
        if (append) {
          reflection->AddInt32(&message, field, value.value_or(0));
        } else if (value && (keep_zero || *value != 0)) {
          reflection->SetInt32(&message, field, *value);
        }
        return;
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        const auto value = read_int<std::int64_t>(node, "a whole number of 64 bits");
        if (append) {
          reflection->AddInt64(&message, field, value.value_or(0));
        } else if (value && (keep_zero || *value != 0)) {
          reflection->SetInt64(&message, field, *value);
        }
        return;
      }
      default: break;
    }
    broken_invariant("a scalar type that the schema does not use", __FILE__, __LINE__);
  }

  // Null is the zero value, as for elements of lists and maps in Go.
  template <class Int>
  std::optional<Int> read_int(const Node& node, std::string_view expected) {
    if (node.is_null()) return Int{0};
    if (node.kind != Node::Kind::integer && node.kind != Node::Kind::floating) {
      wrong_type(node, expected);
      return std::nullopt;
    }
    Int value = 0;
    const char* end = node.text.data() + node.text.size();
    const auto read = std::from_chars(node.text.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end) {
      wrong_type(node, expected);
      return std::nullopt;
    }
    return value;
  }

  std::optional<std::string> read_string(const Node& node, bool base64) {
    if (node.is_null()) return "";
    if (!node.is_string()) {
      const bool scalar = !node.is_map() && !node.is_list();
      wrong_type(node, scalar ? "a string (in quotes)" : "a string");
      return std::nullopt;
    }
    if (!base64) return node.text;
    auto bytes = base64_decode(node.text);
    if (bytes) return std::move(*bytes);
    bad_value(node, bytes.error().message() + ", found " + describe(node));
    return std::nullopt;
  }

  void decode_special(const Node& node, Message& message, Special special) {
    switch (special) {
      case Special::quantity: return decode_quantity(node, as<k8s::resource::Quantity>(message));
      case Special::int_or_string: return decode_int_or_string(node, as<IntOrString>(message));
      case Special::time: return decode_text(node, as<Time>(message), parse_time, "a time as a string");
      case Special::micro_time:
        return decode_text(node, as<MicroTime>(message), parse_micro_time, "a time as a string");
      case Special::duration: return decode_duration(node, as<k8s::meta::v1::Duration>(message));
      case Special::raw_extension:
        if (!node.is_null()) as<k8s::runtime::RawExtension>(message).set_raw(to_json(node));
        return;
      case Special::fields_v1:
        if (!node.is_null()) as<k8s::meta::v1::FieldsV1>(message).set_raw(to_json(node));
        return;
      case Special::string_list: return decode_string_list(node, message);
      case Special::none: break;
    }
  }

  void decode_quantity(const Node& node, k8s::resource::Quantity& message) {
    if (node.is_null()) return message.set_string("0");
    if (node.is_map() || node.is_list() || node.kind == Node::Kind::boolean) {
      return wrong_type(node, "a quantity such as 100m or 1Gi");
    }
    std::string_view text = node.text;
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    const auto quantity = Quantity::parse(text);
    if (!quantity) return bad_value(node, quantity.error().message());
    quantity->store(message);
  }

  void decode_int_or_string(const Node& node, IntOrString& message) {
    if (node.is_string()) {
      message = make_string(node.text);
    } else if (const auto value = read_int<std::int32_t>(node, "a whole number of 32 bits or a string")) {
      message = make_int(*value);
    }
  }

  template <class T>
  void decode_text(const Node& node, T& message, Result<T> (*parse)(std::string_view), std::string_view expected) {
    if (node.is_null()) return;
    if (!node.is_string()) return wrong_type(node, expected);
    auto value = parse(node.text);
    if (!value) return bad_value(node, value.error().message());
    message = std::move(*value);
  }

  void decode_duration(const Node& node, k8s::meta::v1::Duration& message) {
    if (node.is_null()) return;
    if (!node.is_string()) return wrong_type(node, "a duration as a string, such as \"1m30s\"");
    const auto value = base::parse_duration(node.text);
    if (!value) return bad_value(node, value.error().message());
    if (value->count() != 0) message.set_duration(value->count());
  }

  void decode_string_list(const Node& node, Message& message) {
    if (node.is_null()) return;
    if (!node.is_list()) return wrong_type(node, "a list of strings");
    const FieldDescriptor* items = message.GetDescriptor()->FindFieldByNumber(1);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const Scope scope(path_, {{}, static_cast<int>(i)});
      decode_scalar(node.items[i], message, items, true, true);
    }
  }

  const DecodeOptions& options_;
  std::vector<FieldError>& errors_;
  std::vector<Step> path_;
  bool failed_ = false;
};

}  // namespace

std::string FieldError::to_string() const {
  std::string out = prefix(at);
  if (!path.empty()) out += path + ": ";
  return out + message;
}

std::string join(const std::vector<FieldError>& errors, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < errors.size() && i < limit; ++i) {
    out.append(out.empty() ? "" : "\n").append(errors[i].to_string());
  }
  if (errors.size() > limit) out += "\n... and " + std::to_string(errors.size() - limit) + " more";
  return out;
}

Status decode(const Node& node, Message& message, const DecodeOptions& options, std::vector<FieldError>& errors) {
  message.Clear();
  std::vector<FieldError> found;
  Decoder decoder(options, found);
  decoder.decode_root(node, message);
  Status status;
  if (decoder.failed()) status = Error(ErrorKind::invalid, join(found));
  errors.insert(errors.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  return status;
}

Status decode(const Node& node, Message& message, const DecodeOptions& options) {
  std::vector<FieldError> errors;
  return decode(node, message, options, errors);
}

}  // namespace keelson::api
