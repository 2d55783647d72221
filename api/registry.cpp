// The kinds this project knows, and what a kind's message is.
#include <algorithm>
#include <unordered_map>

#include "api/envelope.hpp"
#include "api/proto/authentication_v1.pb.h"
#include "api/proto/authorization_v1.pb.h"
#include "api/proto/certificates_v1.pb.h"
#include "api/proto/certificates_v1beta1.pb.h"
#include "api/proto/coordination_v1.pb.h"
#include "api/proto/core_v1.pb.h"
#include "api/proto/events_v1.pb.h"
#include "api/proto/meta_v1.pb.h"
#include "api/proto/node_v1.pb.h"
#include "api/proto/resource_v1.pb.h"
#include "api/proto/storage_v1.pb.h"

namespace keelson::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Message;

struct Entry {
  TypeMeta type;
  const Message* prototype;
};

template <class T>
Entry entry(const char* api_version) {
  return {{api_version, T::descriptor()->name()}, &T::default_instance()};
}

const std::vector<Entry>& entries() {
  namespace core = k8s::core::v1;
  namespace meta = k8s::meta::v1;
  namespace beta = k8s::certificates::v1beta1;
  static const std::vector<Entry> all = {
      entry<core::Binding>("v1"),
      entry<core::ConfigMap>("v1"),
      entry<core::ConfigMapList>("v1"),
      entry<core::Event>("v1"),
      entry<core::EventList>("v1"),
      entry<meta::List>("v1"),
      entry<core::Namespace>("v1"),
      entry<core::NamespaceList>("v1"),
      entry<core::Node>("v1"),
      entry<core::NodeList>("v1"),
      entry<core::PersistentVolume>("v1"),
      entry<core::PersistentVolumeClaim>("v1"),
      entry<core::PersistentVolumeClaimList>("v1"),
      entry<core::PersistentVolumeList>("v1"),
      entry<core::Pod>("v1"),
      entry<core::PodList>("v1"),
      entry<core::Secret>("v1"),
      entry<core::SecretList>("v1"),
      entry<core::Service>("v1"),
      entry<core::ServiceAccount>("v1"),
      entry<core::ServiceList>("v1"),
      entry<meta::Status>("v1"),
      entry<meta::APIResourceList>("v1"),
      entry<meta::DeleteOptions>("v1"),
      entry<meta::PartialObjectMetadata>("meta.k8s.io/v1"),
      entry<meta::PartialObjectMetadataList>("meta.k8s.io/v1"),
      entry<k8s::authentication::v1::TokenRequest>("authentication.k8s.io/v1"),
      entry<k8s::authentication::v1::TokenReview>("authentication.k8s.io/v1"),
      entry<k8s::authorization::v1::SubjectAccessReview>("authorization.k8s.io/v1"),
      entry<k8s::certificates::v1::CertificateSigningRequest>("certificates.k8s.io/v1"),
      entry<k8s::certificates::v1::CertificateSigningRequestList>("certificates.k8s.io/v1"),
      entry<beta::ClusterTrustBundle>("certificates.k8s.io/v1beta1"),
      entry<beta::ClusterTrustBundleList>("certificates.k8s.io/v1beta1"),
      entry<beta::PodCertificateRequest>("certificates.k8s.io/v1beta1"),
      entry<beta::PodCertificateRequestList>("certificates.k8s.io/v1beta1"),
      entry<k8s::coordination::v1::Lease>("coordination.k8s.io/v1"),
      entry<k8s::coordination::v1::LeaseList>("coordination.k8s.io/v1"),
      entry<k8s::events::v1::Event>("events.k8s.io/v1"),
      entry<k8s::events::v1::EventList>("events.k8s.io/v1"),
      entry<k8s::node::v1::RuntimeClass>("node.k8s.io/v1"),
      entry<k8s::node::v1::RuntimeClassList>("node.k8s.io/v1"),
      entry<k8s::resource::v1::ResourceClaim>("resource.k8s.io/v1"),
      entry<k8s::resource::v1::ResourceClaimList>("resource.k8s.io/v1"),
      entry<k8s::resource::v1::ResourceSlice>("resource.k8s.io/v1"),
      entry<k8s::resource::v1::ResourceSliceList>("resource.k8s.io/v1"),
      entry<k8s::storage::v1::CSIDriver>("storage.k8s.io/v1"),
      entry<k8s::storage::v1::CSIDriverList>("storage.k8s.io/v1"),
      entry<k8s::storage::v1::CSINode>("storage.k8s.io/v1"),
      entry<k8s::storage::v1::CSINodeList>("storage.k8s.io/v1"),
      entry<k8s::storage::v1::StorageClass>("storage.k8s.io/v1"),
      entry<k8s::storage::v1::VolumeAttachment>("storage.k8s.io/v1"),
      entry<k8s::storage::v1::VolumeAttachmentList>("storage.k8s.io/v1"),
  };
  return all;
}

}  // namespace

const TypeMeta* type_of(const Descriptor* descriptor) {
  static const auto index = [] {
    std::unordered_map<const Descriptor*, const TypeMeta*> out;
    for (const Entry& e : entries()) out.emplace(e.prototype->GetDescriptor(), &e.type);
    return out;
  }();
  const auto found = index.find(descriptor);
  return found == index.end() ? nullptr : found->second;
}

Result<std::unique_ptr<Message>> new_object(const TypeMeta& type) {
  for (const Entry& e : entries()) {
    if (e.type == type) return std::unique_ptr<Message>(e.prototype->New());
  }
  return Error(ErrorKind::unimplemented,
               "no kind \"" + type.kind + "\" in apiVersion \"" + type.api_version + "\" is known");
}

const std::vector<TypeMeta>& known_types() {
  static const auto types = [] {
    std::vector<TypeMeta> out;
    for (const Entry& e : entries()) out.push_back(e.type);
    return out;
  }();
  return types;
}

}  // namespace keelson::api
