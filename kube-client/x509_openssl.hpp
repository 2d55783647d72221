// OpenSSL's objects with their owners, and PEM in and out; for x509*.cpp, the TLS of agent/server and tests.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube::openssl {

template <auto function>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    function(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

// "what: the library's reason"; empties the library's error queue.
Error failure(ErrorKind kind, std::string what);

BioPtr reader(std::string_view text);
std::string text_of(BIO* bio);

Result<KeyPtr> read_key(std::string_view pem);
// The first certificate.
Result<CertificatePtr> read_certificate(std::string_view pem);
Result<RequestPtr> read_request(std::string_view pem);
std::string to_pem(X509* certificate);

CertificateInfo describe(const X509* certificate);
// Names of a subject and of a SAN extension.
CertificateNames names_of(const X509_NAME* subject, const GENERAL_NAMES* alternatives);

// Organizations, then common name, in the string types Go chooses.
bool fill_subject(X509_NAME* subject, const CertificateNames& names);
// Null when there is nothing to put in.
ExtensionPtr make_alternatives(const CertificateNames& names);

}  // namespace keelson::kube::openssl
