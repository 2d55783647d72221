// Selectors: label selectors, field selectors and node selector requirements.
//
// Values and pure functions, any thread. Parsing and building fail with `invalid` and name the part that is wrong.
// Source: Kubernetes' selector grammar; contract 02 (node affinity), 05a (LabelSelector, NodeSelector messages).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/proto/core_v1.pb.h"
#include "api/proto/meta_v1.pb.h"
#include "base/result.hpp"

namespace keelson::api {

// How a set of labels is looked up: absent is nullopt.
using LabelLookup = std::function<std::optional<std::string_view>(std::string_view key)>;
// Over any map-like container of strings (std::map, google::protobuf::Map); `labels` must outlive the lookup.
template <class Map>
LabelLookup lookup_in(const Map& labels) {
  return [&labels](std::string_view key) -> std::optional<std::string_view> {
    const auto found = labels.find(std::string(key));
    if (found == labels.end()) return std::nullopt;
    return std::string_view(found->second);
  };
}

struct Requirement {
  enum class Operator { in, not_in, exists, does_not_exist, greater, less };
  std::string key;
  Operator op = Operator::exists;
  std::vector<std::string> values;

  // An absent key matches not_in and does_not_exist only; greater and less compare whole numbers (64 bit).
  bool matches(const LabelLookup& labels) const;
};

// All requirements must hold. No requirement: everything matches, unless made by nothing().
class LabelSelector {
 public:
  LabelSelector() = default;
  static LabelSelector nothing();

  // "a=b,c==d,e!=f,g in (x,y),h notin (z),i,!j,k>1,l<2"; "" matches everything.
  static Result<LabelSelector> parse(std::string_view text);
  // From the message: the empty message matches everything. An absent (nil) selector matches nothing: the caller's
  // rule.
  static Result<LabelSelector> from(const k8s::meta::v1::LabelSelector& message);

  bool matches(const LabelLookup& labels) const;
  template <class Map>
  bool matches_labels(const Map& labels) const {
    return matches(lookup_in(labels));
  }
  bool empty() const { return requirements_.empty() && !nothing_; }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  // Canonical text: sorted by key, sets in parentheses.
  std::string to_string() const;

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

// "spec.nodeName=x,status.phase!=Running"; `==` is `=`; `\,` `\=` `\\` are escapes in values.
class FieldSelector {
 public:
  struct Term {
    std::string field;
    bool equal = true;
    std::string value;
  };

  static Result<FieldSelector> parse(std::string_view text);
  // `field` gives the value of a field path, "" when unset.
  bool matches(const std::function<std::string(std::string_view path)>& field) const;
  const std::vector<Term>& terms() const { return terms_; }
  // The value that `path` must equal, if one term says so (how an informer finds "its" node).
  std::optional<std::string> required_value(std::string_view path) const;
  std::string to_string() const;

 private:
  std::vector<Term> terms_;
};

// The fields of a pod that a field selector may name: metadata.name, metadata.namespace, spec.nodeName,
// spec.restartPolicy, spec.schedulerName, spec.serviceAccountName, spec.hostNetwork, status.phase, status.podIP,
// status.nominatedNodeName.
std::string pod_field(const k8s::core::v1::Pod& pod, std::string_view path);

// One requirement of a node selector term: In NotIn Exists DoesNotExist Gt Lt.
Result<Requirement> node_requirement(const k8s::core::v1::NodeSelectorRequirement& message);
// Terms are alternatives; within a term all matchExpressions (labels) and matchFields (metadata.name only) must hold. A
// term without either matches nothing; a term that is malformed matches nothing.
bool matches(const k8s::core::v1::NodeSelector& selector, const LabelLookup& labels, std::string_view node_name);
// The pod's nodeSelector and required node affinity against a node: what admission on the node checks.
bool node_matches_pod(const k8s::core::v1::Pod& pod, const LabelLookup& labels, std::string_view node_name);

}  // namespace keelson::api
