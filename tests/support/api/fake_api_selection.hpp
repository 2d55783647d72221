// Selection: which objects of a kind a list or a watch is about.
//
// Pure; any thread. A field that the kind does not offer is a 400, as is a selector that cannot be read. Source: the
// API's field labels; api/selectors.hpp.
#pragma once

#include <optional>
#include <string>

#include "api/selectors.hpp"
#include "tests/support/api/fake_api_failure.hpp"
#include "tests/support/api/fake_api_kinds.hpp"

namespace keelson::fakes {

class Selection {
 public:
  // `ns` empty: all namespaces; `name` empty: all names.
  static Outcome<Selection> parse(const ApiKind& kind, std::string ns, std::string name, const std::string& fields,
                                  const std::string& labels);

  bool matches(const google::protobuf::Message& object) const;
  std::optional<std::string> required(std::string_view field) const { return fields_.required_value(field); }

 private:
  std::string ns_;
  std::string name_;
  api::FieldSelector fields_;
  api::LabelSelector labels_;
};

// The value of "spec.nodeName" and the like in any object; "" when unset.
std::string field_value(const google::protobuf::Message& object, std::string_view path);

}  // namespace keelson::fakes
