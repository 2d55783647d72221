#include "agent/wiring/cluster_volumes.hpp"

#include "base/gate.hpp"

namespace keelson::agent {
namespace {

constexpr base::Duration kLimit = std::chrono::seconds(30);

}  // namespace

template <class T>
base::Task<Result<std::shared_ptr<const T>>> ClusterVolumes::read(std::string ns, std::string name) {
  auto task = client_.get<T>(ns, name);
  auto answer = co_await base::with_timeout(client_.clock(), kLimit, std::move(task));
  if (!answer) {
    co_return Error(ErrorKind::deadline_exceeded, "the API server did not answer in time for " + name);
  }
  if (!answer->ok()) co_return std::move(*answer).error();
  co_return std::make_shared<const T>(std::move(**answer));
}

base::Task<Result<volume::VolumeSpec::ClaimPtr>> ClusterVolumes::claim(std::string ns, std::string name) {
  return read<api::core::PersistentVolumeClaim>(std::move(ns), std::move(name));
}

base::Task<Result<volume::VolumeSpec::PvPtr>> ClusterVolumes::persistent_volume(std::string name) {
  return read<api::core::PersistentVolume>("", std::move(name));
}

base::Task<Result<ClusterVolumes::NodePtr>> ClusterVolumes::read_node() { return read<api::core::Node>("", node_); }

}  // namespace keelson::agent
