// Converters between protobuf messages and this module's structs. Pure functions, any thread.
//
// Module-internal: includes the generated header. to_proto() fills an empty message; sub-messages are made only where
// the struct has a value, because runtimes tell absent from empty. Source: contract 02a.
#pragma once

#include "cri-client/proto/cri.pb.h"
#include "cri-client/stats.hpp"
#include "cri-client/types.hpp"

namespace keelson::cri {

namespace pb = ::runtime::v1;

// Sandboxes (convert_sandbox.cpp)
void to_proto(const PodSandboxConfig& from, pb::PodSandboxConfig* to);
void to_proto(const PodSandboxFilter& from, pb::PodSandboxFilter* to);
PodSandboxConfig from_proto(const pb::PodSandboxConfig& from);
PodSandbox from_proto(const pb::PodSandbox& from);
PodSandboxStatus from_proto(const pb::PodSandboxStatus& from);

// Containers (convert_container.cpp)
void to_proto(const ContainerConfig& from, pb::ContainerConfig* to);
void to_proto(const ContainerFilter& from, pb::ContainerFilter* to);
ContainerConfig from_proto(const pb::ContainerConfig& from);
Container from_proto(const pb::Container& from);
ContainerStatus from_proto(const pb::ContainerStatus& from);
ContainerEvent from_proto(const pb::ContainerEventResponse& from);

// Parts that both need (convert_common.cpp)
void to_proto(const LinuxContainerResources& from, pb::LinuxContainerResources* to);
void to_proto(const NamespaceOption& from, pb::NamespaceOption* to);
void to_proto(const SeLinuxOption& from, pb::SELinuxOption* to);
void to_proto(const SecurityProfile& from, pb::SecurityProfile* to);
void to_proto(const IdMapping& from, pb::IDMapping* to);
void to_proto(const PodSandboxMetadata& from, pb::PodSandboxMetadata* to);
void to_proto(const ContainerMetadata& from, pb::ContainerMetadata* to);
LinuxContainerResources from_proto(const pb::LinuxContainerResources& from);
NamespaceOption from_proto(const pb::NamespaceOption& from);
SeLinuxOption from_proto(const pb::SELinuxOption& from);
SecurityProfile from_proto(const pb::SecurityProfile& from);
IdMapping from_proto(const pb::IDMapping& from);
PodSandboxMetadata from_proto(const pb::PodSandboxMetadata& from);
ContainerMetadata from_proto(const pb::ContainerMetadata& from);

// Images (convert_image.cpp)
void to_proto(const ImageSpec& from, pb::ImageSpec* to);
void to_proto(const AuthConfig& from, pb::AuthConfig* to);
ImageSpec from_proto(const pb::ImageSpec& from);
Image from_proto(const pb::Image& from);
FilesystemUsage from_proto(const pb::FilesystemUsage& from);
ImageFsInfo from_proto(const pb::ImageFsInfoResponse& from);

// The runtime itself (convert_runtime.cpp)
Version from_proto(const pb::VersionResponse& from);
RuntimeStatus from_proto(const pb::StatusResponse& from);
std::optional<CgroupDriver> from_proto(const pb::RuntimeConfigResponse& from);

// Statistics (convert_stats.cpp)
void to_proto(const ContainerStatsFilter& from, pb::ContainerStatsFilter* to);
void to_proto(const PodSandboxStatsFilter& from, pb::PodSandboxStatsFilter* to);
ContainerStats from_proto(const pb::ContainerStats& from);
PodSandboxStats from_proto(const pb::PodSandboxStats& from);
MetricDescriptor from_proto(const pb::MetricDescriptor& from);
PodSandboxMetrics from_proto(const pb::PodSandboxMetrics& from);

}  // namespace keelson::cri
