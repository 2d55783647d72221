// Document values and JSON: reading a field from the file, writing it to /configz.
#include "config/values.hpp"

#include <charconv>
#include <limits>
#include <set>
#include <type_traits>

#include "api/quantity.hpp"
#include "base/duration.hpp"

namespace keelson::config {
namespace {

using api::Node;

std::string found(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: return "null";
    case Node::Kind::boolean: return node.boolean ? "the bool true" : "the bool false";
    case Node::Kind::integer:
    case Node::Kind::floating: return "the number " + node.text;
    case Node::Kind::string: return "the string " + quote(node.text);
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "an object";
  }
  return "something else";
}

struct Decoder {
  const Node& node;
  Form form;
  const DecodeOptions& options;
  std::vector<Remark>& remarks;
  std::string subpath;

  void wrong(std::string_view expected, std::string_view hint = "") const {
    remarks.push_back({subpath, node.at,
                       "Invalid value: expected " + std::string(expected) + ", found " + found(node) +
                           (hint.empty() ? "" : ": " + std::string(hint))});
  }
  Decoder at(const Node& child, std::string path) const {
    return Decoder{child, Form::plain, options, remarks, subpath + path};
  }

  void operator()(bool* out) const {
    if (node.kind != Node::Kind::boolean) {
      return wrong("true or false", node.is_string() ? "write it without quotes" : "");
    }
    *out = node.boolean;
  }

  template <class T>
  void integer(T* out, std::string_view type) const {
    if (node.kind != Node::Kind::integer && node.kind != Node::Kind::floating) {
      return wrong("an " + std::string(type), node.is_string() ? "write it without quotes" : "");
    }
    T value{};
    const char* end = node.text.data() + node.text.size();
    const auto [stop, error] = std::from_chars(node.text.data(), end, value);
    if (error != std::errc{} || stop != end) {
      return wrong("an " + std::string(type) + " (" + std::to_string(std::numeric_limits<T>::min()) + " to " +
                   std::to_string(std::numeric_limits<T>::max()) + ")");
    }
    *out = value;
  }
  void operator()(std::int32_t* out) const { integer(out, "int32"); }
  void operator()(std::int64_t* out) const { integer(out, "int64"); }
  void operator()(std::uint32_t* out) const { integer(out, "uint32"); }
  void operator()(double* out) const {
    if (node.kind != Node::Kind::integer && node.kind != Node::Kind::floating) return wrong("a number");
    double value = 0;
    const char* end = node.text.data() + node.text.size();
    const auto [stop, error] = std::from_chars(node.text.data(), end, value);
    if (error != std::errc{} || stop != end) return wrong("a number");
    *out = value;
  }
  void operator()(std::string* out) const {
    if (!node.is_string()) {
      const bool scalar = !node.is_map() && !node.is_list() && !node.is_null();
      return wrong("a string", scalar ? "put it in quotes" : "");
    }
    *out = node.text;
  }
  void operator()(Duration* out) const {
    if (form == Form::nanoseconds && node.kind == Node::Kind::integer) {
      std::int64_t count = 0;
      integer(&count, "int64");
      *out = Duration(count);
      return;
    }
    if (!node.is_string()) return wrong("a duration", "write it as text with a unit, such as 1m30s");
    auto value = base::parse_duration(node.text);
    if (!value.ok()) return wrong("a duration such as 1m30s");
    *out = *value;
  }
  void operator()(Bytes* out) const {
    const bool number = node.kind == Node::Kind::integer || node.kind == Node::Kind::floating;
    if (!node.is_string() && !number) return wrong("a quantity such as 64Ki");
    auto value = api::Quantity::parse(node.text);
    if (!value.ok()) return wrong("a quantity such as 64Ki");
    out->value = value->value();
  }

