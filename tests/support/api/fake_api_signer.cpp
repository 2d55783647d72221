#include "tests/support/api/fake_api_signer.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <map>
#include <vector>

#include "api/base64.hpp"
#include "api/time.hpp"
#include "kube-client/x509_openssl.hpp"

namespace keelson::fakes {
namespace {

using Csr = k8s::certificates::v1::CertificateSigningRequest;
using PodRequest = k8s::certificates::v1beta1::PodCertificateRequest;

using kube::openssl::to_pem;
using Bio = kube::openssl::BioPtr;
using Key = kube::openssl::KeyPtr;
using Cert = kube::openssl::CertificatePtr;
using Request = kube::openssl::RequestPtr;
using Extension = kube::openssl::ExtensionPtr;
using AltNames = kube::openssl::NamesPtr;

constexpr std::chrono::seconds kBackdate{300};
constexpr std::chrono::hours kLifetime{365 * 24};
constexpr std::chrono::hours kPodLifetime{24};  // when the request names none

void set_times(X509* certificate, base::SystemTime from, base::SystemTime to) {
  ASN1_TIME_set(X509_getm_notBefore(certificate), base::SystemTime::clock::to_time_t(from));
  ASN1_TIME_set(X509_getm_notAfter(certificate), base::SystemTime::clock::to_time_t(to));
}

void set_random_serial(X509* certificate) {
  unsigned char bytes[16];
  RAND_bytes(bytes, sizeof bytes);
  bytes[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(bytes, sizeof bytes, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (extension != nullptr) X509_add_ext(certificate, extension.get(), -1);
}

Request read_request(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Request out(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return out;
}

Request read_stub(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  Request out(d2i_X509_REQ(nullptr, &bytes, static_cast<long>(der.size())));
  ERR_clear_error();
  return out;
}

std::vector<std::string> subject_entries(const X509_REQ* request, int nid) {
  std::vector<std::string> out;
  const X509_NAME* name = X509_REQ_get_subject_name(request);
  int at = -1;
  while ((at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0) {
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<std::size_t>(ASN1_STRING_length(value)));
  }
  return out;
}

AltNames alternative_names(X509_REQ* request) {
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request);
  if (extensions == nullptr) return nullptr;
  auto* names = static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr));
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  return AltNames(names);
}

struct NameCounts {
  int hosts = 0;  // DNS names and IP addresses
  int others = 0;
};

NameCounts count(const GENERAL_NAMES* names) {
  NameCounts out;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const int type = sk_GENERAL_NAME_value(names, i)->type;
    (type == GEN_DNS || type == GEN_IPADD ? out.hosts : out.others) += 1;
  }
  return out;
}

bool has_usages(const Csr& csr, const std::string& purpose) {
  std::vector<std::string> usages(csr.spec().usages().begin(), csr.spec().usages().end());
  std::sort(usages.begin(), usages.end());
  std::vector<std::string> wanted = {"digital signature", purpose};
  std::sort(wanted.begin(), wanted.end());
  if (usages == wanted) return true;
  wanted.emplace_back("key encipherment");
  std::sort(wanted.begin(), wanted.end());
  return usages == wanted;
}

// Why the signer of that name will not sign; "" when it will.
std::string refusal_of(const Csr& csr, X509_REQ* request) {
  const auto organizations = subject_entries(request, NID_organizationName);
  const auto names = subject_entries(request, NID_commonName);
  if (organizations != std::vector<std::string>{"system:nodes"}) return "subject organization is not system:nodes";
  if (names.size() != 1 || !names[0].starts_with("system:node:")) {
    return "subject common name does not begin with system:node:";
  }
  const AltNames alternative = alternative_names(request);
  const NameCounts counts = count(alternative.get());
  if (csr.spec().signername() == kClientSigner) {
    if (counts.hosts + counts.others > 0) return "subject alternative names are not allowed";
    return has_usages(csr, "client auth") ? "" : "usages did not match expected";
  }
  if (counts.others > 0) return "e-mail and URI subject alternative names are not allowed";
  if (counts.hosts == 0) return "at least one DNS or IP subjectAltName is required";
  return has_usages(csr, "server auth") ? "" : "usages did not match expected";
}

void add_condition(Csr& csr, const char* type, const char* reason, const std::string& message, base::SystemTime now) {
  auto& condition = *csr.mutable_status()->add_conditions();
  condition.set_type(type);
  condition.set_status("True");
  condition.set_reason(reason);
  condition.set_message(message);
  *condition.mutable_lastupdatetime() = api::make_time(now);
  *condition.mutable_lasttransitiontime() = api::make_time(now);
}

bool has_condition(const Csr& csr, const std::string& type) {
  return std::any_of(csr.status().conditions().begin(), csr.status().conditions().end(),
                     [&](const auto& condition) { return condition.type() == type; });
}

bool is_ours(const Csr& csr) {
  return csr.spec().signername() == kClientSigner || csr.spec().signername() == kServingSigner;
}

std::string url_base64(const std::string& text) {
  std::string out = api::base64_encode(text);
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (!out.empty() && out.back() == '=') out.pop_back();
  return out;
}

api::ValidationError csr_error(std::string path, std::string detail) {
  api::ValidationError error;
  error.kind = api::ValidationError::Kind::invalid;
  error.path = std::move(path);
  error.value = "\"\"";
  error.detail = std::move(detail);
  return error;
}

}  // namespace

