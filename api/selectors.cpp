#include "api/selectors.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace keelson::api {
namespace {

using Operator = Requirement::Operator;

struct OperatorName {
  std::string_view name;  // in messages
  Operator op;
};

constexpr std::array kLabelOperators = {
    OperatorName{"In", Operator::in},
    OperatorName{"NotIn", Operator::not_in},
    OperatorName{"Exists", Operator::exists},
    OperatorName{"DoesNotExist", Operator::does_not_exist},
};
constexpr std::array kNodeOperators = {
    OperatorName{"In", Operator::in},         OperatorName{"NotIn", Operator::not_in},
    OperatorName{"Exists", Operator::exists}, OperatorName{"DoesNotExist", Operator::does_not_exist},
    OperatorName{"Gt", Operator::greater},    OperatorName{"Lt", Operator::less},
};

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// [A-Za-z0-9] at both ends, '-', '_', '.' within, at most 63.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 63 || !is_alnum(text.front()) || !is_alnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

// Lower-case DNS subdomain, at most 253: parts of [a-z0-9-] with no '-' at their ends.
bool is_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const auto alnum = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); };
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part.empty() || !alnum(part.front()) || !alnum(part.back())) return false;
    if (!std::all_of(part.begin(), part.end(), [&](char c) { return alnum(c) || c == '-'; })) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_label_key(std::string_view key) {
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return is_name(key);
  return is_subdomain(key.substr(0, slash)) && is_name(key.substr(slash + 1));
}

bool is_label_value(std::string_view value) { return value.empty() || is_name(value); }

Error bad(const std::string& message) { return Error(ErrorKind::invalid, message); }

Status check(const Requirement& r) {
  if (!is_label_key(r.key)) return bad("invalid label key \"" + r.key + "\"");
  const std::size_t count = r.values.size();
  switch (r.op) {
    case Operator::in:
    case Operator::not_in:
      if (count == 0) return bad("label \"" + r.key + "\": a set of values must not be empty");
      break;
    case Operator::exists:
    case Operator::does_not_exist:
      if (count != 0) return bad("label \"" + r.key + "\": expected no values for Exists and DoesNotExist");
      break;
    case Operator::greater:
    case Operator::less:
      if (count != 1 || !whole_number(r.values.front())) {
        return bad("label \"" + r.key + "\": expected exactly one whole number to compare with");
      }
      break;
  }
  for (const std::string& value : r.values) {
    if (!is_label_value(value)) return bad("label \"" + r.key + "\": invalid value \"" + value + "\"");
  }
  return {};
}

template <class Message, std::size_t N>
Result<Requirement> from_message(const Message& message, const std::array<OperatorName, N>& names) {
  Requirement out;
  out.key = message.key();
  out.values.assign(message.values().begin(), message.values().end());
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const OperatorName& n) { return n.name == message.operator_(); });
  if (found == names.end()) {
    std::string expected;
    for (const OperatorName& n : names) expected.append(expected.empty() ? "" : ", ").append(n.name);
    return bad("label \"" + out.key + "\": unknown operator \"" + message.operator_() + "\": expected one of " +
               expected);
  }
  out.op = found->op;
  KEELSON_TRY(check(out));
  return out;
}

// The string grammar of label selectors.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Requirement>> parse() {
    std::vector<Requirement> out;
    skip();
    if (at_end()) return out;
    while (true) {
      Requirement requirement;
      KEELSON_TRY(parse_one(requirement));
      KEELSON_TRY(check(requirement));
      out.push_back(std::move(requirement));
      skip();
      if (at_end()) return out;
      if (!take(",")) return expected("',' or the end");
    }
  }

 private:
  bool at_end() const { return pos_ >= text_.size(); }
  void skip() {
    while (!at_end() && std::string_view(" \t\r\n").find(text_[pos_]) != std::string_view::npos) ++pos_;
  }
  bool take(std::string_view token) {
    skip();
    if (text_.substr(pos_, token.size()) != token) return false;
    pos_ += token.size();
    return true;
  }
  std::string word() {
    skip();
    const std::size_t from = pos_;
    while (!at_end() && std::string_view(" \t\r\n,()=!<>").find(text_[pos_]) == std::string_view::npos) ++pos_;
    return std::string(text_.substr(from, pos_ - from));
  }
  Error expected(std::string_view what) const {
    return bad("invalid label selector \"" + std::string(text_) + "\": expected " + std::string(what) +
               " at character " + std::to_string(pos_ + 1));
  }

  Status parse_one(Requirement& out) {
    if (take("!")) {
      out.op = Operator::does_not_exist;
      out.key = word();
      return out.key.empty() ? Status(expected("a label key")) : Status();
    }
    out.key = word();
    if (out.key.empty()) return expected("a label key");
    if (take("!=")) return one_value(out, Operator::not_in);
    if (take("==") || take("=")) return one_value(out, Operator::in);
    if (take(">")) return one_value(out, Operator::greater);
    if (take("<")) return one_value(out, Operator::less);
    skip();
    if (at_end() || text_[pos_] == ',') {
      out.op = Operator::exists;
      return {};
    }
    const std::string name = word();
    if (name != "in" && name != "notin") return expected("one of =, ==, !=, in, notin, >, <");
    out.op = name == "in" ? Operator::in : Operator::not_in;
    return set_of_values(out);
  }

  Status one_value(Requirement& out, Operator op) {
    out.op = op;
    out.values = {word()};
    return {};
  }

  Status set_of_values(Requirement& out) {
    if (!take("(")) return expected("'('");
    while (true) {
      out.values.push_back(word());
      if (take(")")) break;
      if (!take(",")) return expected("',' or ')'");
    }
    std::sort(out.values.begin(), out.values.end());
    out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());
    return {};
  }

  std::string_view text_;
  std::size_t pos_ = 0;
};