  template <class T>
  void list(std::vector<T>* out) const {
    if (!node.is_list()) return wrong("a list");
    out->clear();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      T value{};
      // As everywhere in Kubernetes' JSON, null stands for the zero value.
      if (!node.items[i].is_null()) at(node.items[i], "[" + std::to_string(i) + "]")(&value);
      out->push_back(std::move(value));
    }
  }
  void operator()(std::vector<std::string>* out) const { list(out); }
  void operator()(std::vector<std::int32_t>* out) const { list(out); }
  void operator()(std::vector<Taint>* out) const { list(out); }
  void operator()(std::vector<MemoryReservation>* out) const { list(out); }
  void operator()(std::vector<ShutdownGracePeriodByPodPriority>* out) const { list(out); }
  void operator()(std::vector<VModule>* out) const { list(out); }

  template <class T>
  void map(std::map<std::string, T>* out) const {
    if (!node.is_map()) return wrong("an object");
    if (!options.patch) out->clear();
    for (const auto& entry : node.entries) {
      const std::string key = "[" + entry.key + "]";
      if (entry.shadowed) {
        remarks.push_back({subpath + key, entry.at, "Duplicate value: " + quote(entry.key), true});
        continue;
      }
      if (options.patch && entry.value.is_null()) {
        out->erase(entry.key);
        continue;
      }
      T value{};
      if (!entry.value.is_null()) at(entry.value, key)(&value);
      (*out)[entry.key] = std::move(value);
    }
  }
  void operator()(StringMap* out) const { map(out); }
  void operator()(BoolMap* out) const { map(out); }
  void operator()(HeaderMap* out) const { map(out); }

  template <class T>
  void operator()(std::optional<T>* out) const {
    T value{};
    const std::size_t before = remarks.size();
    (*this)(&value);
    if (remarks.size() == before) *out = std::move(value);
  }

  // An object with these fields; others are remarked on and ignored.
  template <class Visit>
  void object(const Visit& visit) const {
    if (!node.is_map()) return wrong("an object");
    for (const auto& entry : node.entries) {
      const std::string path = subpath + "." + entry.key;
      if (entry.shadowed) {
        remarks.push_back({path, entry.at, "Duplicate value: " + quote(entry.key), true});
      } else if (!visit(entry)) {
        remarks.push_back({path, entry.at, "unknown field", true});
      }
    }
  }
  template <class T>
  bool member(const Node::Entry& entry, std::string_view name, T* out) const {
    if (entry.key != name) return false;
    if (!entry.value.is_null()) at(entry.value, "." + entry.key)(out);
    return true;
  }
  void operator()(Taint* out) const {
    object([&](const Node::Entry& entry) {
      return member(entry, "key", &out->key) || member(entry, "value", &out->value) ||
             member(entry, "effect", &out->effect) || member(entry, "timeAdded", &out->time_added);
    });
  }
  void operator()(ShutdownGracePeriodByPodPriority* out) const {
    object([&](const Node::Entry& entry) {
      return member(entry, "priority", &out->priority) ||
             member(entry, "shutdownGracePeriodSeconds", &out->shutdown_grace_period_seconds);
    });
  }
  void operator()(VModule* out) const {
    object([&](const Node::Entry& entry) {
      return member(entry, "filePattern", &out->file_pattern) || member(entry, "verbosity", &out->verbosity);
    });
  }
  void operator()(MemoryReservation* out) const {
    object([&](const Node::Entry& entry) {
      if (entry.key == "limits") {
        at(entry.value, ".limits").quantities(&out->limits);
        return true;
      }
      return member(entry, "numaNode", &out->numa_node);
    });
  }
  // Quantities may be bare numbers.
  void quantities(StringMap* out) const {
    if (node.is_null()) return;
    if (!node.is_map()) return wrong("an object");
    for (const auto& entry : node.entries) {
      if (entry.shadowed) continue;
      const Decoder child = at(entry.value, "[" + entry.key + "]");
      const bool number = entry.value.kind == Node::Kind::integer || entry.value.kind == Node::Kind::floating;
      if (!entry.value.is_string() && !number) {
        child.wrong("a quantity such as 1Gi");
      } else if (!api::Quantity::parse(entry.value.text).ok()) {
        child.wrong("a quantity such as 1Gi");
      } else {
        (*out)[entry.key] = entry.value.text;
      }
    }
  }
};

