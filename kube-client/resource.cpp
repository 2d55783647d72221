#include "kube-client/resource.hpp"

#include <cctype>
#include <map>

#include "api/proto/authentication_v1.pb.h"
#include "api/proto/authorization_v1.pb.h"
#include "api/proto/certificates_v1.pb.h"
#include "api/proto/certificates_v1beta1.pb.h"
#include "api/proto/coordination_v1.pb.h"
#include "api/proto/core_v1.pb.h"
#include "api/proto/node_v1.pb.h"
#include "api/proto/resource_v1.pb.h"
#include "api/proto/storage_v1.pb.h"
#include "base/result.hpp"

namespace keelson::kube {
namespace {

namespace core = k8s::core::v1;

const std::map<const google::protobuf::Descriptor*, Resource>& table() {
  static const std::map<const google::protobuf::Descriptor*, Resource> all = {
      {core::ConfigMap::descriptor(), {"", "v1", "configmaps", true}},
      {core::Event::descriptor(), {"", "v1", "events", true}},
      {core::Namespace::descriptor(), {"", "v1", "namespaces", false}},
      {core::Node::descriptor(), {"", "v1", "nodes", false}},
      {core::PersistentVolume::descriptor(), {"", "v1", "persistentvolumes", false}},
      {core::PersistentVolumeClaim::descriptor(), {"", "v1", "persistentvolumeclaims", true}},
      {core::Pod::descriptor(), {"", "v1", "pods", true}},
      {core::Secret::descriptor(), {"", "v1", "secrets", true}},
      {core::Service::descriptor(), {"", "v1", "services", true}},
      {core::ServiceAccount::descriptor(), {"", "v1", "serviceaccounts", true}},
      {k8s::authentication::v1::TokenReview::descriptor(), {"authentication.k8s.io", "v1", "tokenreviews", false}},
      {k8s::authorization::v1::SubjectAccessReview::descriptor(),
       {"authorization.k8s.io", "v1", "subjectaccessreviews", false}},
      {k8s::certificates::v1::CertificateSigningRequest::descriptor(),
       {"certificates.k8s.io", "v1", "certificatesigningrequests", false}},
      {k8s::certificates::v1beta1::ClusterTrustBundle::descriptor(),
       {"certificates.k8s.io", "v1beta1", "clustertrustbundles", false}},
      {k8s::certificates::v1beta1::PodCertificateRequest::descriptor(),
       {"certificates.k8s.io", "v1beta1", "podcertificaterequests", true}},
      {k8s::coordination::v1::Lease::descriptor(), {"coordination.k8s.io", "v1", "leases", true}},
      {k8s::node::v1::RuntimeClass::descriptor(), {"node.k8s.io", "v1", "runtimeclasses", false}},
      {k8s::resource::v1::ResourceClaim::descriptor(), {"resource.k8s.io", "v1", "resourceclaims", true}},
      {k8s::resource::v1::ResourceSlice::descriptor(), {"resource.k8s.io", "v1", "resourceslices", false}},
      {k8s::storage::v1::CSIDriver::descriptor(), {"storage.k8s.io", "v1", "csidrivers", false}},
      {k8s::storage::v1::CSINode::descriptor(), {"storage.k8s.io", "v1", "csinodes", false}},
      {k8s::storage::v1::VolumeAttachment::descriptor(), {"storage.k8s.io", "v1", "volumeattachments", false}},
  };
  return all;
}

bool is_unreserved(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' || c == '~';
}

}  // namespace

const Resource& resource_of(const google::protobuf::Descriptor* type) {
  const auto found = table().find(type);
  KEELSON_CHECK(found != table().end() && "a type without a REST path");
  return found->second;
}

std::string path_of(const Resource& resource, std::string_view ns, std::string_view name,
                    std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/" + std::string(resource.group) + "/";
  path += resource.version;
  if (resource.namespaced && !ns.empty()) path += "/namespaces/" + url_encode(ns);
  path += "/" + std::string(resource.plural);
  if (!name.empty()) path += "/" + url_encode(name);
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

std::string url_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

}  // namespace keelson::kube
