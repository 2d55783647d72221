// Resource requirements of containers and of the pod: known names, sane quantities, requests within limits.
#include "api/pod_resources.hpp"
#include "api/pod_validation_internal.hpp"
#include "api/quantity.hpp"

namespace keelson::api::validation {
namespace {

void check_resource_name(const std::string& name, ResourceScope scope, const Path& path, Errors& errors) {
  const auto reasons = qualified_name(name);
  errors.invalid_each(path, name, reasons);
  if (!reasons.empty()) return;
  if (scope == ResourceScope::pod) {
    if (!is_pod_level_resource(name)) errors.unsupported(path, name, {"cpu", "hugepages-", "memory"});
    return;
  }
  if (name.find('/') == std::string::npos) {
    if (name != "cpu" && name != "memory" && name != "ephemeral-storage" && !is_hugepages(name)) {
      errors.invalid(path, name, "must be a standard resource for containers");
    }
  } else if (!is_native_resource(name) && !is_extended_resource(name)) {
    errors.invalid(path, name, "doesn't follow extended resource name standard");
  }
}

void check_amount(const std::string& name, const Quantity& amount, const Path& path, Errors& errors) {
  if (amount.sign() < 0) errors.invalid(path, amount.to_string(), "must be greater than or equal to 0");
  if (is_extended_resource(name) && amount.milli_value() % 1000 != 0) {
    errors.invalid(path, amount.to_string(), "must be an integer");
  }
  if (!is_hugepages(name)) return;
  const auto page = Quantity::parse(name.substr(name.find('-') + 1));
  const bool divides = page.ok() && page->sign() > 0 && amount.value() % page->value() == 0;
  if (!divides) {
    errors.invalid(path, amount.to_string(), amount.to_string() + " is not positive integer multiple of " + name);
  }
}

void check_request_against_limit(const std::string& name, const Quantity& request, const ResourceMap& limits,
                                 const Path& path, Errors& errors) {
  const auto limit = limits.find(name);
  const bool overcommit = is_overcommit_allowed(name);
  if (limit == limits.end()) {
    if (!overcommit) errors.required(path.child("limits"), "Limit must be set for non overcommitable resources");
    return;
  }
  const std::string what = name + " limit of " + limit->second.to_string();
  const Path requests = path.child("requests");
  if (!overcommit && request != limit->second) {
    errors.invalid(requests, request.to_string(), "must be equal to " + what);
  } else if (request > limit->second) {
    errors.invalid(requests, request.to_string(), "must be less than or equal to " + what);
  }
}

void check_claims(const core::ResourceRequirements& resources, const std::set<std::string>& known, const Path& path,
                  Errors& errors) {
  std::set<std::string> whole;                          // claims named without a request
  std::set<std::pair<std::string, std::string>> parts;  // claim and request
  for (int i = 0; i < resources.claims_size(); ++i) {
    const auto& claim = resources.claims(i);
    const Path at = path.index(i);
    if (claim.name().empty()) {
      errors.required(at);
      continue;
    }
    if (whole.count(claim.name()) > 0) {
      errors.duplicate(at, claim.name());
    } else if (claim.request().empty()) {
      for (const auto& [name, request] : parts) {
        if (name == claim.name()) errors.duplicate(at, name);
      }
      whole.insert(claim.name());
    } else {
      errors.invalid_each(at.child("request"), claim.request(), dns_label(claim.request()));
      if (!parts.emplace(claim.name(), claim.request()).second) {
        errors.duplicate(at, claim.name() + "/" + claim.request());
      }
    }
    if (known.count(claim.name()) > 0) continue;
    std::string names;
    for (const auto& name : known) names += (names.empty() ? ": " : ", ") + name;
    errors.not_found(
        at, claim.name(),
        "must be one of the names in pod.spec.resourceClaims" + (names.empty() ? " which is empty" : names));
  }
}

}  // namespace

void check_resources(const core::ResourceRequirements& resources, ResourceScope scope,
                     const std::set<std::string>& claims, const Path& path, Errors& errors) {
  const auto limits = to_resource_map(resources.limits());
  const auto requests = to_resource_map(resources.requests());
  bool compute = false;
  bool huge = false;
  const auto note = [&](const std::string& name) {
    compute = compute || name == "cpu" || name == "memory";
    huge = huge || is_hugepages(name);
  };
  for (const auto& [name, amount] : limits) {
    const Path at = path.child("limits").key(name);
    check_resource_name(name, scope, at, errors);
    check_amount(name, amount, at, errors);
    note(name);
  }
  for (const auto& [name, amount] : requests) {
    const Path at = path.child("requests").key(name);
    check_resource_name(name, scope, at, errors);
    check_amount(name, amount, at, errors);
    check_request_against_limit(name, amount, limits, path, errors);
    note(name);
  }
  if (huge && !compute) errors.forbidden(path, "HugePages require cpu or memory");
  check_claims(resources, claims, path.child("claims"), errors);
}

void check_pod_resources(const core::PodSpec& spec, const Path& path, Errors& errors) {
  if (!spec.has_resources()) return;
  const auto& resources = spec.resources();
  if (resources.claims_size() > 0) {
    errors.forbidden(path.child("claims"), "claims cannot be set for Resources at pod-level");
  }
  core::ResourceRequirements amounts = resources;
  amounts.clear_claims();
  check_resources(amounts, ResourceScope::pod, {}, path, errors);

  const auto requests = to_resource_map(resources.requests());
  for (const auto& [name, total] : aggregate_requests(spec)) {
    if (!is_pod_level_resource(name)) continue;
    const auto own = requests.find(name);
    const Quantity given = own == requests.end() ? Quantity() : own->second;
    if (total <= given) continue;
    errors.invalid(path.child("requests").key(name), given.to_string(),
                   "must be greater than or equal to aggregate container requests of " + total.to_string());
  }
  const auto limits = to_resource_map(resources.limits());
  for (int i = 0; i < spec.containers_size(); ++i) {
    for (const auto& [name, limit] : to_resource_map(spec.containers(i).resources().limits())) {
      const auto own = limits.find(name);
      if (own == limits.end() || limit <= own->second) continue;
      errors.invalid(Path("spec.containers").index(i).child("resources").child("limits").key(name), limit.to_string(),
                     "must be less than or equal to pod limits of " + own->second.to_string());
    }
  }
}

void check_overhead(const core::PodSpec& spec, const Path& path, Errors& errors) {
  for (const auto& [name, amount] : to_resource_map(spec.overhead())) {
    check_resource_name(name, ResourceScope::container, path.key(name), errors);
    check_amount(name, amount, path.key(name), errors);
  }
}

}  // namespace keelson::api::validation
