#include "kube-client/certificate_manager.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kDecisionLimit = 15min;
constexpr base::Duration kLongestSleep = 10min;  // so that a clock that was set is noticed
constexpr base::Duration kValidityPeriod = 10s;
constexpr base::Duration kLostAfter = 5min;
constexpr base::Duration kBetweenRotations = 1s;
constexpr base::Duration kAfterUselessRotation = 32s;  // the signer gave what is due again already
constexpr int kGrowingPauses = 4;

base::Task<void> await_into(SigningApi* api, std::string name, std::string uid,
                            std::shared_ptr<std::optional<Result<std::string>>> place, base::Notification* bell) {
  auto outcome = co_await api->await_certificate(std::move(name), std::move(uid));
  place->emplace(std::move(outcome));
  bell->notify();
}

bool holds_all(const std::vector<std::string>& all, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&all](const std::string& name) { return std::find(all.begin(), all.end(), name) != all.end(); });
}

}  // namespace

base::SystemTime rotation_deadline(const CertificateInfo& certificate, double part) {
  const auto lifetime = std::chrono::duration<double>(certificate.not_after - certificate.not_before);
  return certificate.not_before + std::chrono::duration_cast<base::SystemTime::duration>(lifetime * (0.7 + 0.2 * part));
}

bool satisfies(const CertificateNames& certificate, const CertificateNames& wanted) {
  return (wanted.common_name.empty() || certificate.common_name == wanted.common_name) &&
         holds_all(certificate.organizations, wanted.organizations) &&
         holds_all(certificate.dns_names, wanted.dns_names) && holds_all(certificate.ip_addresses, wanted.ip_addresses);
}

base::Duration retry_pause(int failures, base::Random& random) {
  if (failures > kGrowingPauses) return 32s;
  return base::Backoff::jittered(base::Duration(1s) * (1 << failures), 0.1, random);
}

bool shows_live_server(const Error& error) { return error.code() == 401 || error.code() == 403 || error.code() == 404; }

CertificatePurpose client_purpose(const std::string& node_name) {
  CertificatePurpose purpose;
  purpose.kind = "client";
  purpose.signer = kClientSigner;
  CertificateNames names;
  names.common_name = "system:node:" + node_name;
  names.organizations = {"system:nodes"};
  purpose.names = [names] { return std::optional<CertificateNames>(names); };
  return purpose;
}

CertificateManager::CertificateManager(base::Loop& loop, base::Clock& clock, base::Random& random,
                                       CertificateStore store, CertificatePurpose purpose, base::Logger log)
    : loop_(loop),
      clock_(clock),
      random_(random),
      store_(std::move(store)),
      purpose_(std::move(purpose)),
      log_(log.with("certificate", purpose_.kind)),
      bell_(loop) {}

Status CertificateManager::load() {
  KEELSON_TRY(store_.recover());
  auto stored = store_.load();
  if (stored.ok()) {
    KEELSON_TRY(use(std::move(*stored)));
    if (valid()) return {};
    log_.warning("The stored certificate has expired", {{"path", store_.current_path()}});
    identity_.reset();
  } else if (stored.error().kind() == ErrorKind::invalid && replaceable()) {
    log_.warning("The stored certificate cannot be used, it will be replaced", {{"err", stored.error()}});
  } else if (stored.error().kind() != ErrorKind::not_found) {
    return std::move(stored).error();
  }
  return take_over_inline();
}

Status CertificateManager::take_over_inline() {
  rotate_at_once_ = true;
  if (!purpose_.inline_identity) return {};
  const Status stored = store_.update(*purpose_.inline_identity, clock_.now());
  if (!stored.ok()) log_.error("The certificate of the kubeconfig cannot be stored", {{"err", stored.error()}});
  return use(*purpose_.inline_identity);
}

Status CertificateManager::use(Identity identity) {
  auto certificates = parse_certificates(identity.certificate_pem);
  if (!certificates.ok()) return std::move(certificates).error();
  info_ = std::move(certificates->front());
  identity_ = std::move(identity);
  deadline_ = rotation_deadline(info_, std::uniform_real_distribution<double>(0.0, 1.0)(random_));
  return {};
}

void CertificateManager::start(base::Gate& gate, SigningApi& present, SigningApi* bootstrap) {
  gate_ = &gate;
  present_ = &present;
  bootstrap_ = bootstrap;
  base::spawn(gate, purpose_.kind + "-certificate", run());
  if (purpose_.lost) base::spawn(gate, purpose_.kind + "-certificate-validity", watch_validity());
}

bool CertificateManager::valid() const { return identity_.has_value() && clock_.now() <= info_.not_after; }

std::optional<Identity> CertificateManager::identity() { return valid() ? identity_ : std::nullopt; }

base::Task<Result<std::string>> CertificateManager::authorization() { co_return std::string(); }

double CertificateManager::ttl_seconds() const {
  if (!identity_) return std::numeric_limits<double>::infinity();
  return std::trunc(std::chrono::duration<double>(info_.not_after - clock_.now()).count());
}

