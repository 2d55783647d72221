#include "agent/status/api_copies.hpp"

#include <utility>

#include "agent/sync/containers.hpp"
#include "kube-client/resource_version.hpp"

namespace keelson::agent {
namespace {

constexpr char kMirror[] = "kubernetes.io/config.mirror";
constexpr char kHash[] = "kubernetes.io/config.hash";

std::string annotation(const api::Pod& pod, const char* key) {
  const auto found = pod.metadata().annotations().find(key);
  return found == pod.metadata().annotations().end() ? "" : found->second;
}

}  // namespace

bool is_mirror(const api::Pod& pod) { return pod.metadata().annotations().contains(kMirror); }
std::string static_hash(const api::Pod& pod) { return annotation(pod, kHash); }
std::string mirror_hash(const api::Pod& pod) { return annotation(pod, kMirror); }

bool ApiCopies::learn(api::PodPtr pod) {
  const std::string& uid = pod->metadata().uid();
  if (is_mirror(*pod)) mirrors_[full_name(*pod)] = uid;
  api::PodPtr& known = pods_[uid];
  if (known == nullptr) {
    known = std::move(pod);
    return true;
  }
  const std::string& before = known->metadata().resourceversion();
  const std::string& now = pod->metadata().resourceversion();
  if (kube::older(now, before)) return false;
  const bool news = now != before || now.empty();
  known = std::move(pod);
  return news;
}

void ApiCopies::forget(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const auto mirror = mirrors_.find(full_name(*found->second));
  if (mirror != mirrors_.end() && mirror->second == uid) mirrors_.erase(mirror);
  pods_.erase(found);
}

api::PodPtr ApiCopies::find(const std::string& uid) const {
  const auto found = pods_.find(uid);
  return found == pods_.end() ? nullptr : found->second;
}

api::PodPtr ApiCopies::mirror_named(const std::string& full_name) const {
  const auto found = mirrors_.find(full_name);
  return found == mirrors_.end() ? nullptr : find(found->second);
}

api::PodPtr ApiCopies::mirror_of(const api::Pod& static_pod) const {
  api::PodPtr mirror = mirror_named(full_name(static_pod));
  if (mirror == nullptr || mirror->metadata().has_deletiontimestamp()) return nullptr;
  return mirror_hash(*mirror) == static_hash(static_pod) ? mirror : nullptr;
}

}  // namespace keelson::agent
