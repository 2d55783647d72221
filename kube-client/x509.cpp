#include "kube-client/x509.hpp"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

#include "kube-client/x509_openssl.hpp"

namespace keelson::kube {
namespace openssl {
namespace {

// Never asks on the terminal: an encrypted key is one that we cannot read.
int no_password(char*, int, int, void*) { return -1; }

std::string text_of(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, value);
  if (length < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(length));
  OPENSSL_free(utf8);
  return text;
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  char text[INET6_ADDRSTRLEN];
  const int length = ASN1_STRING_length(address);
  const int family = length == 4 ? AF_INET : length == 16 ? AF_INET6 : AF_UNSPEC;
  if (family == AF_UNSPEC) return {};
  return ::inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text) == nullptr ? "" : text;
}

base::SystemTime time_of(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return {};
  constexpr std::int64_t kLast = 9'223'372'036;  // the end of base::SystemTime, in 2262
  const std::int64_t seconds = ::timegm(&fields);
  return base::SystemTime(std::chrono::seconds(std::min(seconds, kLast)));
}

bool add_name(GENERAL_NAMES* names, int type, ASN1_STRING* value) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (name == nullptr) {
    ASN1_STRING_free(value);
    return false;
  }
  GENERAL_NAME_set0_value(name, type, value);
  if (sk_GENERAL_NAME_push(names, name) > 0) return true;
  GENERAL_NAME_free(name);
  return false;
}

}  // namespace

Error failure(ErrorKind kind, std::string what) {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  if (reason != nullptr) what += std::string(": ") + reason;
  return Error(kind, std::move(what));
}

BioPtr reader(std::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  return length <= 0 ? std::string() : std::string(data, static_cast<std::size_t>(length));
}

Result<KeyPtr> read_key(std::string_view pem) {
  const BioPtr bio = reader(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (key == nullptr) return failure(ErrorKind::invalid, "no private key in PEM form");
  return key;
}

Result<CertificatePtr> read_certificate(std::string_view pem) {
  const BioPtr bio = reader(pem);
  CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
  if (certificate == nullptr) return failure(ErrorKind::invalid, "no certificate in PEM form");
  return certificate;
}

Result<RequestPtr> read_request(std::string_view pem) {
  const BioPtr bio = reader(pem);
  RequestPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, no_password, nullptr));
  if (request == nullptr) return failure(ErrorKind::invalid, "no certificate request in PEM form");
  return request;
}

std::string to_pem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  return text_of(bio.get());
}

CertificateNames names_of(const X509_NAME* subject, const GENERAL_NAMES* alternatives) {
  CertificateNames names;
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    std::string text = text_of(X509_NAME_ENTRY_get_data(entry));
    if (kind == NID_commonName) {
      names.common_name = std::move(text);
    } else if (kind == NID_organizationName) {
      names.organizations.push_back(std::move(text));
    }
  }
  for (int i = 0; alternatives != nullptr && i < sk_GENERAL_NAME_num(alternatives); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(alternatives, i), &type);
    if (type == GEN_DNS) names.dns_names.push_back(text_of(static_cast<const ASN1_STRING*>(value)));
    if (type == GEN_IPADD) {
      names.ip_addresses.push_back(address_text(static_cast<const ASN1_OCTET_STRING*>(value)));
    }
  }
  return names;
}

CertificateInfo describe(const X509* certificate) {
  const NamesPtr alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  CertificateInfo info;
  info.names = names_of(X509_get_subject_name(certificate), alternatives.get());
  info.issuer_common_name = names_of(X509_get_issuer_name(certificate), nullptr).common_name;
  info.not_before = time_of(X509_get0_notBefore(certificate));
  info.not_after = time_of(X509_get0_notAfter(certificate));
  return info;
}

bool fill_subject(X509_NAME* subject, const CertificateNames& names) {
  const auto add = [subject](int kind, const std::string& text, int set) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    const int length = static_cast<int>(text.size());
    const int type =
        ASN1_PRINTABLE_type(bytes, length) == V_ASN1_PRINTABLESTRING ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
    return X509_NAME_add_entry_by_NID(subject, kind, type, bytes, length, -1, set) == 1;
  };
  bool first = true;
  for (const auto& organization : names.organizations) {
    if (!add(NID_organizationName, organization, first ? 0 : -1)) return false;  // all in one set, as Go writes them
    first = false;
  }
  return names.common_name.empty() || add(NID_commonName, names.common_name, 0);
}

