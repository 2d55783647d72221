#include "agent/pod_config/expansion.hpp"

#include <set>

namespace keelson::agent {
namespace {

VariableLookup lookup_in(const std::vector<cri::KeyValue>& envs) {
  return [&envs](std::string_view name) -> std::optional<std::string> {
    // A later variable of the same name hides an earlier one.
    for (auto it = envs.rbegin(); it != envs.rend(); ++it) {
      if (it->key == name) return it->value;
    }
    return std::nullopt;
  };
}

std::vector<std::string> expand_words(const google::protobuf::RepeatedPtrField<std::string>& words,
                                      const VariableLookup& lookup) {
  std::vector<std::string> result;
  result.reserve(static_cast<std::size_t>(words.size()));
  for (const auto& word : words) result.push_back(expand(word, lookup));
  return result;
}

}  // namespace

std::string expand(std::string_view text, const VariableLookup& lookup) {
  std::string out;
  while (true) {
    const auto dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) return out;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const auto close = text.starts_with('(') ? text.find(')') : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += '$';
      continue;
    }
    const auto name = text.substr(1, close - 1);
    if (auto value = lookup(name)) {
      out += *value;
    } else {
      out += '$';
      out += text.substr(0, close + 1);
    }
    text.remove_prefix(close + 1);
  }
}

std::string expand(std::string_view text, const std::vector<cri::KeyValue>& envs) {
  return expand(text, lookup_in(envs));
}

std::vector<std::string> expand_all(const google::protobuf::RepeatedPtrField<std::string>& words,
                                    const std::vector<cri::KeyValue>& envs) {
  return expand_words(words, lookup_in(envs));
}

std::vector<std::string> expand_probe_command(const google::protobuf::RepeatedPtrField<std::string>& words,
                                              const api::core::Container& container) {
  std::vector<cri::KeyValue> literals;
  for (const auto& env : container.env()) literals.push_back({env.name(), env.value()});
  return expand_words(words, lookup_in(literals));
}

Result<std::string> expand_strictly(std::string_view text, const std::vector<cri::KeyValue>& envs) {
  const VariableLookup lookup = lookup_in(envs);
  std::set<std::string> missing;
  std::string result = expand(text, [&](std::string_view name) -> std::optional<std::string> {
    auto value = lookup(name);
    if (!value || value->empty()) missing.insert(std::string(name));
    return value.value_or("");
  });
  if (missing.empty()) return result;
  std::string names;
  for (const auto& name : missing) names += (names.empty() ? "" : ", ") + name;
  return Error(ErrorKind::invalid, "missing value for " + names);
}

}  // namespace keelson::agent
