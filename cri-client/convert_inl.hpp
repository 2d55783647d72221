// Small helpers of the convert_*.cpp files: maps, lists, optionals. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cri-client/convert.hpp"

namespace keelson::cri {

template <class ProtoMap>
StringMap strings_of(const ProtoMap& from) {
  StringMap to;
  for (const auto& [key, value] : from) to.emplace(key, value);
  return to;
}

template <class ProtoMap>
void fill_strings(const StringMap& from, ProtoMap* to) {
  for (const auto& [key, value] : from) (*to)[key] = value;
}

// Scalars and strings.
template <class Repeated>
auto plain_list_of(const Repeated& from) {
  return std::vector<typename Repeated::value_type>(from.begin(), from.end());
}

template <class T, class Repeated>
void fill_plain_list(const std::vector<T>& from, Repeated* to) {
  to->Assign(from.begin(), from.end());
}

template <class Repeated>
auto list_of(const Repeated& from) {
  std::vector<decltype(from_proto(*from.begin()))> to;
  to.reserve(from.size());
  for (const auto& item : from) to.push_back(from_proto(item));
  return to;
}

template <class T, class Repeated>
void fill_list(const std::vector<T>& from, Repeated* to) {
  to->Reserve(static_cast<int>(from.size()));
  for (const T& item : from) to_proto(item, to->Add());
}

// KEELSON_OPTIONAL(message, field): nullopt when the sub-message is absent, else the converted value.
#define KEELSON_OPTIONAL(message, field) \
  ((message).has_##field() ? std::make_optional(from_proto((message).field())) : std::nullopt)
// The number inside an Int64Value or UInt64Value.
#define KEELSON_OPTIONAL_NUMBER(message, field) \
  ((message).has_##field() ? std::make_optional((message).field().value()) : std::nullopt)

}  // namespace keelson::cri
