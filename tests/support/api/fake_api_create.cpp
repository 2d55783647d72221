// Creating: names, system fields, what each kind is given.
#include <cstdio>

#include "api/json_codec.hpp"
#include "api/pod_validation.hpp"
#include "api/proto/certificates_v1.pb.h"
#include "api/proto/certificates_v1beta1.pb.h"
#include "api/time.hpp"
#include "tests/support/api/fake_api_admission.hpp"
#include "tests/support/api/fake_api_backend.hpp"
#include "tests/support/api/fake_api_pods.hpp"
#include "tests/support/api/fake_api_signer.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using google::protobuf::Message;

api::ValidationError required(std::string path, std::string detail) {
  api::ValidationError error;
  error.kind = api::ValidationError::Kind::required;
  error.path = std::move(path);
  error.detail = std::move(detail);
  return error;
}

void prepare_node(core::Node& node) {
  bool ready = false;
  for (const auto& condition : node.status().conditions()) {
    if (condition.type() == "Ready") ready = condition.status() == "True";
  }
  if (ready) return;
  for (const auto& taint : node.spec().taints()) {
    if (taint.key() == "node.kubernetes.io/not-ready" && taint.effect() == "NoSchedule") return;
  }
  auto& taint = *node.mutable_spec()->add_taints();
  taint.set_key("node.kubernetes.io/not-ready");
  taint.set_effect("NoSchedule");
}

void fold_string_data(core::Secret& secret) {
  for (const auto& [key, value] : secret.stringdata()) (*secret.mutable_data())[key] = value;
  secret.clear_stringdata();
  if (secret.type().empty()) secret.set_type("Opaque");
}

void prepare_service(core::Service& service) {
  auto& spec = *service.mutable_spec();
  if (spec.type().empty()) spec.set_type("ClusterIP");
  if (spec.sessionaffinity().empty()) spec.set_sessionaffinity("None");
  for (auto& port : *spec.mutable_ports()) {
    if (port.protocol().empty()) port.set_protocol("TCP");
  }
}

template <class T>
T* as(Message& object) {
  return object.GetDescriptor() == T::descriptor() ? static_cast<T*>(&object) : nullptr;
}

}  // namespace

