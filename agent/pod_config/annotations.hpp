// Labels and annotations by which sandboxes and containers are found again and killed without their pod spec.
//
// Pure functions, any thread. Source: contract 02 §2 labels, annotations; §3 container annotation table.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "api/objects.hpp"

namespace keelson::agent {

namespace label {
inline constexpr std::string_view pod_name = "io.kubernetes.pod.name";
inline constexpr std::string_view pod_namespace = "io.kubernetes.pod.namespace";
inline constexpr std::string_view pod_uid = "io.kubernetes.pod.uid";
inline constexpr std::string_view container_name = "io.kubernetes.container.name";
}  // namespace label

namespace annotation {
inline constexpr std::string_view hash = "io.kubernetes.container.hash";
inline constexpr std::string_view restart_count = "io.kubernetes.container.restartCount";
inline constexpr std::string_view termination_path = "io.kubernetes.container.terminationMessagePath";
inline constexpr std::string_view termination_policy = "io.kubernetes.container.terminationMessagePolicy";
inline constexpr std::string_view pod_termination_grace = "io.kubernetes.pod.terminationGracePeriod";
inline constexpr std::string_view pod_deletion_grace = "io.kubernetes.pod.deletionGracePeriod";
inline constexpr std::string_view pre_stop = "io.kubernetes.container.preStopHandler";
inline constexpr std::string_view ports = "io.kubernetes.container.ports";
}  // namespace annotation

std::map<std::string, std::string> sandbox_labels(const api::Pod& pod);
std::map<std::string, std::string> sandbox_annotations(const api::Pod& pod);
std::map<std::string, std::string> container_labels(const api::Pod& pod, const api::core::Container& container);
// `more` (of device plugins) never replaces a key of ours.
std::map<std::string, std::string> container_annotations(const api::Pod& pod, const api::core::Container& container,
                                                         std::uint32_t restart_count,
                                                         const std::map<std::string, std::string>& more);

// Compact JSON as the API types write it.
std::string ports_json(const google::protobuf::RepeatedPtrField<api::core::ContainerPort>& ports);
std::string handler_json(const api::core::LifecycleHandler& handler);

}  // namespace keelson::agent