Refusal check_csr(const ApiKind& kind, const Csr& csr) {
  const Request request = read_request(csr.spec().request());
  const std::string& name = csr.metadata().name();
  if (request == nullptr) {
    return invalid(kind, name, {csr_error("spec.request", "PEM block type must be CERTIFICATE REQUEST")});
  }
  if (csr.spec().usages_size() == 0) {
    return invalid(kind, name, {csr_error("spec.usages", "usages must be provided")});
  }
  if (csr.spec().signername().find('/') == std::string::npos) {
    return invalid(kind, name,
                   {csr_error("spec.signerName",
                              "must be a fully qualified domain and path of the form "
                              "'example.com/signer-name'")});
  }
  // NodeRestriction: a node asks for itself only.
  const bool node =
      std::find(csr.spec().groups().begin(), csr.spec().groups().end(), "system:nodes") != csr.spec().groups().end();
  if (!node || !is_ours(csr)) return std::nullopt;
  const auto names = subject_entries(request.get(), NID_commonName);
  if (names.size() == 1 && names[0] == csr.spec().username()) return std::nullopt;
  return forbidden(kind, name, "can only create a node CSR with CN=" + csr.spec().username());
}

struct FakeApiSigner::Keys {
  explicit Keys(base::SystemTime now);
  Key key;
  Cert certificate;

  // Of the request's key, with neither subject nor times nor usages, not signed yet.
  Cert leaf(X509_REQ* request) const;
  std::string sign(X509_REQ* request, const Csr& csr, base::SystemTime now) const;
  std::string sign(X509_REQ* request, const PodRequest& wanted, base::SystemTime from, base::SystemTime to) const;
};

FakeApiSigner::Keys::Keys(base::SystemTime now) : key(EVP_EC_gen("P-256")), certificate(X509_new()) {
  X509* ca = certificate.get();
  X509_set_version(ca, X509_VERSION_3);
  set_random_serial(ca);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(ca), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("kubernetes"), -1, -1, 0);
  X509_set_issuer_name(ca, X509_get_subject_name(ca));
  set_times(ca, now - std::chrono::hours(1), now + 10 * kLifetime);
  X509_set_pubkey(ca, key.get());
  add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(ca, ca, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign");
  add_extension(ca, ca, NID_subject_key_identifier, "hash");
  X509_sign(ca, key.get(), EVP_sha256());
}

// Keys are costly, and who plays many lives on virtual time begins all of them at one time.
FakeApiSigner::FakeApiSigner(base::SystemTime now) {
  static std::map<base::SystemTime, std::shared_ptr<const Keys>> made;
  if (made.size() > 8) made.clear();
  std::shared_ptr<const Keys>& keys = made[now];
  if (keys == nullptr) keys = std::make_shared<const Keys>(now);
  keys_ = keys;
}

FakeApiSigner::~FakeApiSigner() = default;

