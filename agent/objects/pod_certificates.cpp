#include "agent/objects/pod_certificates.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "agent/objects/trust_anchors.hpp"
#include "api/time.hpp"
#include "kube-client/x509.hpp"

namespace keelson::agent {
namespace {

using base::Task;
using namespace std::chrono_literals;

constexpr base::Duration kMissing = 10min;  // a request that is not there any more
constexpr base::Duration kJitter = 5min;
constexpr base::Duration kOverdue = 10min;
constexpr base::Duration kKeyLimit = 5min;  // RSA4096 on a busy machine
constexpr base::Duration kRequestLimit = 30s;

kube::Selection of_node(const std::string& name) {
  kube::Selection selection;
  selection.field_selector = "spec.nodeName=" + name;
  return selection;
}

template <class Visit>
void for_each_source(const api::core::PodSpec& spec, Visit visit) {
  for (const auto& volume : spec.volumes()) {
    const auto& sources = volume.volumesource().projected().sources();
    for (int i = 0; i < sources.size(); ++i) {
      if (sources.Get(i).has_podcertificate()) visit(volume.name(), i, sources.Get(i).podcertificate());
    }
  }
}

std::string place_of(const std::string& volume, int source) { return volume + "/" + std::to_string(source); }

const api::meta::Condition* condition_of(const PodCertificates::Request& request, std::string_view type) {
  for (const auto& condition : request.status().conditions()) {
    if (condition.type() == type && condition.status() == "True") return &condition;
  }
  return nullptr;
}

bool is_decided(const PodCertificates::Request& request) {
  return condition_of(request, "Issued") != nullptr || condition_of(request, "Denied") != nullptr ||
         condition_of(request, "Failed") != nullptr;
}

std::string service_account_of(const api::Pod& pod) {
  return pod.spec().serviceaccountname().empty() ? "default" : pod.spec().serviceaccountname();
}

PodCertificates::Request make_request(const api::Pod& pod, const api::core::PodCertificateProjection& wanted) {
  PodCertificates::Request request;
  auto& meta = *request.mutable_metadata();
  meta.set_generatename("req-");
  meta.set_namespace_(pod.metadata().namespace_());
  auto& owner = *meta.add_ownerreferences();
  owner.set_apiversion("v1");
  owner.set_kind("Pod");
  owner.set_name(pod.metadata().name());
  owner.set_uid(pod.metadata().uid());
  auto& spec = *request.mutable_spec();
  spec.set_signername(wanted.signername());
  spec.set_podname(pod.metadata().name());
  spec.set_poduid(pod.metadata().uid());
  spec.set_serviceaccountname(service_account_of(pod));
  if (wanted.has_maxexpirationseconds()) spec.set_maxexpirationseconds(wanted.maxexpirationseconds());
  *spec.mutable_unverifieduserannotations() = wanted.userannotations();
  return request;
}

}  // namespace

struct PodCertificates::Record {
  explicit Record(base::Loop& loop) : bell(loop) {}
  api::PodPtr pod;
  std::string volume;
  int source = 0;
  api::core::PodCertificateProjection wanted;
  bool gone = false;    // nobody wants it any more
  std::string request;  // name of the one that is waited for
  base::Notification bell;
  std::optional<PodCredential> credential;
  std::unique_ptr<base::Alarm> lateness;
  base::SystemTime refresh_at{};
  base::SystemTime expires{};
  std::string refused;  // "denied", "failed"
  std::string why;      // it was refused
};

bool has_pod_certificates(const api::core::PodSpec& spec) {
  bool found = false;
  for_each_source(spec, [&found](const auto&, int, const auto&) { found = true; });
  return found;
}

PodCertificates::PodCertificates(Base base)
    : base_(std::move(base)),
      clock_(base_.client.clock()),
      pool_(base_.client.loop(), clock_, 1),
      requests_(base_.client, base_.random, of_node(base_.node_name), base_.log),
      gate_(base_.client.loop()) {
  requests_.on_event([this](const auto& event) { changed(event); });
}

Task<void> PodCertificates::stop() { co_await gate_.stop(); }

void PodCertificates::register_pod(const api::PodPtr& pod) {
  const std::string& uid = pod->metadata().uid();
  if (gate_.stopping() || pods_.count(uid) > 0) return;
  for_each_source(pod->spec(), [&](const std::string& volume, int source, const auto& wanted) {
    begin(pod, volume, source, wanted);
  });
}

void PodCertificates::begin(const api::PodPtr& pod, const std::string& volume, int source,
                            const api::core::PodCertificateProjection& wanted) {
  if (!std::exchange(watching_, true)) requests_.start(gate_);
  auto record = std::make_shared<Record>(base_.client.loop());
  record->pod = pod;
  record->volume = volume;
  record->source = source;
  record->wanted = wanted;
  pods_[pod->metadata().uid()][place_of(volume, source)] = record;
  base::spawn(gate_, "certificate of pod " + pod->metadata().uid(), drive(record));
}

void PodCertificates::unregister_pod(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  for (const auto& [place, record] : found->second) {
    record->gone = true;
    record->lateness.reset();
    record->bell.notify();
  }
  pods_.erase(found);
}

Result<PodCredential> PodCertificates::credential(const std::string& uid, const std::string& volume, int source) const {
  const auto pod = pods_.find(uid);
  const std::string place = place_of(volume, source);
  if (pod == pods_.end() || pod->second.count(place) == 0) {
    return Error(ErrorKind::invalid, "no pod has registered a certificate for " + place);
  }
  const Record& record = *pod->second.at(place);
  if (!record.refused.empty()) {
    return Error(ErrorKind::permission_denied,
                 "PodCertificateRequest was permanently " + record.refused + ": " + record.why);
  }
  if (!record.credential) return Error(ErrorKind::unavailable, "credential bundle is not issued yet");
  return *record.credential;
}

base::CountsBy<2> PodCertificates::states() const {
  base::CountsBy<2> out;
  const base::SystemTime now = clock_.now();
  for (const auto& [uid, records] : pods_) {
    for (const auto& [place, record] : records) {
      std::string state = "fresh";
      if (!record->credential) state = "not_yet_issued";
      if (record->credential && now > record->refresh_at + kOverdue) state = "overdue_for_refresh";
      if (record->credential && now > record->expires) state = "expired";
      if (!record->refused.empty()) state = record->refused;
      ++out[{record->wanted.signername(), state}];
    }
  }
  return out;
}

Task<void> PodCertificates::drive(RecordPtr record) {
  while (!record->gone) {
    const bool had = co_await obtain(record);
    if (!had) co_return;
    watch_lateness(record, true);
    while (!record->gone && clock_.now() < record->refresh_at) {
      co_await record->bell.wait_for(clock_, record->refresh_at - clock_.now());
    }
  }
}

Task<bool> PodCertificates::obtain(RecordPtr record) {
  base::Backoff pause(1s, 5min, 2.0, 0.1);
  while (!record->gone) {
    auto key = co_await make_key(record->wanted.keytype());
    if (key.ok()) {
      const auto asked = co_await ask(record, *key);
      if (asked.ok()) {
        const auto decided = co_await await_decision(record, asked->metadata().name());
        if (record->gone) co_return false;
        if (decided != nullptr) co_return take(*record, *decided, std::move(*key));
        continue;
      }
      key = asked.error();
    }
    base_.log.warning("A certificate of a pod cannot be asked for",
                      {{"uid", record->pod->metadata().uid()}, {"err", key.error()}});
    co_await record->bell.wait_for(clock_, pause.next(base_.random));
  }
  co_return false;
}

// Not a coroutine: closures are made outside of those.
Task<Result<std::string>> PodCertificates::make_key(std::string type) {
  return pool_.run<std::string>("make a key of a pod", kKeyLimit, [type] { return kube::make_key(type); });
}

Task<Result<PodCertificates::Request>> PodCertificates::ask(RecordPtr record, std::string key_pem) {
  const api::Pod& pod = *record->pod;
  const auto node = base_.node();
  if (node == nullptr) co_return Error(ErrorKind::unavailable, "the Node is not known yet");
  auto stub = kube::make_stub_request(key_pem);
  if (!stub.ok()) co_return std::move(stub).error();
  Request request = make_request(pod, record->wanted);
  const std::string ns = pod.metadata().namespace_();
  auto reading = base_.client.get<api::core::ServiceAccount>(ns, service_account_of(pod));
  const auto account = co_await base::with_timeout(clock_, kRequestLimit, std::move(reading));
  if (!account) co_return Error(ErrorKind::deadline_exceeded, "the API server did not answer in time");
  if (!account->ok()) co_return account->error();
  auto& spec = *request.mutable_spec();
  spec.set_serviceaccountuid((*account)->metadata().uid());
  spec.set_nodename(base_.node_name);
  spec.set_nodeuid(node->metadata().uid());
  spec.set_stubpkcs10request(*stub);
  auto creating = base_.client.create<Request>(ns, std::move(request));
  auto created = co_await base::with_timeout(clock_, kRequestLimit, std::move(creating));
  if (!created) co_return Error(ErrorKind::deadline_exceeded, "the API server did not answer in time");
  co_return std::move(*created);
}

Task<std::shared_ptr<const PodCertificates::Request>> PodCertificates::await_decision(RecordPtr record,
                                                                                      std::string name) {
  record->request = record->pod->metadata().namespace_() + "/" + name;
  const base::SteadyTime abandoned = clock_.after(kMissing + jitter());
  while (!record->gone) {
    const auto request = requests_.find(record->request);
    if (request != nullptr && is_decided(*request)) co_return request;
    const bool missing = request == nullptr && requests_.synced();
    if (missing && clock_.steady_now() >= abandoned) break;
    // While the requests cannot be seen, none of them is taken for missing.
    const base::SteadyTime next = clock_.steady_now() < abandoned ? abandoned : clock_.after(kMissing);
    co_await record->bell.wait_until(clock_, next);
  }
  co_return nullptr;
}

bool PodCertificates::take(Record& record, const Request& request, std::string key_pem) {
  for (const char* refusal : {"Denied", "Failed"}) {
    const auto* condition = condition_of(request, refusal);
    if (condition == nullptr) continue;
    record.refused = refusal[0] == 'D' ? "denied" : "failed";
    record.why = "reason=\"" + condition->reason() + "\" message=\"" + condition->message() + "\"";
    base_.log.warning("A pod gets no certificate", {{"uid", record.pod->metadata().uid()}, {"why", record.why}});
    tell(record);
    return false;
  }
  PodCredential credential;
  credential.key_pem = std::move(key_pem);
  for (const auto& block : pem_blocks(request.status().certificatechain())) {
    credential.chain_pem += to_pem("CERTIFICATE", block);
  }
  record.credential = std::move(credential);
  record.expires = api::to_system_time(request.status().notafter());
  // A certificate that says nothing is not asked for without a pause.
  const base::SystemTime soonest = clock_.now() + kOverdue;
  const bool says = request.status().has_beginrefreshat();
  record.refresh_at = says ? api::to_system_time(request.status().beginrefreshat()) + jitter() : soonest;
  tell(record);
  return true;
}

// People are told of a certificate that is not renewed in time, and of one that has expired, once each.
void PodCertificates::watch_lateness(const RecordPtr& record, bool overdue) {
  const base::SystemTime when = overdue ? record->refresh_at + kOverdue : record->expires;
  const auto ring = [this, weak = std::weak_ptr<Record>(record), overdue] {
    const RecordPtr late = weak.lock();
    if (late == nullptr || late->gone) return;
    const std::string text = "The certificate of volume \"" + late->volume + "\", source " +
                             std::to_string(late->source) + (overdue ? ", is overdue for refresh" : ", has expired");
    base_.events.record(*late->pod, {true, overdue ? "CertificateOverdueForRefresh" : "CertificateExpired", text, ""});
    if (overdue) watch_lateness(late, false);
  };
  record->lateness = clock_.set_alarm(clock_.after(std::max<base::Duration>(when - clock_.now(), 0ns)), ring);
}

void PodCertificates::changed(const kube::Informer<Request>::Event& event) {
  for (const auto& [uid, records] : pods_) {
    for (const auto& [place, record] : records) {
      if (record->request == event.key) record->bell.notify();
    }
  }
}

void PodCertificates::tell(const Record& record) {
  if (listener_) listener_(record.pod->metadata().uid());
}

base::Duration PodCertificates::jitter() {
  std::uniform_int_distribution<base::Duration::rep> part(0, kJitter.count());
  return base::Duration(part(base_.random));
}

}  // namespace keelson::agent