SigningApi& CertificateManager::signing_api() const {
  return valid() || bootstrap_ == nullptr ? *present_ : *bootstrap_;
}

bool CertificateManager::due(const CertificateNames& names) const {
  return rotate_at_once_ || !valid() || !satisfies(info_.names, names) || clock_.now() >= deadline_;
}

bool CertificateManager::superseded() const {
  const auto wanted = purpose_.names();
  return wanted && !satisfies(requested_, *wanted);
}

base::Task<void> CertificateManager::wait_for_bell(base::Duration limit) { co_await bell_.wait_for(clock_, limit); }

base::Task<void> CertificateManager::run() {
  while (true) {
    co_await wait_until_due();
    co_await rotate();
    co_await clock_.sleep_for(due(requested_) ? kAfterUselessRotation : kBetweenRotations);
  }
}

base::Task<void> CertificateManager::wait_until_due() {
  while (true) {
    const auto names = purpose_.names();
    if (names && due(*names)) co_return;
    const base::Duration left = names ? deadline_ - clock_.now() : kLongestSleep;
    co_await wait_for_bell(std::min(left, kLongestSleep));
  }
}

base::Task<void> CertificateManager::rotate() {
  int failures = 0;
  while (true) {
    auto names = purpose_.names();
    if (!names) co_return;
    requested_ = std::move(*names);
    auto done = co_await attempt();
    if (done.ok()) co_return;
    if (superseded()) continue;
    ++failures;
    ++renew_errors_;
    const base::Duration pause = retry_pause(failures, random_);
    log_.error("No new certificate, trying again",
               {{"err", done.error()}, {"pause", std::chrono::duration<double>(pause).count()}});
    co_await clock_.sleep_for(pause);
  }
}

base::Task<Status> CertificateManager::attempt() {
  auto key = make_ec_key();
  if (!key.ok()) co_return std::move(key).error();
  auto pem = make_certificate_request(*key, requested_);
  if (!pem.ok()) co_return std::move(pem).error();
  SigningApi& api = signing_api();
  SigningRequest request = make_signing_request({}, purpose_.signer, std::move(*pem));
  auto created = co_await api.create(std::move(request));
  if (!created.ok()) {
    server_alive_ = shows_live_server(created.error());
    co_return std::move(created).error().wrap("while asking for a certificate");
  }
  const std::string name = created->metadata().name();
  log_.info("Asked for a certificate", {{"csr", name}});
  auto certificate = co_await await_decision(&api, name, created->metadata().uid());
  if (!certificate.ok()) co_return std::move(certificate).error();
  server_alive_ = true;

  Identity identity;
  identity.certificate_pem = std::move(*certificate);
  identity.key_pem = std::move(*key);
  const Status stored = store_.update(identity, clock_.now());
  if (!stored.ok()) co_return stored.error().wrap("while storing the certificate");
  const bool replaces = identity_.has_value();
  const base::Duration age = clock_.now() - info_.not_before;
  const Status used = use(std::move(identity));
  if (!used.ok()) co_return used.error();
  rotate_at_once_ = false;
  log_.info("New certificate", {{"csr", name}, {"ttl", ttl_seconds()}});
  if (replaces && purpose_.rotated) purpose_.rotated(age);
  if (listener_) listener_();
  co_return Status();
}

base::Task<Result<std::string>> CertificateManager::await_decision(SigningApi* api, std::string name, std::string uid) {
  const auto place = std::make_shared<std::optional<Result<std::string>>>();
  const std::string task = purpose_.kind + "-certificate-decision";
  base::spawn(*gate_, task, await_into(api, name, std::move(uid), place, &bell_));
  const base::SteadyTime give_up = clock_.steady_now() + kDecisionLimit;
  while (!place->has_value()) {
    const base::Duration left = give_up - clock_.steady_now();
    if (left <= 0s || superseded()) {
      gate_->cancel(task);
      const char* why = left <= 0s ? " was not decided within 15m" : " is for names that are not wanted any more";
      co_return Error(ErrorKind::deadline_exceeded, "certificate signing request " + name + why);
    }
    co_await wait_for_bell(left);
  }
  co_return std::move(**place);
}

base::Task<void> CertificateManager::watch_validity() {
  std::optional<base::SteadyTime> invalid_since;
  bool told = false;
  while (true) {
    if (valid()) {
      invalid_since.reset();
      told = false;
      const base::Duration left = info_.not_after - clock_.now();
      co_await clock_.sleep_for(std::min(left + 1s, kLongestSleep));
      continue;
    }
    if (!invalid_since) invalid_since = clock_.steady_now();
    const bool long_enough = clock_.steady_now() - *invalid_since > kLostAfter;
    if (long_enough && server_alive_) {
      log_.error("No valid client certificate for 5m although the API server answers, exiting");
      purpose_.lost();
      co_return;
    }
    if (long_enough && !told) {
      log_.warning("No valid client certificate for 5m, and the API server does not answer; going on");
      told = true;
    }
    co_await clock_.sleep_for(kValidityPeriod);
  }
}

}  // namespace keelson::kube