kube::Identity FakeApiSigner::authority() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  KEELSON_CHECK(PEM_write_bio_PrivateKey(bio.get(), keys_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {ca_certificate(), std::string(data, static_cast<std::size_t>(size))};
}

std::string FakeApiSigner::ca_certificate() const { return to_pem(keys_->certificate.get()); }

Cert FakeApiSigner::Keys::leaf(X509_REQ* request) const {
  Cert made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  set_random_serial(made.get());
  X509_set_issuer_name(made.get(), X509_get_subject_name(certificate.get()));
  X509_set_pubkey(made.get(), X509_REQ_get0_pubkey(request));
  add_extension(made.get(), certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  return made;
}

std::string FakeApiSigner::Keys::sign(X509_REQ* request, const Csr& csr, base::SystemTime now) const {
  const Cert made = leaf(request);
  X509* out = made.get();
  X509_set_subject_name(out, X509_REQ_get_subject_name(request));
  std::chrono::seconds lifetime = kLifetime;
  if (csr.spec().has_expirationseconds()) lifetime = std::chrono::seconds(csr.spec().expirationseconds());
  set_times(out, now - kBackdate, now - kBackdate + lifetime);
  const bool encipherment = std::find(csr.spec().usages().begin(), csr.spec().usages().end(), "key encipherment") !=
                            csr.spec().usages().end();
  add_extension(out, certificate.get(), NID_key_usage,
                encipherment ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature");
  add_extension(out, certificate.get(), NID_ext_key_usage,
                csr.spec().signername() == kServingSigner ? "serverAuth" : "clientAuth");
  add_extension(out, certificate.get(), NID_authority_key_identifier, "keyid");
  const AltNames names = alternative_names(request);
  if (names != nullptr) X509_add1_ext_i2d(out, NID_subject_alt_name, names.get(), 0, 0);
  X509_sign(out, key.get(), EVP_sha256());
  return to_pem(out);
}

std::string FakeApiSigner::Keys::sign(X509_REQ* request, const PodRequest& wanted, base::SystemTime from,
                                      base::SystemTime to) const {
  const Cert made = leaf(request);
  X509* out = made.get();
  const std::string name = "system:serviceaccount:" + wanted.metadata().namespace_() + ":" +
                           wanted.spec().serviceaccountname() + ":" + wanted.spec().podname();
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  set_times(out, from, to);
  add_extension(out, certificate.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(out, certificate.get(), NID_ext_key_usage, "clientAuth");
  X509_sign(out, key.get(), EVP_sha256());
  return to_pem(out);
}

NewObject FakeApiSigner::answer(const PodRequest& asked, base::SystemTime now) const {
  const std::string& signer = asked.spec().signername();
  if (signer != kPodSigner && signer != kDenyingSigner) return nullptr;
  auto out = std::make_unique<PodRequest>(asked);
  auto& status = *out->mutable_status();
  auto& condition = *status.add_conditions();
  condition.set_status("True");
  *condition.mutable_lasttransitiontime() = api::make_time(now);
  if (signer == kDenyingSigner) {
    condition.set_type("Denied");
    condition.set_reason("Nobody");
    condition.set_message("this signer signs nothing");
    return out;
  }
  const Request request = read_stub(asked.spec().stubpkcs10request());
  if (request == nullptr || X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) != 1) {
    ERR_clear_error();
    condition.set_type("Failed");
    condition.set_reason("BadRequest");
    condition.set_message("the stub is no request that its own key has signed");
    return out;
  }
  condition.set_type("Issued");
  condition.set_reason("Issued");
  const auto lifetime = asked.spec().has_maxexpirationseconds()
                            ? std::chrono::seconds(asked.spec().maxexpirationseconds())
                            : std::chrono::seconds(kPodLifetime);
  const base::SystemTime from = now - kBackdate;
  const base::SystemTime to = from + lifetime;
  status.set_certificatechain(keys_->sign(request.get(), asked, from, to));
  *status.mutable_notbefore() = api::make_time(from);
  *status.mutable_beginrefreshat() = api::make_time(from + lifetime / 2);
  *status.mutable_notafter() = api::make_time(to);
  return out;
}

NewObject FakeApiSigner::answer(const Csr& csr, base::SystemTime now) const {
  if (!is_ours(csr)) return nullptr;
  auto out = std::make_unique<Csr>(csr);
  const bool client = csr.spec().signername() == kClientSigner;
  add_condition(*out, "Approved", "AutoApproved",
                client ? "Auto approving kubelet client certificate after SubjectAccessReview."
                       : "Auto approving kubelet serving certificate.",
                now);
  NewObject signed_one = sign_approved(*out, now);
  return signed_one != nullptr ? std::move(signed_one) : std::move(out);
}

NewObject FakeApiSigner::sign_approved(const google::protobuf::Message& object, base::SystemTime now) const {
  const auto& csr = static_cast<const Csr&>(object);
  if (!is_ours(csr) || !has_condition(csr, "Approved") || has_condition(csr, "Denied") ||
      has_condition(csr, "Failed") || !csr.status().certificate().empty()) {
    return nullptr;
  }
  const Request request = read_request(csr.spec().request());
  auto out = std::make_unique<Csr>(csr);
  const std::string why = request == nullptr ? "the request cannot be read" : refusal_of(csr, request.get());
  if (!why.empty()) {
    add_condition(*out, "Failed", "SignerValidationFailure", why, now);
    return out;
  }
  out->mutable_status()->set_certificate(keys_->sign(request.get(), csr, now));
  return out;
}

std::string FakeApiSigner::issue_token(const Token& token, base::SystemTime now) {
  const auto seconds = [](base::SystemTime when) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count());
  };
  const std::string subject = "system:serviceaccount:" + token.ns + ":" + token.account;
  const std::string payload = R"({"aud":[")" + token.audience + R"("],"exp":)" + seconds(token.expires) + R"(,"iat":)" +
                              seconds(now) + R"(,"iss":"https://kubernetes.default.svc.cluster.local","jti":")" +
                              std::to_string(++issued_) + R"(","sub":")" + subject + R"("})";
  std::string text = url_base64(R"({"alg":"RS256","kid":"fake"})") + "." + url_base64(payload) + "." +
                     url_base64("signature " + std::to_string(issued_));
  tokens_[text] = token;
  return text;
}

std::optional<FakeApiSigner::Token> FakeApiSigner::find_token(const std::string& text) const {
  const auto found = tokens_.find(text);
  if (found == tokens_.end()) return std::nullopt;
  return found->second;
}

}  // namespace keelson::fakes
