// What the scheduler reads: affinity, tolerations, topology spread, scheduling gates and groups.
#include "api/pod_validation_internal.hpp"

namespace keelson::api::validation {
namespace {

void check_node_expression(const core::NodeSelectorRequirement& requirement, bool check_values, const Path& path,
                           Errors& errors) {
  const std::string& op = requirement.operator_();
  const int values = requirement.values_size();
  if (op == "In" || op == "NotIn") {
    if (values == 0) errors.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (values > 0) {
      errors.forbidden(path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (op == "Gt" || op == "Lt") {
    if (values != 1) {
      errors.required(path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  } else {
    errors.invalid(path.child("operator"), op, "not a valid selector operator");
  }
  check_label_name(requirement.key(), path.child("key"), errors);
  for (int i = 0; check_values && i < values; ++i) {
    errors.invalid_each(path.child("values").index(i), requirement.values(i), label_value(requirement.values(i)));
  }
}

void check_node_field(const core::NodeSelectorRequirement& requirement, const Path& path, Errors& errors) {
  const std::string& op = requirement.operator_();
  if (op != "In" && op != "NotIn") {
    errors.invalid(path.child("operator"), op, "not a valid selector operator");
  } else if (requirement.values_size() != 1) {
    errors.required(path.child("values"),
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                    "selector");
  }
  if (requirement.key() != "metadata.name") {
    errors.invalid(path.child("key"), requirement.key(), "not a valid field selector key");
    return;
  }
  for (int i = 0; i < requirement.values_size(); ++i) {
    errors.invalid_each(path.child("values").index(i), requirement.values(i), dns_subdomain(requirement.values(i)));
  }
}

void check_node_term(const core::NodeSelectorTerm& term, bool check_values, const Path& path, Errors& errors) {
  for (int i = 0; i < term.matchexpressions_size(); ++i) {
    check_node_expression(term.matchexpressions(i), check_values, path.child("matchExpressions").index(i), errors);
  }
  for (int i = 0; i < term.matchfields_size(); ++i) {
    check_node_field(term.matchfields(i), path.child("matchFields").index(i), errors);
  }
}

void check_weight(int32_t weight, const Path& path, Errors& errors) {
  if (weight < 1 || weight > 100) errors.invalid(path.child("weight"), weight, "must be in the range 1-100");
}

void check_node_affinity(const core::NodeAffinity& affinity, const Path& path, Errors& errors) {
  if (affinity.has_requiredduringschedulingignoredduringexecution()) {
    const auto& terms = affinity.requiredduringschedulingignoredduringexecution().nodeselectorterms();
    const Path at = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
    if (terms.empty()) errors.required(at, "must have at least one node selector term");
    for (int i = 0; i < terms.size(); ++i) check_node_term(terms[i], true, at.index(i), errors);
  }
  const auto& preferred = affinity.preferredduringschedulingignoredduringexecution();
  for (int i = 0; i < preferred.size(); ++i) {
    const Path at = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(i);
    check_weight(preferred[i].weight(), at, errors);
    // Values are not checked here: a preference that matches nothing does no harm.
    check_node_term(preferred[i].preference(), false, at.child("preference"), errors);
  }
}

using StringList = google::protobuf::RepeatedPtrField<std::string>;

void check_term_label_keys(const core::PodAffinityTerm& term, const Path& path, Errors& errors) {
  const auto check = [&](const char* name, const StringList& keys) {
    if (keys.empty()) return;
    if (!term.has_labelselector()) {
      errors.forbidden(path.child(name), "must not be specified when labelSelector is not set");
      return;
    }
    for (int i = 0; i < keys.size(); ++i) check_label_name(keys[i], path.child(name).index(i), errors);
  };
  check("matchLabelKeys", term.matchlabelkeys());
  check("mismatchLabelKeys", term.mismatchlabelkeys());
  const std::set<std::string> mismatch(term.mismatchlabelkeys().begin(), term.mismatchlabelkeys().end());
  for (int i = 0; i < term.matchlabelkeys_size(); ++i) {
    if (mismatch.count(term.matchlabelkeys(i)) == 0) continue;
    errors.invalid(path.child("matchLabelKeys").index(i), term.matchlabelkeys(i),
                   "exists in both matchLabelKeys and mismatchLabelKeys");
  }
}

void check_pod_term(const core::PodAffinityTerm& term, const Path& path, Errors& errors) {
  check_label_selector(term.labelselector(), path.child("labelSelector"), errors);
  check_label_selector(term.namespaceselector(), path.child("namespaceSelector"), errors);
  for (const auto& name : term.namespaces()) {
    errors.invalid_each(path.child("namespace"), name, dns_label(name));
  }
  check_term_label_keys(term, path, errors);
  if (term.topologykey().empty()) {
    errors.required(path.child("topologyKey"), "can not be empty");
  }
  check_label_name(term.topologykey(), path.child("topologyKey"), errors);
}

// PodAffinity and PodAntiAffinity have the same fields.
template <class Affinity>
void check_pod_affinity(const Affinity& affinity, const Path& path, Errors& errors) {
  const auto& required = affinity.requiredduringschedulingignoredduringexecution();
  for (int i = 0; i < required.size(); ++i) {
    check_pod_term(required[i], path.child("requiredDuringSchedulingIgnoredDuringExecution").index(i), errors);
  }
  const auto& preferred = affinity.preferredduringschedulingignoredduringexecution();
  for (int i = 0; i < preferred.size(); ++i) {
    const Path at = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(i);
    check_weight(preferred[i].weight(), at, errors);
    check_pod_term(preferred[i].podaffinityterm(), at.child("podAffinityTerm"), errors);
  }
}

void check_spread_label_keys(const core::TopologySpreadConstraint& spread, const Path& path, Errors& errors) {
  if (spread.matchlabelkeys_size() == 0) return;
  if (!spread.has_labelselector()) {
    errors.forbidden(path, "must not be specified when labelSelector is not set");
  }
  std::set<std::string> selected;
  for (const auto& [key, value] : spread.labelselector().matchlabels()) selected.insert(key);
  for (const auto& expression : spread.labelselector().matchexpressions()) selected.insert(expression.key());
  for (int i = 0; i < spread.matchlabelkeys_size(); ++i) {
    const std::string& key = spread.matchlabelkeys(i);
    check_label_name(key, path.index(i), errors);
    if (selected.count(key) > 0) {
      errors.invalid(path.index(i), key, "exists in both matchLabelKeys and labelSelector");
    }
  }
}

void check_spread(const core::PodSpec& spec, const Path& path, Errors& errors) {
  std::set<std::string> kinds;
  for (int i = 0; i < spec.topologyspreadconstraints_size(); ++i) {
    const auto& spread = spec.topologyspreadconstraints(i);
    const Path at = path.index(i);
    if (spread.maxskew() <= 0) errors.invalid(at.child("maxSkew"), spread.maxskew(), "must be greater than zero");
    if (spread.topologykey().empty()) errors.required(at.child("topologyKey"), "can not be empty");
    errors.one_of(at.child("whenUnsatisfiable"), spread.whenunsatisfiable(), {"DoNotSchedule", "ScheduleAnyway"});
    const std::string kind = "{" + spread.topologykey() + ", " + spread.whenunsatisfiable() + "}";
    if (!kinds.insert(kind).second) errors.duplicate(at.child("{topologyKey, whenUnsatisfiable}"), kind);
    if (spread.has_mindomains()) {
      if (spread.mindomains() <= 0) {
        errors.invalid(at.child("minDomains"), spread.mindomains(), "must be greater than zero");
      }
      if (spread.whenunsatisfiable() != "DoNotSchedule") {
        errors.invalid(at.child("minDomains"), spread.mindomains(),
                       "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not " + spread.whenunsatisfiable());
      }
    }
    if (spread.has_nodeaffinitypolicy()) {
      errors.one_of(at.child("nodeAffinityPolicy"), spread.nodeaffinitypolicy(), {"Honor", "Ignore"});
    }
    if (spread.has_nodetaintspolicy()) {
      errors.one_of(at.child("nodeTaintsPolicy"), spread.nodetaintspolicy(), {"Honor", "Ignore"});
    }
    check_spread_label_keys(spread, at.child("matchLabelKeys"), errors);
    check_label_selector(spread.labelselector(), at.child("labelSelector"), errors);
  }
}

}  // namespace

void check_tolerations(const google::protobuf::RepeatedPtrField<core::Toleration>& tolerations, const Path& path,
                       Errors& errors) {
  for (int i = 0; i < tolerations.size(); ++i) {
    const auto& toleration = tolerations[i];
    const Path at = path.index(i);
    const std::string& op = toleration.operator_();
    if (!toleration.key().empty()) check_label_name(toleration.key(), at.child("key"), errors);
    if (toleration.key().empty() && op != "Exists") {
      errors.invalid(at.child("operator"), op,
                     "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    }
    if (toleration.has_tolerationseconds() && toleration.effect() != "NoExecute") {
      errors.invalid(at.child("effect"), toleration.effect(),
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (op.empty() || op == "Equal") {
      errors.invalid_each(at.child("operator"), toleration.value(), label_value(toleration.value()));
    } else if (op == "Exists") {
      if (!toleration.value().empty()) {
        errors.invalid(at.child("operator"), toleration.value(), "value must be empty when `operator` is 'Exists'");
      }
    } else {
      errors.unsupported(at.child("operator"), op, {"Equal", "Exists"});
    }
    if (!toleration.effect().empty()) {
      errors.one_of(at.child("effect"), toleration.effect(), {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    }
  }
}

void check_scheduling(const core::PodSpec& spec, const Path& path, Errors& errors) {
  const auto& affinity = spec.affinity();
  const Path at = path.child("affinity");
  check_node_affinity(affinity.nodeaffinity(), at.child("nodeAffinity"), errors);
  check_pod_affinity(affinity.podaffinity(), at.child("podAffinity"), errors);
  check_pod_affinity(affinity.podantiaffinity(), at.child("podAntiAffinity"), errors);
  check_tolerations(spec.tolerations(), path.child("tolerations"), errors);
  check_spread(spec, path.child("topologySpreadConstraints"), errors);
  std::set<std::string> gates;
  for (int i = 0; i < spec.schedulinggates_size(); ++i) {
    const std::string& name = spec.schedulinggates(i).name();
    const Path gate = path.child("schedulingGates").index(i);
    errors.invalid_each(gate, name, qualified_name(name));
    if (!gates.insert(name).second) errors.duplicate(gate, name);
  }
}

}  // namespace keelson::api::validation
