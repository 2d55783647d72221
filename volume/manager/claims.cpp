#include "volume/manager/claims.hpp"

#include <algorithm>

namespace keelson::volume {
namespace {

constexpr char kProtection[] = "kubernetes.io/pvc-protection";

std::string full_name(const api::meta::ObjectMeta& meta) { return meta.namespace_() + "/" + meta.name(); }

Status check_mode(const std::string& outer, const std::string& mode, const VolumeUse& use) {
  if (use.mounts && mode != "Filesystem") {
    return Error(ErrorKind::invalid,
                 "volume " + outer + " has volumeMode " + mode + ", but is specified in volumeMounts");
  }
  if (use.devices && mode != "Block") {
    return Error(ErrorKind::invalid,
                 "volume " + outer + " has volumeMode " + mode + ", but is specified in volumeDevices");
  }
  return {};
}

// From the PersistentVolume to what is mounted.
Result<VolumeSpec> complete(const ClaimSources& sources, VolumeSpec spec) {
  if (sources.migrate_pv) {
    auto migrated = sources.migrate_pv(*spec.pv);
    if (!migrated.ok()) return std::move(migrated).error();
    if (*migrated) {
      spec.pv = std::make_shared<const api::core::PersistentVolume>(std::move(**migrated));
      spec.migrated = true;
    }
  }
  spec.name = spec.pv->metadata().name();
  spec.block = spec.pv->spec().volumemode() == "Block";
  return spec;
}

Result<VolumeSpec> inline_spec(const ClaimSources& sources, VolumeSpec spec) {
  spec.name = spec.outer;
  if (use_of(spec.pod->spec(), spec.outer).devices) {
    return Error(ErrorKind::invalid,
                 "volume " + spec.outer + " has volumeMode Filesystem, but is specified in volumeDevices");
  }
  if (!sources.migrate_inline) return spec;
  auto migrated = sources.migrate_inline(spec.volume(), spec.pod->metadata().namespace_());
  if (!migrated.ok()) return std::move(migrated).error();
  if (!*migrated) return spec;
  spec.pv = std::make_shared<const api::core::PersistentVolume>(std::move(**migrated));
  spec.migrated = true;
  return complete(sources, std::move(spec));
}

}  // namespace

Status check_claim(const api::core::PersistentVolumeClaim& claim) {
  const auto& meta = claim.metadata();
  const auto& finalizers = meta.finalizers();
  if (meta.has_deletiontimestamp() &&
      std::find(finalizers.begin(), finalizers.end(), kProtection) == finalizers.end()) {
    return Error(ErrorKind::invalid, "PVC is being deleted");
  }
  if (claim.status().phase() != "Bound") return Error(ErrorKind::invalid, "PVC is not bound");
  if (claim.spec().volumename().empty()) return Error(ErrorKind::invalid, "PVC has empty pvc.Spec.VolumeName");
  return {};
}

Status check_owner(const api::core::PersistentVolumeClaim& claim, const api::Pod& pod) {
  for (const auto& owner : claim.metadata().ownerreferences()) {
    if (owner.controller() && owner.uid() == pod.metadata().uid()) return {};
  }
  return Error(ErrorKind::invalid, "PVC " + full_name(claim.metadata()) + " was not created for pod " +
                                       full_name(pod.metadata()) + " (pod is not owner)");
}

Status check_pv(const api::core::PersistentVolume& pv, const api::core::PersistentVolumeClaim& claim) {
  const std::string& name = pv.metadata().name();
  if (!pv.spec().has_claimref()) {
    return Error(ErrorKind::invalid, "found PV object \"" + name +
                                         "\" but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the "
                                         "claim");
  }
  if (pv.spec().claimref().uid() != claim.metadata().uid()) {
    return Error(ErrorKind::invalid, "found PV object \"" + name + "\" but its pv.Spec.ClaimRef.UID \"" +
                                         pv.spec().claimref().uid() + "\" does not point to claim.UID \"" +
                                         claim.metadata().uid() + "\"");
  }
  return {};
}

base::Task<Result<VolumeSpec>> resolve_volume(const ClaimSources& sources, api::PodPtr pod, std::string outer) {
  VolumeSpec spec;
  spec.pod = pod;
  spec.outer = outer;
  const std::string name = claim_name(*pod, spec.volume());
  if (name.empty()) co_return inline_spec(sources, std::move(spec));
  const std::string& ns = pod->metadata().namespace_();
  const std::string processing = "error processing PVC " + ns + "/" + name;
  if (sources.cluster == nullptr) {
    co_return Error(ErrorKind::unavailable, "no API server is configured to read it from").wrap(processing);
  }
  auto claim = co_await sources.cluster->claim(ns, name);
  if (!claim.ok()) {
    co_return std::move(claim).error().wrap("failed to fetch PVC from API server").wrap(processing);
  }
  spec.claim = *claim;
  if (Status usable = check_claim(*spec.claim); !usable.ok()) co_return std::move(usable).error().wrap(processing);
  if (spec.volume().volumesource().has_ephemeral()) {
    Status owned = check_owner(*spec.claim, *pod);
    if (!owned.ok()) co_return std::move(owned).error();
  }
  const std::string pv_name = spec.claim->spec().volumename();
  auto pv = co_await sources.cluster->persistent_volume(pv_name);
  if (!pv.ok()) {
    co_return std::move(pv).error().wrap("failed to fetch PV \"" + pv_name + "\" from API server").wrap(processing);
  }
  spec.pv = *pv;
  if (Status bound = check_pv(*spec.pv, *spec.claim); !bound.ok()) co_return std::move(bound).error().wrap(processing);
  const std::string& mode = spec.pv->spec().volumemode();
  if (mode.empty()) co_return Error(ErrorKind::invalid, "cannot get volumeMode for volume: " + pv_name);
  if (Status fits = check_mode(outer, mode, use_of(pod->spec(), outer)); !fits.ok()) co_return std::move(fits).error();
  if (spec.volume().volumesource().has_persistentvolumeclaim()) {
    spec.read_only = spec.volume().volumesource().persistentvolumeclaim().readonly();
  }
  co_return complete(sources, std::move(spec));
}

}  // namespace keelson::volume
