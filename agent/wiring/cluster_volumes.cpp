#include "agent/wiring/cluster_volumes.hpp"

#include "agent/wiring/read_object.hpp"
#include "api/json_codec.hpp"
#include "api/json_text.hpp"
#include "api/patch.hpp"

namespace keelson::agent {

std::string claim_patch(const api::core::PersistentVolumeClaim& now, const api::core::PersistentVolumeClaim& wanted,
                        bool only_unchanged) {
  const api::Node patch = api::strategic_merge_diff(api::encode_node(now), api::encode_node(wanted),
                                                    api::core::PersistentVolumeClaim::descriptor());
  if (patch.entries.empty()) return {};
  const std::string status = api::to_json(patch);
  if (!only_unchanged) return status;
  std::string text = "{\"metadata\":{\"resourceVersion\":";
  api::append_quoted(text, now.metadata().resourceversion());
  return text + "}," + status.substr(1);
}

template <class T>
base::Task<Result<std::shared_ptr<const T>>> ClusterVolumes::read(std::string ns, std::string name) {
  auto answer = co_await read_object<T>(client_, std::move(ns), std::move(name));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return std::make_shared<const T>(std::move(*answer));
}

base::Task<Result<volume::VolumeSpec::ClaimPtr>> ClusterVolumes::claim(std::string ns, std::string name) {
  return read<api::core::PersistentVolumeClaim>(std::move(ns), std::move(name));
}

base::Task<Result<volume::VolumeSpec::PvPtr>> ClusterVolumes::persistent_volume(std::string name) {
  return read<api::core::PersistentVolume>("", std::move(name));
}

base::Task<Result<volume::VolumeSpec::ClaimPtr>> ClusterVolumes::patch_claim_status(
    volume::VolumeSpec::ClaimPtr now, api::core::PersistentVolumeClaim wanted, bool only_unchanged) {
  using Claim = api::core::PersistentVolumeClaim;
  std::string patch = claim_patch(*now, wanted, only_unchanged);
  if (patch.empty()) co_return now;
  const std::string name = now->metadata().name();
  auto task = client_.patch<Claim>(now->metadata().namespace_(), name, kube::PatchType::strategic_merge,
                                   std::move(patch), "status");
  auto patched = co_await in_time<Claim>(client_, std::move(task), name);
  if (!patched.ok()) co_return std::move(patched).error().wrap("patchPVCStatus failed to patch PVC \"" + name + "\"");
  co_return std::make_shared<const Claim>(std::move(*patched));
}

base::Task<Result<ClusterVolumes::NodePtr>> ClusterVolumes::read_node() { return read<api::core::Node>("", node_); }

}  // namespace keelson::agent
