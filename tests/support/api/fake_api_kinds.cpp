#include "tests/support/api/fake_api_kinds.hpp"

#include "api/envelope.hpp"
#include "api/proto/authentication_v1.pb.h"
#include "api/proto/authorization_v1.pb.h"
#include "api/proto/certificates_v1.pb.h"
#include "api/proto/certificates_v1beta1.pb.h"
#include "api/proto/coordination_v1.pb.h"
#include "api/proto/node_v1.pb.h"
#include "api/proto/resource_v1.pb.h"
#include "api/proto/storage_v1.pb.h"

namespace keelson::fakes {
namespace {

namespace core = k8s::core::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

template <class T>
ApiKind kind(std::string singular, std::vector<std::string> short_names = {}) {
  ApiKind out;
  out.prototype = &T::default_instance();
  out.resource = kube::resource_of(T::descriptor());
  out.kind = T::descriptor()->name();
  out.api_version = std::string(out.resource.group) + (out.resource.group.empty() ? "" : "/");
  out.api_version += out.resource.version;
  out.singular = std::move(singular);
  out.short_names = std::move(short_names);
  return out;
}

ApiKind with_status(ApiKind kind) {
  kind.status = true;
  return kind;
}

ApiKind with_generation(ApiKind kind) {
  kind.generation = true;
  return kind;
}

ApiKind answered_only(ApiKind kind) {
  kind.stored = false;
  return kind;
}

ApiKind in_all(ApiKind kind) {
  kind.categories = {"all"};
  return kind;
}

std::vector<ApiKind> make_table() {
  return {
      kind<core::ConfigMap>("configmap", {"cm"}),
      kind<core::Event>("event", {"ev"}),
      with_status(kind<core::Namespace>("namespace", {"ns"})),
      with_status(kind<core::Node>("node", {"no"})),
      with_status(kind<core::PersistentVolumeClaim>("persistentvolumeclaim", {"pvc"})),
      with_status(kind<core::PersistentVolume>("persistentvolume", {"pv"})),
      in_all(with_generation(with_status(kind<core::Pod>("pod", {"po"})))),
      kind<core::Secret>("secret"),
      kind<core::ServiceAccount>("serviceaccount", {"sa"}),
      in_all(with_status(kind<core::Service>("service", {"svc"}))),
      answered_only(kind<k8s::authentication::v1::TokenReview>("tokenreview")),
      answered_only(kind<k8s::authorization::v1::SubjectAccessReview>("subjectaccessreview")),
      with_status(kind<k8s::certificates::v1::CertificateSigningRequest>("certificatesigningrequest", {"csr"})),
      kind<k8s::certificates::v1beta1::ClusterTrustBundle>("clustertrustbundle"),
      with_status(kind<k8s::certificates::v1beta1::PodCertificateRequest>("podcertificaterequest")),
      kind<k8s::coordination::v1::Lease>("lease"),
      kind<k8s::node::v1::RuntimeClass>("runtimeclass"),
      with_status(kind<k8s::resource::v1::ResourceClaim>("resourceclaim")),
      with_generation(kind<k8s::resource::v1::ResourceSlice>("resourceslice")),
      kind<k8s::storage::v1::CSIDriver>("csidriver"),
      kind<k8s::storage::v1::CSINode>("csinode"),
      with_status(kind<k8s::storage::v1::VolumeAttachment>("volumeattachment")),
  };
}

const FieldDescriptor* field_of(const Message& object, const char* name) {
  return object.GetDescriptor()->FindFieldByName(name);
}

}  // namespace

std::string ApiKind::qualified() const {
  std::string out(resource.plural);
  if (!resource.group.empty()) out.append(".").append(resource.group);
  return out;
}

const std::vector<ApiKind>& api_kinds() {
  static const std::vector<ApiKind> all = make_table();
  return all;
}

const ApiKind* kind_of(const google::protobuf::Descriptor* type) {
  for (const ApiKind& kind : api_kinds()) {
    if (kind.type() == type) return &kind;
  }
  return nullptr;
}

const ApiKind* find_kind(std::string_view group, std::string_view version, std::string_view plural) {
  for (const ApiKind& kind : api_kinds()) {
    if (kind.resource.group == group && kind.resource.version == version && kind.is(plural)) return &kind;
  }
  return nullptr;
}

const api::meta::ObjectMeta& meta_of(const Message& object) {
  return static_cast<const api::meta::ObjectMeta&>(
      object.GetReflection()->GetMessage(object, field_of(object, "metadata")));
}

api::meta::ObjectMeta& mutable_meta(Message& object) {
  return static_cast<api::meta::ObjectMeta&>(
      *object.GetReflection()->MutableMessage(&object, field_of(object, "metadata")));
}

const Message* part_of(const Message& object, const char* field) {
  const FieldDescriptor* found = field_of(object, field);
  if (found == nullptr || !object.GetReflection()->HasField(object, found)) return nullptr;
  return &object.GetReflection()->GetMessage(object, found);
}

void copy_part(const Message& from, Message& to, const char* field) {
  const FieldDescriptor* found = field_of(to, field);
  if (found == nullptr) return;
  const Message* part = part_of(from, field);
  if (part == nullptr) {
    to.GetReflection()->ClearField(&to, found);
  } else {
    // Not CopyFrom(), which looks first whether one is inside of the other.
    Message* copy = to.GetReflection()->MutableMessage(&to, found);
    copy->Clear();
    copy->MergeFrom(*part);
  }
}

}  // namespace keelson::fakes