ExtensionPtr make_alternatives(const CertificateNames& names) {
  if (names.dns_names.empty() && names.ip_addresses.empty()) return nullptr;
  const NamesPtr all(GENERAL_NAMES_new());
  for (const auto& name : names.dns_names) {
    ASN1_STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
    if (!add_name(all.get(), GEN_DNS, text)) return nullptr;
  }
  for (const auto& name : names.ip_addresses) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
    if (address == nullptr || !add_name(all.get(), GEN_IPADD, address)) return nullptr;
  }
  return ExtensionPtr(X509V3_EXT_i2d(NID_subject_alt_name, 0, all.get()));
}

}  // namespace openssl

using openssl::failure;

Result<std::vector<CertificateInfo>> parse_certificates(std::string_view pem) {
  const openssl::BioPtr bio = openssl::reader(pem);
  std::vector<CertificateInfo> all;
  while (true) {
    const openssl::CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, openssl::no_password, nullptr));
    if (certificate == nullptr) break;
    all.push_back(openssl::describe(certificate.get()));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) return failure(ErrorKind::invalid, "certificate " + std::to_string(all.size() + 1) + " cannot be read");
  ERR_clear_error();
  if (all.empty()) return Error(ErrorKind::invalid, "no certificate in PEM form");
  return all;
}

Status check_key(std::string_view key_pem) {
  auto key = openssl::read_key(key_pem);
  if (!key.ok()) return std::move(key).error();
  return {};
}

Status check_key_pair(std::string_view certificate_pem, std::string_view key_pem) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate.ok()) return certificate.error();
  const auto key = openssl::read_key(key_pem);
  if (!key.ok()) return key.error();
  if (X509_check_private_key(certificate->get(), key->get()) == 1) return {};
  ERR_clear_error();
  return Error(ErrorKind::invalid, "the private key does not belong to the certificate");
}

Result<std::string> make_ec_key() {
  const openssl::KeyPtr key(EVP_EC_gen("P-256"));
  const openssl::BioPtr bio(BIO_new(BIO_s_mem()));
  if (key == nullptr || bio == nullptr ||
      PEM_write_bio_PrivateKey_traditional(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return failure(ErrorKind::internal, "cannot make an ECDSA key");
  }
  return openssl::text_of(bio.get());
}

Result<std::string> make_certificate_request(std::string_view key_pem, const CertificateNames& names) {
  const auto key = openssl::read_key(key_pem);
  if (!key.ok()) return key.error();
  const openssl::RequestPtr request(X509_REQ_new());
  const openssl::BioPtr bio(BIO_new(BIO_s_mem()));
  const Error cannot(ErrorKind::internal, "cannot make a certificate request for " + names.common_name);
  if (request == nullptr || bio == nullptr || X509_REQ_set_version(request.get(), 0) != 1 ||
      !openssl::fill_subject(X509_REQ_get_subject_name(request.get()), names) ||
      X509_REQ_set_pubkey(request.get(), key->get()) != 1) {
    return failure(cannot.kind(), cannot.message());
  }
  if (!names.dns_names.empty() || !names.ip_addresses.empty()) {
    openssl::ExtensionPtr alternatives = openssl::make_alternatives(names);
    if (alternatives == nullptr) return failure(cannot.kind(), cannot.message());
    STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(extensions, alternatives.release());
    const bool added = X509_REQ_add_extensions(request.get(), extensions) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    if (!added) return failure(cannot.kind(), cannot.message());
  }
  if (X509_REQ_sign(request.get(), key->get(), EVP_sha256()) <= 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return failure(cannot.kind(), cannot.message());
  }
  return openssl::text_of(bio.get());
}

namespace {

Result<std::string> public_der(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int length = key == nullptr ? -1 : i2d_PUBKEY(key, &der);
  if (length < 0) return failure(ErrorKind::invalid, "no public key");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return bytes;
}

}  // namespace

Result<std::string> public_key_of(std::string_view key_pem) {
  const auto key = openssl::read_key(key_pem);
  if (!key.ok()) return key.error();
  return public_der(key->get());
}

Result<std::string> public_key_of_request(std::string_view request_pem) {
  const auto request = openssl::read_request(request_pem);
  if (!request.ok()) return request.error();
  return public_der(X509_REQ_get0_pubkey(request->get()));
}

Result<std::string> sha512_256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha512_256(), nullptr) != 1) {
    return failure(ErrorKind::internal, "cannot compute SHA-512/256");
  }
  return std::string(reinterpret_cast<char*>(digest), length);
}

std::string canonical_ip(const std::string& text) {
  unsigned char bytes[16];
  char canonical[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, text.c_str(), bytes) == 1) return ::inet_ntop(family, bytes, canonical, sizeof canonical);
  }
  return {};
}

}  // namespace keelson::kube
