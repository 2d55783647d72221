// CsiPlugin: the volumes of CSI drivers, one operation at a time: stage, publish, unpublish, unstage, expand, stats,
// and the same for block volumes.
//
// Each operation is a coroutine that takes values and gives a value; it keeps no state of volumes and takes no lock:
// the volume manager sees to it that no two operations on one volume overlap, waits for attachment and retries. The
// gRPC calls of an operation share two minutes. What touches the disk runs on the pool. Owner: the agent's wiring;
// outlives its operations, and what it stands on outlives it. Thread: the loop. Stops: with the tasks that await it; a
// call to a driver that is cancelled leaves the volume uncertain. What fails: VolumeError; a driver that is not
// registered and an API server that does not answer are `transient`, a driver's errors are as in client.hpp. After a
// final error at stage or publish the directories and vol_data.json are gone unless something is mounted there. Nothing
// is ever removed recursively. Texts are those that the kubelet's users know. Source: contract 04 §15, §21, §22, §24,
// §25.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/in_flight.hpp"
#include "base/logger.hpp"
#include "base/rpc.hpp"
#include "volume/csi/client.hpp"
#include "volume/csi/cluster.hpp"
#include "volume/csi/drivers.hpp"
#include "volume/csi/vol_data.hpp"
#include "volume/csi/volume.hpp"
#include "volume/fs_group.hpp"
#include "volume/manager/plugin.hpp"
#include "volume/mounts.hpp"
#include "volume/volume_error.hpp"

namespace keelson::volume {

struct CsiStage {
  CsiVolume volume;
  std::optional<std::int64_t> fs_group;  // of the pod that is first
  std::string selinux_label;             // for a mount with a context; used when the driver's object says seLinuxMount
};

struct CsiPublish {
  CsiVolume volume;
  CsiPod pod;
  std::optional<std::int64_t> fs_group;
  std::string fs_group_change_policy;  // OnRootMismatch; else all of it is walked
  std::string selinux_label;
  bool republish = false;  // it is mounted already: a failure removes nothing
  bool restored = false;   // found on the disk after a restart: a failure removes nothing
  std::shared_ptr<FsGroupProgress> progress = std::make_shared<FsGroupProgress>();  // of fsGroup's walk
};

struct CsiPublished {
  std::string path;              // what containers mount, or the block device
  bool selinux_mounted = false;  // with a context: not to be relabelled
  bool grouped = false;          // its files were given to fsGroup
  bool group_by_driver = false;  // fsGroup is the driver's business
};

struct CsiExpand {
  CsiVolume volume;
  std::string volume_path;  // where it is published: the mount, or the block device
  std::int64_t size = 0;    // bytes
  bool block = false;
};

struct CsiExpanded {
  bool supported = true;  // false: the driver cannot, nothing was done
  std::int64_t capacity = 0;
};

// What a failed expansion says of the volume.
ExpandResult::Outcome csi_expand_failure(const VolumeError& error);

class CsiPlugin {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::BlockingPool& pool;
    base::RpcChannels& channels;
    CsiDrivers& drivers;
    CsiCluster& cluster;
    std::shared_ptr<Mounts> mounts;  // shared with calls that outlive their deadline
    std::string root;                // ROOT, no trailing slash
    std::string node_name;
    base::Logger log;
    VolumeMetrics* metrics = nullptr;  // of the calls; null: nobody reads them
    // Reads anew how many volumes fit, and tells the cluster; unset: nobody does.
    std::function<base::Task<void>(std::string driver)> count_again = {};
  };
  explicit CsiPlugin(Base base);

  // How its CSIDriver object wants the driver's volumes treated (attachment, republish, SELinux mounts ...).
  base::Task<VolumeResult<CsiTraits>> traits(std::string driver);
  // Success when the volume is attached to this node, or need not be. One look, no wait; all errors are transient.
  base::Task<VolumeStatus> check_attached(CsiVolume volume);
  // Whether it is not attached because the node has no room for one more, by a driver that keeps the cluster informed
  // of that; the cluster is told the count anew then.
  base::Task<bool> is_node_full(CsiVolume volume);

  // Once on a node, for PVs: never for inline volumes.
  base::Task<VolumeStatus> stage(CsiStage wanted);
  base::Task<VolumeStatus> unstage(std::string driver, std::string handle);
  // For each pod; also to repeat it while it is mounted (requiresRepublish).
  base::Task<VolumeResult<CsiPublished>> publish(CsiPublish wanted);
  base::Task<VolumeStatus> unpublish(std::string pod_uid, std::string name);

  // volumeMode Block. `path` of what is published is the device, links resolved; the manager binds and links it.
  base::Task<VolumeStatus> stage_block(CsiVolume volume);
  base::Task<VolumeStatus> unstage_block(std::string name);
  base::Task<VolumeResult<CsiPublished>> publish_block(CsiVolume volume, CsiPod pod);
  base::Task<VolumeStatus> unpublish_block(std::string pod_uid, std::string name);

  base::Task<VolumeResult<CsiExpanded>> expand(CsiExpand wanted);
  // Nothing when the driver has no statistics. `path`: the pod's mount, or the device file of a block volume.
  base::Task<VolumeResult<std::optional<CsiStats>>> stats(std::string driver, std::string handle, std::string path);

 private:
  using Written = std::shared_ptr<bool>;  // whether vol_data.json is ours to remove again
  template <class T>
  using Work = std::function<Result<T>()>;

  // What staging begins with, whatever the volume's mode.
  struct Staging {
    CsiClient client;
    CsiCapabilities can;
    CsiTraits traits;
    CsiStageRequest request;
  };
  struct StagingTexts {
    std::string no_client, no_context;
  };
  base::Task<VolumeResult<Staging>> begin_staging(CsiVolume volume, StagingTexts texts);

  base::Task<VolumeStatus> try_stage(CsiStage wanted, Written written);
  base::Task<VolumeResult<CsiPublished>> try_publish(CsiPublish wanted, Written written);
  base::Task<VolumeStatus> try_stage_block(CsiVolume volume, Written written);

  std::optional<CsiClient> client_of(const std::string& driver, bool migrated = false);
  base::Task<VolumeResult<CsiMap>> publish_context(CsiVolume volume, CsiTraits traits, std::string what);
  base::Task<VolumeResult<CsiMap>> secret_of(std::optional<CsiSecretRef> reference, std::string what);
  // The token entries for a driver that asked for them: one key, or none.
  base::Task<VolumeResult<CsiMap>> tokens_of(CsiPod pod, CsiTraits traits);
  VolData data_of(const CsiVolume& volume) const;

  // On the pool; `volume` keeps a call that hangs from being repeated.
  template <class T>
  base::Task<Result<T>> on_disk(const std::string& volume, const char* what, base::Duration limit, Work<T> work);
  base::Task<Status> prepare(std::string directory, std::optional<VolData> data);
  base::Task<Result<VolData>> load(std::string directory);
  base::Task<Result<bool>> exists(std::string path);
  base::Task<Status> clean_mount(std::string mount_path);
  base::Task<Status> clean_block(std::string name);
  base::Task<Status> clean_block_file(std::string path);
  base::Task<Status> clean_unknown(std::string mount_path, Error cause);
  base::Task<Status> check_unused(std::string mount_path);
  base::Task<Result<std::string>> resolve(std::string path);
  base::Task<Status> apply_group(CsiPublish wanted, std::string path);
  void tell_left(const std::string& path, const Status& cleaned);

  Base base_;
  base::InFlight in_flight_;
};

}  // namespace keelson::volume
