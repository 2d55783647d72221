// TrustBundles: the cluster's ClusterTrustBundles, ready to be read by pods that project them into volumes.
//
// They are watched from when the first registered pod names one until the last is gone. A read waits up to a second for
// the first answer. on_change() tells which pods' bundles may have changed, so that their files follow at once. Owner:
// the agent's wiring. Thread: the loop. Stops: stop(), after those who read have ended. What fails: the bundles are not
// known yet (`unavailable`), none fits (`not_found`, unless the source is optional: then there are no anchors), a
// source that names neither bundle nor signer. Source: contract 04 §9 (clusterTrustBundle), contract 01 §10.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>

#include "api/objects.hpp"
#include "api/proto/certificates_v1beta1.pb.h"
#include "base/gate.hpp"
#include "kube-client/informer.hpp"

namespace keelson::agent {

class TrustBundles {
 public:
  using Bundle = k8s::certificates::v1beta1::ClusterTrustBundle;

  TrustBundles(kube::Client& client, base::Random& random, base::Logger log);

  // Called from within the watch: it may wake a worker, but not call back.
  void on_change(std::function<void(const std::string& pod_uid)> listener) { listener_ = std::move(listener); }
  base::Task<void> stop();

  // Cheap when the pod names none, and when it is registered already.
  void register_pod(const api::Pod& pod);
  void unregister_pod(const std::string& uid);

  // PEM.
  base::Task<Result<std::string>> anchors(api::core::ClusterTrustBundleProjection source);

  bool watches() const { return watch_ != nullptr; }

 private:
  struct Watch {
    Watch(kube::Client& client, base::Random& random, base::Logger log)
        : gate(client.loop()), informer(client, random, kube::Selection(), std::move(log)) {}
    base::Gate gate;
    kube::Informer<Bundle> informer;
  };

  void begin();
  void end();
  base::Task<void> await_end(std::shared_ptr<Watch> watch);
  void changed(const Watch* watch);
  Result<std::string> select(const Watch& watch, const api::core::ClusterTrustBundleProjection& source) const;

  kube::Client& client_;
  base::Random& random_;
  base::Logger log_;
  std::uint64_t seed_;  // of the anchors' order
  std::function<void(const std::string&)> listener_;
  std::set<std::string> pods_;  // UIDs
  std::shared_ptr<Watch> watch_;
  std::list<std::shared_ptr<Watch>> ending_;  // until their tasks have left
  bool missed_ = false;                       // somebody was told that they are not known yet
  base::Gate gate_;
};

// Whether a volume of the pod names a bundle.
bool names_trust_bundles(const api::core::PodSpec& spec);

}  // namespace keelson::agent
