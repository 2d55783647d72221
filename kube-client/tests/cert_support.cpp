#include "kube-client/tests/cert_support.hpp"

#include <unistd.h>

#include <cstdlib>

#include "base/file.hpp"
#include "kube-client/x509_openssl.hpp"

namespace keelson::kube::testing {
namespace {

void must(bool ok) {
  if (!ok) std::abort();
}

void set_times(X509* certificate, base::SystemTime not_before, base::Duration lifetime) {
  using std::chrono::system_clock;
  ASN1_TIME_set(X509_getm_notBefore(certificate), system_clock::to_time_t(not_before));
  const auto not_after = not_before + std::chrono::duration_cast<system_clock::duration>(lifetime);
  ASN1_TIME_set(X509_getm_notAfter(certificate), system_clock::to_time_t(not_after));
}

}  // namespace

struct TestCa::State {
  openssl::KeyPtr key;
  openssl::CertificatePtr certificate;
  std::string pem;
  long serial = 1;
};

TestCa::TestCa() : state_(std::make_unique<State>()) {
  state_->key.reset(EVP_EC_gen("P-256"));
  state_->certificate.reset(X509_new());
  X509* ca = state_->certificate.get();
  X509_set_version(ca, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(ca), state_->serial++);
  set_times(ca, base::SystemTime(std::chrono::hours(24 * 365 * 50)), std::chrono::hours(24 * 365 * 50));
  must(openssl::fill_subject(X509_get_subject_name(ca), {.common_name = "test-ca"}));
  must(X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1);
  must(X509_set_pubkey(ca, state_->key.get()) == 1);
  const openssl::ExtensionPtr is_ca(X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
  must(X509_add_ext(ca, is_ca.get(), -1) == 1);
  must(X509_sign(ca, state_->key.get(), EVP_sha256()) > 0);
  state_->pem = openssl::to_pem(ca);
}

TestCa::~TestCa() = default;

const std::string& TestCa::pem() const { return state_->pem; }

std::string TestCa::sign(const std::string& request_pem, base::SystemTime not_before, base::Duration lifetime) {
  const auto request = openssl::read_request(request_pem);
  must(request.ok());
  EVP_PKEY* key = X509_REQ_get0_pubkey(request->get());
  must(X509_REQ_verify(request->get(), key) == 1);
  const openssl::CertificatePtr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), state_->serial++);
  set_times(certificate.get(), not_before, lifetime);
  X509_set_subject_name(certificate.get(), X509_REQ_get_subject_name(request->get()));
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(state_->certificate.get()));
  X509_set_pubkey(certificate.get(), key);
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request->get());
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_add_ext(certificate.get(), sk_X509_EXTENSION_value(extensions, i), -1);
  }
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  must(X509_sign(certificate.get(), state_->key.get(), EVP_sha256()) > 0);
  return openssl::to_pem(certificate.get());
}

Identity TestCa::issue(const CertificateNames& names, base::SystemTime not_before, base::Duration lifetime) {
  auto key = make_ec_key();
  must(key.ok());
  auto request = make_certificate_request(*key, names);
  must(request.ok());
  return {sign(*request, not_before, lifetime), *key};
}

TempDir::TempDir() {
  std::string name = ::testing::TempDir() + "keelson-certs-XXXXXX";
  must(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDir::~TempDir() { (void)base::remove_tree(path_); }

std::string TempDir::write(const std::string& name, const std::string& text, mode_t mode) const {
  const std::string file = path_ + "/" + name;
  must(base::write_file(file, text, mode).ok());
  return file;
}

std::string read(const std::string& path) {
  auto text = base::read_file(path);
  return text.ok() ? *text : "(" + text.error().to_string() + ")";
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

bool is_link(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

std::string link_target(const std::string& path) {
  char target[4096];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  return length < 0 ? "" : std::string(target, static_cast<std::size_t>(length));
}

CertificateNames node_names(const std::string& node) {
  return {.common_name = "system:node:" + node, .organizations = {"system:nodes"}};
}

}  // namespace keelson::kube::testing
