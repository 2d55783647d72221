// The containers of a pod, all kinds under one shape.
//
// Pure functions on values, any thread. Source: contract 02 §6.2 (a sidecar is an init container with restartPolicy
// Always).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/objects.hpp"

namespace keelson::agent {

enum class ContainerType { init, regular, ephemeral };

// "init", "regular", "ephemeral".
std::string_view to_string(ContainerType type);

// Which container of which pod spec.
struct ContainerRef {
  ContainerType type = ContainerType::regular;
  int index = 0;
  bool operator==(const ContainerRef&) const = default;
};

bool is_sidecar(const api::core::Container& container);
bool has_sidecars(const api::Pod& pod);
int container_count(const api::Pod& pod);

const std::string& container_name(const api::Pod& pod, ContainerRef ref);
// A copy, since an ephemeral container is a message of its own with the same fields.
api::core::Container container_of(const api::Pod& pod, ContainerRef ref);
std::optional<ContainerRef> find_container(const api::Pod& pod, std::string_view name);
// All: init, regular, ephemeral, each in spec order.
void for_each_container(const api::Pod& pod, const std::function<void(ContainerRef, const std::string& name)>& visit);

// The event fieldPath of contract 02 §22.1: spec.containers{NAME} and its kin.
std::string field_path(const api::Pod& pod, ContainerRef ref);
// "NAME_NAMESPACE(UID)", the pod description of contract 02.
std::string pod_description(const api::Pod& pod);
// "NAME_NAMESPACE", the full name.
std::string full_name(const api::Pod& pod);
// "namespace/name", for people.
std::string pod_path(const api::Pod& pod);

}  // namespace keelson::agent
