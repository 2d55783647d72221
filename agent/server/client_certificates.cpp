#include "agent/server/client_certificates.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <utility>

#include "base/file.hpp"
#include "base/sha256.hpp"

namespace keelson::server {
namespace {

using kube::openssl::CertificatePtr;
using Certificates = std::vector<CertificatePtr>;

constexpr const char* kUidObject = "1.3.6.1.4.1.57683.2";
constexpr const char* kCredentialId = "authentication.kubernetes.io/credential-id";
constexpr int kWeakestLevel = 1;  // no SHA-1 in a chain, keys of 80 bits of security and more

int no_password(char*, int, int, void*) { return -1; }

Result<Certificates> read_all(std::string_view pem) {
  const kube::openssl::BioPtr bio = kube::openssl::reader(pem);
  Certificates all;
  while (auto* certificate = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) all.emplace_back(certificate);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) return kube::openssl::failure(ErrorKind::invalid, "a certificate cannot be read");
  ERR_clear_error();
  if (all.empty()) return Error(ErrorKind::invalid, "no certificate in PEM form");
  return all;
}

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using Stack = std::unique_ptr<STACK_OF(X509), FreeStack>;

Stack borrowed(const Certificates& certificates) {
  Stack stack(sk_X509_new_null());
  for (const auto& certificate : certificates) sk_X509_push(stack.get(), certificate.get());
  return stack;
}

struct FreeVerification {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};
using Verification = std::unique_ptr<X509_STORE_CTX, FreeVerification>;

bool is_for_clients(X509* certificate) {
  const std::uint32_t usage = X509_get_extended_key_usage(certificate);
  return usage == UINT32_MAX || (usage & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
}

std::string sha256_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size < 0) return {};
  std::string hex = base::sha256_hex(std::string_view(reinterpret_cast<char*>(der), static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return hex;
}

bool is_text(const ASN1_STRING* value) {
  switch (ASN1_STRING_type(value)) {
    case V_ASN1_UTF8STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_T61STRING:
    case V_ASN1_NUMERICSTRING:
    case V_ASN1_BMPSTRING: return true;
    default: return false;
  }
}

Result<std::string> uid_of(const X509_NAME* subject) {
  std::string uid;
  bool seen = false;
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    char object[64];
    OBJ_obj2txt(object, sizeof object, X509_NAME_ENTRY_get_object(entry), 1);
    if (std::string_view(object) != kUidObject) continue;
    if (std::exchange(seen, true)) return Error(ErrorKind::permission_denied, "expected 1 UID, but found multiple");
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
    unsigned char* text = nullptr;
    const int size = is_text(value) ? ASN1_STRING_to_UTF8(&text, value) : -1;
    if (size < 0) return Error(ErrorKind::permission_denied, "unable to parse UID into a string");
    uid.assign(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    if (uid.empty()) return Error(ErrorKind::permission_denied, "UID cannot be an empty string");
  }
  return uid;
}

}  // namespace

PeerCertificates PeerCertificates::of(ssl_st* session) {
  PeerCertificates peer;
  peer.leaf.reset(SSL_get1_peer_certificate(session));
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session);  // of a client, without its own
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* certificate = sk_X509_value(chain, i);
    X509_up_ref(certificate);
    peer.others.emplace_back(certificate);
  }
  return peer;
}

Result<PeerCertificates> PeerCertificates::of_pem(std::string_view pem) {
  auto all = read_all(pem);
  if (!all.ok()) return std::move(all).error();
  PeerCertificates peer;
  for (auto& certificate : *all) {
    if (peer.leaf == nullptr) {
      peer.leaf = std::move(certificate);
    } else {
      peer.others.push_back(std::move(certificate));
    }
  }
  return peer;
}

ClientCa::ClientCa(std::string path, bool reload, base::Logger log)
    : file_(std::move(path)), reload_(reload), log_(std::move(log)) {}

Result<std::unique_ptr<ClientCa>> ClientCa::open(std::string path, bool reload, base::Logger log) {
  std::unique_ptr<ClientCa> ca(new ClientCa(std::move(path), reload, std::move(log)));
  ca->file_.look();
  const Status loaded = ca->load();
  if (!loaded.ok()) return loaded.error().wrap("clientCAFile " + ca->file_.path());
  return ca;
}

Status ClientCa::load() {
  auto pem = base::read_file(file_.path());
  if (!pem.ok()) return std::move(pem).error();
  if (*pem == pem_) return {};
  auto authorities = read_all(*pem);
  if (!authorities.ok()) return std::move(authorities).error();
  std::unique_ptr<X509_STORE, FreeStore> store(X509_STORE_new());
  for (const auto& authority : *authorities) X509_STORE_add_cert(store.get(), authority.get());
  ERR_clear_error();
  pem_ = std::move(*pem);
  store_ = std::move(store);
  authorities_ = std::move(*authorities);
  ++generation_;
  return {};
}

void ClientCa::refresh() {
  if (!reload_ || !file_.look()) return;
  const std::uint64_t before = generation_;
  const Status loaded = load();
  if (loaded.ok()) {
    told_ = false;
    if (generation_ != before) log_.info("Client CA file was replaced on disk", {{"path", file_.path()}});
    return;
  }
  file_.forget();  // the next look may find the trouble gone without the file having changed
  if (!std::exchange(told_, true)) {
    log_.warning("Client CA file cannot be used, the last one stays in use", {{"err", loaded.error()}});
  }
}

// The extended usages are looked at here, not by OpenSSL's "purpose", which wants more of a certificate than Go does.
Status ClientCa::verify(const PeerCertificates& peer, base::SystemTime now) const {
  const Verification context(X509_STORE_CTX_new());
  const Stack others = borrowed(peer.others);
  if (context == nullptr || X509_STORE_CTX_init(context.get(), store_.get(), peer.leaf.get(), others.get()) != 1) {
    return kube::openssl::failure(ErrorKind::internal, "cannot verify a certificate");
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(now));
  // Whatever is in the file is trusted, an intermediate authority as well.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_auth_level(parameters, kWeakestLevel);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!good) {
    return Error(
        ErrorKind::permission_denied,
        std::string("client certificate: ") + X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
  }
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    if (!is_for_clients(sk_X509_value(chain, i))) {
      return Error(ErrorKind::permission_denied, "client certificate: the extended key usage is not for clients");
    }
  }
  return {};
}

Result<std::optional<User>> ClientCa::user_of(const PeerCertificates& peer, base::SystemTime now) {
  refresh();
  KEELSON_TRY(verify(peer, now));
  const X509_NAME* subject = X509_get_subject_name(peer.leaf.get());
  kube::CertificateNames names = kube::openssl::names_of(subject, nullptr);
  if (names.common_name.empty()) return std::optional<User>();
  auto uid = uid_of(subject);
  if (!uid.ok()) return std::move(uid).error();
  User user;
  user.name = std::move(names.common_name);
  user.uid = std::move(*uid);
  user.groups = std::move(names.organizations);
  user.extra[kCredentialId] = {"X509SHA256=" + sha256_of(peer.leaf.get())};
  return std::optional<User>(std::move(user));
}

base::Duration time_left(const PeerCertificates& peer, base::SystemTime now) {
  return std::chrono::duration_cast<base::Duration>(kube::openssl::describe(peer.leaf.get()).not_after - now);
}

}  // namespace keelson::server
