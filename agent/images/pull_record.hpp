// Pull records: what the node writes down of the images that it has pulled, and the decisions made of it.
//
// An image that one pod's secret has pulled lies on the node's disk for all to use; the record of who could pull it
// keeps others out until they have shown that they can, too. Pure values. Files are the kubelet's, so that either agent
// reads what the other has left. Source: contract 02 §16.3.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/images/keyring.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct SecretAccess {
  ObjectIdentity secret;
  std::string hash;  // of the credential that it held
  bool operator==(const SecretAccess&) const = default;
};

// Who has pulled an image under one of its names.
struct ImageAccess {
  bool everybody = false;  // anonymously, or with what the node itself has
  std::vector<SecretAccess> secrets;
  std::vector<ObjectIdentity> accounts;
  bool operator==(const ImageAccess&) const = default;
};

struct PulledRecord {
  base::SystemTime updated{};
  std::string ref;                            // the runtime's name of the image
  std::map<std::string, ImageAccess> access;  // by normal_repository()
  bool operator==(const PulledRecord&) const = default;
};

// "sha256-" and the hash of an image as a pod names it (intents), or of the runtime's reference (pulled).
std::string record_file_name(std::string_view image_or_ref);

std::string pull_intent_json(const std::string& image);
std::string pulled_record_json(const PulledRecord& record);
// `invalid` says what is wrong with the text.
Result<std::string> parse_pull_intent(std::string_view text);
Result<PulledRecord> parse_pulled_record(std::string_view text);

// imagePullCredentialsVerificationPolicy; `off` is the feature gate's.
enum class VerificationPolicy { off, never, never_preloaded, never_allowlisted, always };
struct PullVerification {
  VerificationPolicy policy = VerificationPolicy::never_preloaded;
  std::vector<std::string> allowlist;  // repositories, or prefixes that end in "/*"
};
std::optional<VerificationPolicy> verification_policy(std::string_view text);

// Whether a pod must show credentials for an image that is there. `known`: there is a record or an intent of it.
bool must_verify(const PullVerification& verification, const std::string& repository, bool known);

enum class Verdict {
  open,     // everybody may use it
  by_name,  // those that the record names
  closed,   // nobody without pulling it
};
// Of an image that must be verified; null: nothing is known of who has pulled it.
Verdict verdict_of(const PulledRecord* record, const std::string& repository);
// The credential of the pod by which the record lets it in; null: it must pull.
const Credential* admitting(const PulledRecord& record, const std::string& repository,
                            const std::vector<Credential>& credentials);

// What a pull with that credential (null: anonymous) lets in.
ImageAccess access_by(const Credential* credential);
// Adds it to the record; whether that changed anything.
bool merge_access(PulledRecord& record, const std::string& repository, const ImageAccess& more, base::SystemTime now);
// A secret that was let in is remembered, so that its next form is too; up to 100 of them.
bool remember_admitted(PulledRecord& record, const std::string& repository, const Credential& credential,
                       base::SystemTime now);

}  // namespace keelson::agent
