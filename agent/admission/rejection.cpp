#include "agent/admission/rejection.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "agent/pod_config/qos.hpp"
#include "api/time.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kOutOf = "OutOf";
constexpr std::array<std::string_view, 22> kLabels{
    "AppArmor",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "PodOSNotSupported",
    "InvalidNodeInfo",
    "InitContainerRestartPolicyForbidden",
    "SupplementalGroupsPolicyNotSupported",
    "UnexpectedAdmissionError",
    "UnknownReason",
    "UnexpectedPredicateFailureType",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfephemeral-storage",
    "OutOfpods",
    "PodLevelResourcesNotSupported",
    "PodFeatureUnsupported",
    "Evicted",
    "SysctlForbidden",
    "TopologyAffinityError",
    "SMTAlignmentError",
    "EmptyPodSharedPoolError",
    "NodeShutdown",
    "VolumeAttachmentLimitExceeded",
};

}  // namespace

api::core::PodStatus rejected_status(const api::Pod& pod, const Rejection& rejection, base::SystemTime now) {
  api::core::PodStatus status;
  status.set_phase("Failed");
  status.set_reason(rejection.reason);
  status.set_message("Pod was rejected: " + rejection.message);
  *status.mutable_starttime() = pod.status().has_starttime() ? pod.status().starttime() : api::make_time(now);
  status.set_qosclass(std::string(to_string(qos_class(pod))));
  if (pod.metadata().generation() != 0) status.set_observedgeneration(pod.metadata().generation());
  return status;
}

std::string rejection_label(const std::string& reason) {
  if (std::find(kLabels.begin(), kLabels.end(), reason) != kLabels.end()) return reason;
  return reason.starts_with(kOutOf) ? "OutOfExtendedResources" : "Other";
}

}  // namespace keelson::agent
