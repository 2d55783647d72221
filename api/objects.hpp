// The Kubernetes object model under short names: api::core::Pod, api::meta::ObjectMeta, api::Pod.
//
// The messages are generated from api/proto (field numbers of the Kubernetes API, contract 05a); they are this
// project's vocabulary and cross module borders. Owner: whoever holds the value. Thread: values, shared read-only as
// std::shared_ptr<const api::Pod>.
#pragma once

#include <memory>

#include "api/proto/core_v1.pb.h"
#include "api/proto/meta_v1.pb.h"

namespace keelson::api {

namespace core = ::k8s::core::v1;
namespace meta = ::k8s::meta::v1;

using Pod = core::Pod;
using PodPtr = std::shared_ptr<const Pod>;

}  // namespace keelson::api
