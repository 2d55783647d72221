#include "api/pod_resources.hpp"

#include <algorithm>

namespace keelson::api {
namespace {

constexpr std::string_view kHugepages = "hugepages-";

void add(ResourceMap& sum, const ResourceMap& more) {
  for (const auto& [name, quantity] : more) sum[name] += quantity;
}

void raise(ResourceMap& most, const ResourceMap& other) {
  for (const auto& [name, quantity] : other) {
    const auto [it, inserted] = most.emplace(name, quantity);
    if (!inserted && quantity > it->second) it->second = quantity;
  }
}

template <class Pick>
ResourceMap aggregate(const core::PodSpec& spec, Pick pick) {
  ResourceMap running;
  for (const auto& container : spec.containers()) add(running, pick(container));
  ResourceMap sidecars;
  ResourceMap starting;
  for (const auto& container : spec.initcontainers()) {
    ResourceMap own = pick(container);
    if (container.restartpolicy() == "Always") {
      add(running, own);
      add(sidecars, own);
      own = sidecars;
    } else {
      add(own, sidecars);
    }
    raise(starting, own);
  }
  raise(running, starting);
  return running;
}

}  // namespace

ResourceMap to_resource_map(const ResourceMessageMap& messages) {
  ResourceMap map;
  for (const auto& [name, quantity] : messages) map.emplace(name, Quantity::of(quantity));
  return map;
}

ResourceMap aggregate_requests(const core::PodSpec& spec) {
  return aggregate(spec, [](const core::Container& c) { return to_resource_map(c.resources().requests()); });
}

ResourceMap aggregate_limits(const core::PodSpec& spec) {
  return aggregate(spec, [](const core::Container& c) { return to_resource_map(c.resources().limits()); });
}

bool is_hugepages(std::string_view resource) { return resource.substr(0, kHugepages.size()) == kHugepages; }

bool is_pod_level_resource(std::string_view resource) {
  return resource == "cpu" || resource == "memory" || is_hugepages(resource);
}

bool is_native_resource(std::string_view resource) {
  return resource.find('/') == std::string_view::npos || resource.find("kubernetes.io/") != std::string_view::npos;
}

bool is_overcommit_allowed(std::string_view resource) {
  return is_native_resource(resource) && !is_hugepages(resource);
}

bool is_extended_resource(std::string_view resource) {
  return !is_native_resource(resource) && resource.substr(0, 9) != "requests.";
}

}  // namespace keelson::api
