// What a runtime's answer must hold to be believed. Pure functions, any thread; module-internal.
//
// An answer that breaks a rule is an `internal` error naming the field. Source: contract 02 §1 "answer check".
#pragma once

#include "base/result.hpp"
#include "cri-client/proto/cri.pb.h"

namespace keelson::cri {

namespace pb = ::runtime::v1;

Status check(const pb::VersionResponse& answer);
Status check(const pb::StatusResponse& answer);
Status check(const pb::RunPodSandboxResponse& answer);
Status check(const pb::CreateContainerResponse& answer);
Status check(const pb::ExecResponse& answer);
Status check(const pb::AttachResponse& answer);
Status check(const pb::PortForwardResponse& answer);
Status check(const pb::PodSandboxStatusResponse& answer);
Status check(const pb::ContainerStatusResponse& answer);
Status check(const pb::ImageStatusResponse& answer);
Status check(const pb::PullImageResponse& answer);

// Every other answer is taken as it is.
template <class Answer>
Status check(const Answer&) {
  return {};
}

}  // namespace keelson::cri