std::string text_of(const Requirement& r) {
  std::string list;
  for (const std::string& value : r.values) list.append(value).append(",");
  if (!list.empty()) list.pop_back();
  switch (r.op) {
    case Operator::in: return r.values.size() == 1 ? r.key + "=" + list : r.key + " in (" + list + ")";
    case Operator::not_in: return r.values.size() == 1 ? r.key + "!=" + list : r.key + " notin (" + list + ")";
    case Operator::exists: return r.key;
    case Operator::does_not_exist: return "!" + r.key;
    case Operator::greater: return r.key + ">" + list;
    case Operator::less: return r.key + "<" + list;
  }
  return r.key;
}

}  // namespace

bool Requirement::matches(const LabelLookup& labels) const {
  const std::optional<std::string_view> value = labels(key);
  const auto listed = [&] { return std::find(values.begin(), values.end(), *value) != values.end(); };
  switch (op) {
    case Operator::in: return value && listed();
    case Operator::not_in: return !value || !listed();
    case Operator::exists: return value.has_value();
    case Operator::does_not_exist: return !value;
    case Operator::greater:
    case Operator::less: break;
  }
  if (!value || values.size() != 1) return false;
  const auto left = whole_number(*value);
  const auto right = whole_number(values.front());
  if (!left || !right) return false;
  return op == Operator::greater ? *left > *right : *left < *right;
}

LabelSelector LabelSelector::nothing() {
  LabelSelector out;
  out.nothing_ = true;
  return out;
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  auto requirements = Parser(text).parse();
  if (!requirements) return std::move(requirements).error();
  LabelSelector out;
  out.requirements_ = std::move(*requirements);
  return out;
}

Result<LabelSelector> LabelSelector::from(const k8s::meta::v1::LabelSelector& message) {
  LabelSelector out;
  for (const auto& [key, value] : message.matchlabels()) {
    out.requirements_.push_back({key, Operator::in, {value}});
    KEELSON_TRY(check(out.requirements_.back()));
  }
  for (const auto& expression : message.matchexpressions()) {
    auto requirement = from_message(expression, kLabelOperators);
    if (!requirement) return std::move(requirement).error();
    out.requirements_.push_back(std::move(*requirement));
  }
  return out;
}

bool LabelSelector::matches(const LabelLookup& labels) const {
  if (nothing_) return false;
  return std::all_of(requirements_.begin(), requirements_.end(),
                     [&](const Requirement& r) { return r.matches(labels); });
}

std::string LabelSelector::to_string() const {
  std::vector<const Requirement*> sorted;
  for (const Requirement& r : requirements_) sorted.push_back(&r);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->key < b->key; });
  std::string out;
  for (const Requirement* r : sorted) out.append(out.empty() ? "" : ",").append(text_of(*r));
  return out;
}

Result<Requirement> node_requirement(const k8s::core::v1::NodeSelectorRequirement& message) {
  return from_message(message, kNodeOperators);
}

namespace {

bool field_matches(const k8s::core::v1::NodeSelectorRequirement& field, std::string_view node_name) {
  if (field.key() != "metadata.name" || field.values_size() != 1) return false;
  if (field.operator_() == "In") return field.values(0) == node_name;
  if (field.operator_() == "NotIn") return field.values(0) != node_name;
  return false;
}

bool term_matches(const k8s::core::v1::NodeSelectorTerm& term, const LabelLookup& labels, std::string_view node_name) {
  if (term.matchexpressions().empty() && term.matchfields().empty()) return false;
  for (const auto& expression : term.matchexpressions()) {
    const auto requirement = node_requirement(expression);
    if (!requirement.ok() || !requirement->matches(labels)) return false;
  }
  return std::all_of(term.matchfields().begin(), term.matchfields().end(),
                     [&](const auto& field) { return field_matches(field, node_name); });
}

}  // namespace

bool matches(const k8s::core::v1::NodeSelector& selector, const LabelLookup& labels, std::string_view node_name) {
  return std::any_of(selector.nodeselectorterms().begin(), selector.nodeselectorterms().end(),
                     [&](const auto& term) { return term_matches(term, labels, node_name); });
}

bool node_matches_pod(const k8s::core::v1::Pod& pod, const LabelLookup& labels, std::string_view node_name) {
  for (const auto& [key, value] : pod.spec().nodeselector()) {
    if (labels(key) != std::optional<std::string_view>(value)) return false;
  }
  const auto& affinity = pod.spec().affinity();
  if (!affinity.has_nodeaffinity()) return true;
  const auto& node = affinity.nodeaffinity();
  if (!node.has_requiredduringschedulingignoredduringexecution()) return true;
  return matches(node.requiredduringschedulingignoredduringexecution(), labels, node_name);
}

}  // namespace keelson::api