std::uint64_t ApiBackend::random() {
  // The same seed each time: a run can be repeated.
  std::uint64_t z = (random_state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::string ApiBackend::new_uid() {
  const std::uint64_t a = random();
  const std::uint64_t b = random();
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", static_cast<unsigned>(a >> 32),
                static_cast<unsigned>(a >> 16 & 0xffff), static_cast<unsigned>(a & 0xfff),
                static_cast<unsigned>(0x8000 | (b >> 48 & 0x3fff)),
                static_cast<unsigned long long>(b & 0xffffffffffff));
  return text;
}

std::string ApiBackend::new_suffix() {
  static constexpr char kLetters[] = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (int i = 0; i < 5; ++i) out += kLetters[random() % (sizeof kLetters - 1)];
  return out;
}

Refusal ApiBackend::check_namespace(const ApiKind& kind, const Message& object) const {
  if (!kind.resource.namespaced) return std::nullopt;
  const auto& meta = meta_of(object);
  const auto ns = store_.find<core::Namespace>("", meta.namespace_());
  if (ns == nullptr) return not_found(*kind_of(core::Namespace::descriptor()), meta.namespace_());
  if (!ns->metadata().has_deletiontimestamp()) return std::nullopt;
  ApiFailure refused =
      forbidden(kind, meta.name(),
                "unable to create new content in namespace " + meta.namespace_() + " because it is being terminated");
  auto& cause = *refused.mutable_details()->add_causes();
  cause.set_reason("NamespaceTerminating");
  cause.set_message("namespace " + meta.namespace_() + " is being terminated");
  cause.set_field("metadata.namespace");
  return refused;
}

Refusal ApiBackend::prepare_new(const ApiKind& kind, Message& object, const ApiUser& user) {
  const std::string name = meta_of(object).name();
  if (auto* pod = as<core::Pod>(object)) {
    prepare_new_pod(*pod);
    if (switches.mount_tokens) mount_service_account(*pod, new_suffix());
    const auto errors = api::validate_pod(*pod);
    if (!errors.empty()) return invalid(kind, name, errors);
  } else if (auto* node = as<core::Node>(object)) {
    prepare_node(*node);
  } else if (auto* secret = as<core::Secret>(object)) {
    fold_string_data(*secret);
  } else if (auto* service = as<core::Service>(object)) {
    prepare_service(*service);
  } else if (auto* ns = as<core::Namespace>(object)) {
    (*ns->mutable_metadata()->mutable_labels())["kubernetes.io/metadata.name"] = name;
    ns->mutable_status()->set_phase("Active");
  } else if (auto* claim = as<core::PersistentVolumeClaim>(object)) {
    claim->clear_status();
    claim->mutable_status()->set_phase("Pending");
    if (!claim->spec().has_volumemode()) claim->mutable_spec()->set_volumemode("Filesystem");
  } else if (auto* csr = as<k8s::certificates::v1::CertificateSigningRequest>(object)) {
    csr->clear_status();
    csr->mutable_spec()->set_username(user.name);
    csr->mutable_spec()->clear_groups();
    for (const std::string& group : user.groups) csr->mutable_spec()->add_groups(group);
    return check_csr(kind, *csr);
  } else if (auto* request = as<k8s::certificates::v1beta1::PodCertificateRequest>(object)) {
    request->clear_status();
  }
  return std::nullopt;
}

Outcome<ObjectPtr> ApiBackend::create(const ApiKind& kind, NewObject object, const WriteOptions& options) {
  auto& meta = mutable_meta(*object);
  if (!kind.resource.namespaced && !meta.namespace_().empty()) {
    return bad_request("namespace is not allowed on this type");
  }
  if (kind.resource.namespaced && meta.namespace_().empty()) meta.set_namespace_("default");
  if (meta.name().empty() && meta.generatename().empty()) {
    return invalid(kind, "", {required("metadata.name", "name or generateName is required")});
  }
  if (!meta.resourceversion().empty()) {
    return bad_request("resourceVersion should not be set on objects to be created");
  }
  if (auto refused = check_namespace(kind, *object)) return *refused;
  if (meta.name().empty()) meta.set_name(meta.generatename() + new_suffix());
  if (switches.node_limits) {
    if (auto refused = admit_create(store_, options.user, kind, *object)) return *refused;
  }
  if (auto refused = prepare_new(kind, *object, options.user)) return *refused;
  if (store_.get(kind, meta.namespace_(), meta.name()) != nullptr) return already_exists(kind, meta.name());

  meta.set_uid(new_uid());
  *meta.mutable_creationtimestamp() = api::make_time(clock_.now());
  meta.clear_deletiontimestamp();
  meta.clear_deletiongraceperiodseconds();
  meta.clear_selflink();
  meta.clear_managedfields();
  meta.clear_generation();
  if (kind.generation) meta.set_generation(1);
  api::normalize(*object);
  if (options.dry_run) return ObjectPtr(std::move(object));
  const ObjectPtr stored = store_.put(kind, std::move(object));
  after_create(kind, stored);
  // What the creation caused may have changed it already; the answer is what was created.
  return stored;
}

void ApiBackend::after_create(const ApiKind& kind, const ObjectPtr& object) {
  const WriteOptions options{administrator()};
  if (kind.is("namespaces")) {
    const std::string& ns = meta_of(*object).name();
    auto account = std::make_unique<core::ServiceAccount>();
    account->mutable_metadata()->set_name("default");
    account->mutable_metadata()->set_namespace_(ns);
    (void)create(*kind_of(core::ServiceAccount::descriptor()), std::move(account), options).ok();
    auto root = std::make_unique<core::ConfigMap>();
    root->mutable_metadata()->set_name("kube-root-ca.crt");
    root->mutable_metadata()->set_namespace_(ns);
    (*root->mutable_data())["ca.crt"] = signer_->ca_certificate();
    (void)create(*kind_of(core::ConfigMap::descriptor()), std::move(root), options).ok();
    return;
  }
  if (kind.is("certificatesigningrequests") && switches.sign) {
    const auto& csr = static_cast<const k8s::certificates::v1::CertificateSigningRequest&>(*object);
    NewObject answered = signer_->answer(csr, clock_.now());
    if (answered != nullptr) store_.put(kind, std::move(answered));
  }
  if (kind.is("podcertificaterequests") && switches.sign) {
    const auto& request = static_cast<const k8s::certificates::v1beta1::PodCertificateRequest&>(*object);
    NewObject answered = signer_->answer(request, clock_.now());
    if (answered != nullptr) store_.put(kind, std::move(answered));
  }
}

}  // namespace keelson::fakes