struct Encoder {
  template <class T>
  nlohmann::json operator()(const T* value) const {
    return *value;
  }
  nlohmann::json operator()(const Duration* value) const { return base::format_duration(*value); }
  nlohmann::json operator()(const Bytes* value) const { return api::Quantity::bytes(value->value).to_string(); }
  template <class T>
  nlohmann::json operator()(const std::optional<T>* value) const {
    return value->has_value() ? (*this)(&**value) : nlohmann::json();
  }
  nlohmann::json operator()(const std::vector<Taint>* list) const {
    auto out = nlohmann::json::array();
    for (const Taint& taint : *list) {
      nlohmann::json item = {{"key", taint.key}, {"effect", taint.effect}};
      if (!taint.value.empty()) item["value"] = taint.value;
      out.push_back(std::move(item));
    }
    return out;
  }
  nlohmann::json operator()(const std::vector<MemoryReservation>* list) const {
    auto out = nlohmann::json::array();
    for (const MemoryReservation& item : *list) {
      auto limits = nlohmann::json::object();
      for (const auto& [name, amount] : item.limits) {
        auto quantity = api::Quantity::parse(amount);
        limits[name] = quantity.ok() ? quantity->to_string() : amount;
      }
      out.push_back({{"numaNode", item.numa_node}, {"limits", std::move(limits)}});
    }
    return out;
  }
  nlohmann::json operator()(const std::vector<ShutdownGracePeriodByPodPriority>* list) const {
    auto out = nlohmann::json::array();
    for (const auto& item : *list) {
      out.push_back({{"priority", item.priority}, {"shutdownGracePeriodSeconds", item.shutdown_grace_period_seconds}});
    }
    return out;
  }
  nlohmann::json operator()(const std::vector<VModule>* list) const {
    auto out = nlohmann::json::array();
    for (const VModule& item : *list)
      out.push_back({{"filePattern", item.file_pattern}, {"verbosity", item.verbosity}});
    return out;
  }
};

struct Zero {
  bool operator()(const bool* value) const { return !*value; }
  bool operator()(const std::string* value) const { return value->empty(); }
  bool operator()(const Duration* value) const { return value->count() == 0; }
  bool operator()(const Bytes* value) const { return value->value == 0; }
  template <class T>
  requires std::is_arithmetic_v<T>
  bool operator()(const T* value) const { return *value == 0; }
  template <class T>
  bool operator()(const std::optional<T>* value) const {
    return !value->has_value();
  }
  template <class T>
  bool operator()(const std::vector<T>*) const {
    return false;
  }
  template <class T>
  bool operator()(const std::map<std::string, T>*) const {
    return false;
  }
};

struct Empty {
  template <class T>
  bool operator()(const T* value) const {
    return Zero{}(value);
  }
  template <class T>
  bool operator()(const std::vector<T>* value) const {
    return value->empty();
  }
  template <class T>
  bool operator()(const std::map<std::string, T>* value) const {
    return value->empty();
  }
};

}  // namespace

void decode(const Node& node, Slot slot, Form form, const DecodeOptions& options, std::vector<Remark>& remarks) {
  std::visit(Decoder{node, form, options, remarks, ""}, slot);
}

nlohmann::json encode(Slot slot) { return std::visit(Encoder{}, slot); }

bool is_zero(Slot slot) { return std::visit(Zero{}, slot); }

bool is_empty(Slot slot) { return std::visit(Empty{}, slot); }

void copy_value(Slot from, Slot to) {
  std::visit(
      [&](auto* source) {
        auto** target = std::get_if<decltype(source)>(&to);
        KEELSON_CHECK(target != nullptr && "slots of one field have one type");
        **target = *source;
      },
      from);
}

std::string show(Slot slot) {
  if (auto** text = std::get_if<std::string*>(&slot)) return quote(**text);
  if (auto** duration = std::get_if<Duration*>(&slot)) return base::format_duration(**duration);
  const nlohmann::json json = encode(slot);
  return json.is_string() ? json.get<std::string>()
                          : json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace keelson::config
