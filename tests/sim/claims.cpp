#include "tests/sim/claims.hpp"

#include "volume/manager/expansion.hpp"

namespace keelson::sim {

using base::Task;

namespace {

constexpr char kStorage[] = "storage";
constexpr std::int64_t kGib = 1 << 30;

std::string status_of(const api::core::PersistentVolumeClaim& claim) {
  const auto& all = claim.status().allocatedresourcestatuses();
  const auto found = all.find(kStorage);
  return found == all.end() ? "" : found->second;
}

std::int64_t asked_of(const api::core::PersistentVolumeClaim& claim) {
  const auto& requests = claim.spec().resources().requests();
  return api::Quantity::of(requests.at(kStorage)).value();
}

template <class Map>
void store(Map& sizes, std::int64_t bytes) {
  api::Quantity::bytes(bytes).store(sizes[kStorage]);
}

Error not_found(const std::string& what, const std::string& name) {
  return Error(ErrorKind::not_found, what + " \"" + name + "\" not found");
}

}  // namespace

std::string pv_of(const std::string& claim) { return "pv-" + claim; }
std::string device_of(const std::string& pv) { return "sim/driver/" + pv; }

ClaimsOfCluster::ClaimsOfCluster() {
  for (const char* name : kClaims) {
    bound_[name] = make(name);
    touch(bound_[name]);
  }
}

ClaimsOfCluster::Bound ClaimsOfCluster::make(const std::string& name) {
  Bound out;
  out.disk = kGib;
  out.here = kGib;
  auto& claim = out.claim;
  claim.mutable_metadata()->set_namespace_("default");
  claim.mutable_metadata()->set_name(name);
  claim.mutable_metadata()->set_uid("claim-" + name);
  claim.mutable_spec()->set_volumename(pv_of(name));
  claim.mutable_status()->set_phase("Bound");
  store(*claim.mutable_spec()->mutable_resources()->mutable_requests(), kGib);
  store(*claim.mutable_status()->mutable_capacity(), kGib);
  auto& pv = out.pv;
  pv.mutable_metadata()->set_name(pv_of(name));
  pv.mutable_spec()->set_volumemode("Filesystem");
  pv.mutable_spec()->add_accessmodes("ReadWriteOnce");
  pv.mutable_spec()->mutable_claimref()->set_uid("claim-" + name);
  store(*pv.mutable_spec()->mutable_capacity(), kGib);
  return out;
}

void ClaimsOfCluster::touch(Bound& bound) {
  bound.claim.mutable_metadata()->set_resourceversion(std::to_string(++version_));
}

// --- Users and the controller ---

void ClaimsOfCluster::ask_for_more(const std::string& name, std::int64_t gib) {
  Bound& bound = bound_.at(name);
  const std::int64_t size = asked_of(bound.claim) + gib * kGib;
  store(*bound.claim.mutable_spec()->mutable_resources()->mutable_requests(), size);
  touch(bound);
  tell("claim " + name + " asks for " + std::to_string(size / kGib) + "Gi");
}

void ClaimsOfCluster::control(const std::string& name) {
  Bound& bound = bound_.at(name);
  const std::string status = status_of(bound.claim);
  const std::int64_t asked = asked_of(bound.claim);
  const bool given_up = status == "NodeResizeInfeasible";
  // What it has handed to the node is the node's.
  if ((!status.empty() && !given_up) || (asked == bound.disk && !given_up)) return;
  if (old_controller && volume::size_of(bound.claim).value() < bound.disk) return;
  bound.disk = asked;
  store(*bound.pv.mutable_spec()->mutable_capacity(), asked);
  if (!old_controller) {
    store(*bound.claim.mutable_status()->mutable_allocatedresources(), asked);
    (*bound.claim.mutable_status()->mutable_allocatedresourcestatuses())[kStorage] = "NodeResizePending";
  }
  auto& conditions = *bound.claim.mutable_status()->mutable_conditions();
  auto& condition = conditions.empty() ? *conditions.Add() : conditions[0];
  condition.set_type("FileSystemResizePending");
  condition.set_status("True");
  touch(bound);
  tell("the disk of claim " + name + " has " + std::to_string(asked / kGib) + "Gi");
}

std::string ClaimsOfCluster::lacks(const std::string& name) const {
  const Bound& bound = bound_.at(name);
  const std::string about = "claim " + name + " ";
  if (bound.here != bound.disk) {
    return about + "has " + std::to_string(bound.here / kGib) + "Gi here, its disk has " +
           std::to_string(bound.disk / kGib) + "Gi";
  }
  if (volume::size_of(bound.claim).value() != bound.disk) return about + "does not say what it has";
  if (!status_of(bound.claim).empty()) return about + "still says " + status_of(bound.claim);
  if (bound.claim.status().conditions_size() > 0)
    return about + "still says " + bound.claim.status().conditions(0).type();
  return "";
}

// --- What agents reach ---

Task<Result<ClaimsOfCluster::ClaimPtr>> ClaimsOfCluster::claim(std::string, std::string name) {
  const auto found = bound_.find(name);
  if (found == bound_.end()) co_return not_found("claim", name);
  co_return std::make_shared<const api::core::PersistentVolumeClaim>(found->second.claim);
}

Task<Result<ClaimsOfCluster::PvPtr>> ClaimsOfCluster::persistent_volume(std::string name) {
  for (const auto& [claim, bound] : bound_) {
    if (pv_of(claim) == name) co_return std::make_shared<const api::core::PersistentVolume>(bound.pv);
  }
  co_return not_found("persistentvolume", name);
}

Task<Result<ClaimsOfCluster::ClaimPtr>> ClaimsOfCluster::patch_status(ClaimPtr now,
                                                                      api::core::PersistentVolumeClaim wanted,
                                                                      bool only_unchanged) {
  Bound& bound = bound_.at(now->metadata().name());
  if (only_unchanged && now->metadata().resourceversion() != bound.claim.metadata().resourceversion()) {
    co_return Error(ErrorKind::conflict, "the object has been modified");
  }
  check(bound, wanted);
  *bound.claim.mutable_status() = wanted.status();
  touch(bound);
  tell("claim " + now->metadata().name() + " has " + std::to_string(volume::size_of(wanted).value() / kGib) + "Gi " +
       status_of(wanted));
  co_return std::make_shared<const api::core::PersistentVolumeClaim>(bound.claim);
}

void ClaimsOfCluster::check(const Bound& bound, const api::core::PersistentVolumeClaim& wanted) {
  const std::string about = "claim " + bound.claim.metadata().name() + " is told ";
  const std::int64_t before = volume::size_of(bound.claim).value();
  const std::int64_t after = volume::size_of(wanted).value();
  if (after > bound.here) violations.push_back(about + "that it has more than its volume has on the node");
  if (after < before) violations.push_back(about + "that it has less than before");
  if (old_controller && !status_of(wanted).empty()) {
    violations.push_back(about + status_of(wanted) + ", of which its controller knows nothing");
  }
}

Task<Status> ClaimsOfCluster::expand(std::string pv, std::int64_t bytes) {
  for (auto& [name, bound] : bound_) {
    if (pv_of(name) != pv) continue;
    if (bytes > bound.disk) co_return Error(ErrorKind::invalid, "the disk is smaller");
    if (bytes < bound.here) violations.push_back("volume " + pv + " is made smaller");
    bound.here = bytes;
    tell("volume " + pv + " has " + std::to_string(bytes / kGib) + "Gi here");
  }
  co_return Status();
}

}  // namespace keelson::sim
