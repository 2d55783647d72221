#include "agent/images/pull_record.hpp"
#include "base/sha256.hpp"

#include <algorithm>

namespace keelson::agent {
namespace {

constexpr std::size_t kMostRemembered = 100;
constexpr std::pair<std::string_view, VerificationPolicy> kPolicies[] = {
    {"", VerificationPolicy::off},
    {"NeverVerify", VerificationPolicy::never},
    {"NeverVerifyPreloadedImages", VerificationPolicy::never_preloaded},
    {"NeverVerifyAllowlistedImages", VerificationPolicy::never_allowlisted},
    {"AlwaysVerify", VerificationPolicy::always},
};

const ImageAccess* find_access(const PulledRecord& record, const std::string& repository) {
  const auto found = record.access.find(repository);
  return found == record.access.end() ? nullptr : &found->second;
}

bool is_allowlisted(const std::vector<std::string>& allowlist, const std::string& repository) {
  return std::any_of(allowlist.begin(), allowlist.end(), [&](const std::string& pattern) {
    if (!pattern.ends_with("/*")) return pattern == repository;
    return repository.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
  });
}

bool merge_secret(std::vector<SecretAccess>& secrets, const SecretAccess& more) {
  const auto same = std::find_if(secrets.begin(), secrets.end(),
                                 [&](const SecretAccess& known) { return known.secret == more.secret; });
  if (same == secrets.end()) {
    secrets.push_back(more);
    std::sort(secrets.begin(), secrets.end(), [](const auto& a, const auto& b) { return a.secret < b.secret; });
    return true;
  }
  if (same->hash == more.hash) return false;
  same->hash = more.hash;
  return true;
}

bool merge_account(std::vector<ObjectIdentity>& accounts, const ObjectIdentity& more) {
  if (std::find(accounts.begin(), accounts.end(), more) != accounts.end()) return false;
  accounts.push_back(more);
  std::sort(accounts.begin(), accounts.end());
  return true;
}

bool merge(ImageAccess& access, const ImageAccess& more) {
  if (access.everybody) return false;
  if (more.everybody) {
    access = {true, {}, {}};
    return true;
  }
  bool changed = false;
  for (const auto& secret : more.secrets) changed = merge_secret(access.secrets, secret) || changed;
  for (const auto& account : more.accounts) changed = merge_account(access.accounts, account) || changed;
  return changed;
}

bool admits(const ImageAccess& access, const Credential& credential) {
  if (credential.origin.secret) {
    return std::any_of(access.secrets.begin(), access.secrets.end(), [&](const SecretAccess& known) {
      return (!known.hash.empty() && known.hash == credential.hash) || known.secret == *credential.origin.secret;
    });
  }
  return credential.origin.account &&
         std::find(access.accounts.begin(), access.accounts.end(), *credential.origin.account) != access.accounts.end();
}

}  // namespace

std::string record_file_name(std::string_view image_or_ref) { return "sha256-" + base::sha256_hex(image_or_ref); }

std::optional<VerificationPolicy> verification_policy(std::string_view text) {
  for (const auto& [name, policy] : kPolicies) {
    if (name == text) return policy;
  }
  return std::nullopt;
}

bool must_verify(const PullVerification& verification, const std::string& repository, bool known) {
  switch (verification.policy) {
    case VerificationPolicy::off:
    case VerificationPolicy::never: return false;
    case VerificationPolicy::never_preloaded: return known;
    case VerificationPolicy::never_allowlisted: return !is_allowlisted(verification.allowlist, repository);
    case VerificationPolicy::always: break;
  }
  return true;
}

Verdict verdict_of(const PulledRecord* record, const std::string& repository) {
  const ImageAccess* access = record == nullptr ? nullptr : find_access(*record, repository);
  if (access == nullptr) return Verdict::closed;
  if (access->everybody) return Verdict::open;
  return access->secrets.empty() && access->accounts.empty() ? Verdict::closed : Verdict::by_name;
}

const Credential* admitting(const PulledRecord& record, const std::string& repository,
                            const std::vector<Credential>& credentials) {
  const ImageAccess* access = find_access(record, repository);
  if (access == nullptr) return nullptr;
  const auto found = std::find_if(credentials.begin(), credentials.end(),
                                  [&](const Credential& credential) { return admits(*access, credential); });
  return found == credentials.end() ? nullptr : &*found;
}

ImageAccess access_by(const Credential* credential) {
  ImageAccess access;
  if (credential != nullptr && credential->origin.secret) {
    access.secrets.push_back({*credential->origin.secret, credential->hash});
  } else if (credential != nullptr && credential->origin.account) {
    access.accounts.push_back(*credential->origin.account);
  } else {
    access.everybody = true;
  }
  return access;
}

bool merge_access(PulledRecord& record, const std::string& repository, const ImageAccess& more, base::SystemTime now) {
  if (!merge(record.access[repository], more)) return false;
  record.updated = now;
  return true;
}

bool remember_admitted(PulledRecord& record, const std::string& repository, const Credential& credential,
                       base::SystemTime now) {
  if (!credential.origin.secret || record.access[repository].secrets.size() >= kMostRemembered) return false;
  return merge_access(record, repository, access_by(&credential), now);
}

}  // namespace keelson::agent
