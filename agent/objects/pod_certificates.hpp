// PodCertificates: keys and certificates of pods' own (podCertificate sources of projected volumes).
//
// For each source of each registered pod one task makes a key, asks for a certificate by a PodCertificateRequest, waits
// for the answer, and does the same again, with another key, when the certificate is to be renewed; until the new one
// is there the old one serves. A request that vanishes undecided is made anew after ten to fifteen minutes. One that is
// denied or failed is final. All of it is in memory only: after a restart pods get new keys. on_change() tells which
// pod's credential is another. Owner: the agent's wiring. Thread: the loop; keys are made on a thread of its own.
// Stops: stop(). What fails: credential(), while there is none yet (`unavailable`) and when there will be none
// (`permission_denied`). Keys are never logged. Source: contract 04 §9 (podCertificate), contract 05 §12
// (kubelet_podcertificate_states).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/sync/events.hpp"
#include "agent/sync/pod_objects.hpp"
#include "api/objects.hpp"
#include "api/proto/certificates_v1beta1.pb.h"
#include "base/backoff.hpp"
#include "base/blocking_pool.hpp"
#include "base/counters.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/informer.hpp"

namespace keelson::agent {

class PodCertificates {
 public:
  using Request = k8s::certificates::v1beta1::PodCertificateRequest;
  struct Base {
    kube::Client& client;
    base::Random& random;
    EventRecorder& events;
    std::string node_name;
    // As it was last heard of; null before.
    std::function<std::shared_ptr<const api::core::Node>()> node;
    base::Logger log;
  };
  explicit PodCertificates(Base base);

  void on_change(std::function<void(const std::string& pod_uid)> listener) { listener_ = std::move(listener); }
  base::Task<void> stop();

  // Cheap when the pod has none, and when it is registered already.
  void register_pod(const api::PodPtr& pod);
  void unregister_pod(const std::string& uid);

  // Of the source with that number in the pod's volume.
  Result<PodCredential> credential(const std::string& uid, const std::string& volume, int source) const;

  // By signer and state: "not_yet_issued", "fresh", "overdue_for_refresh", "expired", "denied", "failed".
  base::CountsBy<2> states() const;

 private:
  struct Record;
  using RecordPtr = std::shared_ptr<Record>;

  void begin(const api::PodPtr& pod, const std::string& volume, int source,
             const api::core::PodCertificateProjection& wanted);
  base::Task<void> drive(RecordPtr record);
  // Whether a certificate was had; false: never will be.
  base::Task<bool> obtain(RecordPtr record);
  base::Task<Result<Request>> ask(RecordPtr record, std::string key_pem);
  base::Task<Result<std::string>> make_key(std::string type);
  // Null: it has vanished.
  base::Task<std::shared_ptr<const Request>> await_decision(RecordPtr record, std::string name);
  bool take(Record& record, const Request& request, std::string key_pem);
  void watch_lateness(const RecordPtr& record, bool overdue);
  void changed(const kube::Informer<Request>::Event& event);
  void tell(const Record& record);
  base::Duration jitter();

  Base base_;
  base::Clock& clock_;
  base::BlockingPool pool_;
  std::function<void(const std::string&)> listener_;
  std::map<std::string, std::map<std::string, RecordPtr>> pods_;  // by UID; by volume and number
  kube::Informer<Request> requests_;
  bool watching_ = false;
  base::Gate gate_;
};

bool has_pod_certificates(const api::core::PodSpec& spec);

}  // namespace keelson::agent
