#include "agent/objects/trust_bundles.hpp"

#include <utility>
#include <vector>

#include "agent/objects/trust_anchors.hpp"
#include "api/selectors.hpp"

namespace keelson::agent {
namespace {

using base::Task;

constexpr base::Duration kFirstRead = std::chrono::seconds(1);

// Annotations often hold the whole object once more.
void trim(TrustBundles::Bundle& bundle) {
  bundle.mutable_metadata()->clear_annotations();
  bundle.mutable_metadata()->clear_ownerreferences();
}

}  // namespace

bool names_trust_bundles(const api::core::PodSpec& spec) {
  for (const auto& volume : spec.volumes()) {
    for (const auto& source : volume.volumesource().projected().sources()) {
      if (source.has_clustertrustbundle()) return true;
    }
  }
  return false;
}

TrustBundles::TrustBundles(kube::Client& client, base::Random& random, base::Logger log)
    : client_(client), random_(random), log_(std::move(log)), seed_(random()), gate_(client.loop()) {}

Task<void> TrustBundles::stop() {
  co_await gate_.stop();
  std::vector<std::shared_ptr<Watch>> all(ending_.begin(), ending_.end());
  if (watch_ != nullptr) all.push_back(std::exchange(watch_, nullptr));
  ending_.clear();
  for (std::size_t i = 0; i < all.size(); ++i) co_await all[i]->gate.stop();
}

void TrustBundles::register_pod(const api::Pod& pod) {
  if (gate_.stopping() || !names_trust_bundles(pod.spec())) return;
  pods_.insert(pod.metadata().uid());
  if (watch_ == nullptr) begin();
}

void TrustBundles::unregister_pod(const std::string& uid) {
  if (pods_.erase(uid) > 0 && pods_.empty()) end();
}

void TrustBundles::begin() {
  watch_ = std::make_shared<Watch>(client_, random_, log_);
  watch_->informer.trim_by([](Bundle& bundle) { trim(bundle); });
  const Watch* watch = watch_.get();
  watch_->informer.on_event([this, watch](const auto&) {
    if (watch->informer.synced()) changed(watch);
  });
  // The first set is no news to those who wait for it, but it is to those who gave up.
  watch_->informer.when_synced([this, watch] {
    if (std::exchange(missed_, false)) changed(watch);
  });
  watch_->informer.start(watch_->gate);
}

void TrustBundles::end() {
  if (watch_ == nullptr) return;
  ending_.push_back(watch_);
  base::spawn(gate_, "end of a watch", await_end(std::exchange(watch_, nullptr)));
}

Task<void> TrustBundles::await_end(std::shared_ptr<Watch> watch) {
  co_await watch->gate.stop();
  ending_.remove(watch);
}

void TrustBundles::changed(const Watch* watch) {
  if (watch_.get() != watch || !listener_) return;
  const auto pods = pods_;
  for (const auto& uid : pods) listener_(uid);
}

Task<Result<std::string>> TrustBundles::anchors(api::core::ClusterTrustBundleProjection source) {
  const auto watch = watch_;
  if (watch == nullptr) co_return Error(ErrorKind::invalid, "no pod has registered ClusterTrustBundles");
  if (!watch->informer.synced()) {
    co_await base::with_timeout(client_.clock(), kFirstRead, watch->informer.wait_synced());
  }
  if (!watch->informer.synced()) {
    missed_ = true;
    co_return Error(ErrorKind::unavailable, "ClusterTrustBundle informer has not yet synced");
  }
  co_return select(*watch, source);
}

Result<std::string> TrustBundles::select(const Watch& watch,
                                         const api::core::ClusterTrustBundleProjection& source) const {
  std::vector<std::string_view> found;
  if (source.has_name()) {
    const auto bundle = watch.informer.find(source.name());
    if (bundle != nullptr) found.emplace_back(bundle->spec().trustbundle());
    if (bundle == nullptr && !source.optional()) {
      return Error(ErrorKind::not_found, "while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io \"" +
                                             source.name() + "\" not found");
    }
  } else if (source.has_signername()) {
    Result<api::LabelSelector> selector = api::LabelSelector::nothing();
    if (source.has_labelselector()) selector = api::LabelSelector::from(source.labelselector());
    if (!selector.ok()) return selector.error().wrap("while parsing label selector");
    for (const auto& [name, bundle] : watch.informer.objects()) {
      if (bundle->spec().signername() != source.signername()) continue;
      if (selector->matches_labels(bundle->metadata().labels())) found.emplace_back(bundle->spec().trustbundle());
    }
    if (found.empty() && !source.optional()) {
      return Error(ErrorKind::not_found,
                   "combination of signerName and labelSelector matched zero ClusterTrustBundles");
    }
  } else {
    return Error(ErrorKind::invalid, "ClusterTrustBundle projection requires either name or signerName to be set");
  }
  return join_trust_anchors(found, seed_);
}

}  // namespace keelson::agent
