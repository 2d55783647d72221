// VolumePlugin: what the volume manager has done for one type of volume.
//
// A plugin does one operation at a time for one volume and keeps no state of volumes: whether something is mounted, who
// uses it and when it is tried again is the manager's. Operations on one device never overlap, nor do two for one
// volume of one pod. Each has an end: a plugin limits what may hang, and says `uncertain` then. Owner: the
// manager. Thread: the loop. What fails: VolumeError (volume_error.hpp); after a final error of set_up() or
// mount_device() nothing of the attempt is left. Source: contract 04 §3 (table), §12, §15, §16, §22, §24.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/task.hpp"
#include "volume/manager/volume_spec.hpp"
#include "volume/reconstruct.hpp"
#include "volume/volume_error.hpp"

namespace keelson::volume {

// How volumes of a type are to be treated.
struct VolumeManner {
  // Volumes that are mounted on the node once, before each pod's own mount: "kubernetes.io/csi/DRIVER^HANDLE". Empty:
  // each pod has its own from the start.
  std::string device;
  bool attachable = false;  // somebody attaches it to the node first
  bool repeats = false;     // set up anew at each sync of the pod
  // Nothing but files of our own under the pod's directory: the sweep at the pod's end takes it off.
  bool swept = false;
  bool of_server = false;  // to pull it off is what frees calls that hang at it
  // mount_device() and unmount_device() of one serial never overlap; empty: `device`.
  std::string serial;
  std::string place;           // where mount_device() will put it, if that is known before
  bool expands = false;        // expand() makes it as large as its PersistentVolume
  bool takes_context = false;  // can be mounted with an SELinux context
  std::string label;           // of metrics: "kubernetes.io/csi:DRIVER"; empty: the plugin's name
};

// What containers mount.
struct MountedVolume {
  // The manager fills these in: NAME, and the supplemental group that the PersistentVolume asks for.
  std::string name;
  std::optional<std::int64_t> group;
  std::string path;
  bool read_only = false;  // whatever the container's mount says
  bool relabel = false;    // may get an SELinux label
  bool block = false;      // `path` leads to a device
  bool grouped = false;    // by this set-up its files were given to the pod's fsGroup
  bool operator==(const MountedVolume&) const = default;
};

// Asks a long operation to end, and shows how far it is.
struct VolumeProgress {
  std::string text;              // for people; empty: nothing to say
  std::function<void()> cancel;  // set while there is something to cancel
};
using VolumeProgressPtr = std::shared_ptr<VolumeProgress>;

// Tells people of a pod's volumes.
using VolumeEvent = std::function<void(const api::Pod&, bool warning, std::string reason, std::string message)>;
// The same of a claim or a PersistentVolume, found while working on the pod.
using VolumeObjectEvent = std::function<void(const api::Pod&, api::core::ObjectReference, bool warning,
                                             std::string reason, std::string message)>;

struct MountOrder {
  VolumeSpec spec;
  VolumeManner manner;
  std::string place;        // set_up(): what mount_device() answered
  std::string device_path;  // as the cluster says where it attached it; may be empty
  bool mounted = false;     // it is, and is set up anew
  bool restored = false;    // found on the disk after a restart: a failure removes nothing
  VolumeProgressPtr progress;
};

struct TearDownOrder {
  std::string uid;
  std::string name;
  bool block = false;
  std::string place;
};

// A volume of the node that nobody uses any more.
struct DeviceOrder {
  std::string device;  // VolumeManner::device
  std::string name;    // NAME, of the PV
  bool block = false;
  std::string place;
  bool attachable = false;  // it may be attached: not to be detached before it was taken off
  // The SELinux context that it is mounted with; empty: without one; none: not known.
  std::optional<std::string> context;
};

// What lies on the disk after a restart.
struct FoundManner {
  VolumeManner manner;
  std::string place;
  std::optional<std::string> context;  // as in DeviceOrder
};

// A volume that is mounted is to be made larger.
struct ExpandOrder {
  VolumeSpec spec;
  VolumeManner manner;
  std::string place;
  std::string path;  // MountedVolume::path
  std::string device_path;
  std::int64_t size = 0;
  std::int64_t from = 0;  // what it was
};

struct ExpandResult {
  enum class Outcome {
    done,
    unsupported,  // it cannot be
    in_use,       // not while it is in use here
    infeasible,   // never to that size
    failed,       // for good, as things are
    uncertain,    // it may be under way, or could not be begun
  };
  Outcome outcome = Outcome::done;
  std::optional<Error> error;
};

class VolumePlugin {
 public:
  virtual ~VolumePlugin() = default;
  // "kubernetes.io/csi"
  virtual std::string name() const = 0;
  // Whether volumes below that name on the disk are its own.
  virtual bool is_called(const std::string& plugin) const { return plugin == name(); }
  virtual bool serves(const VolumeSpec& spec) const = 0;
  virtual base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec spec) = 0;
  // The same of a pod's volume that was found; an error: it is not to be touched.
  virtual base::Task<Result<FoundManner>> manner_of_found(FoundVolume found) = 0;
  // Volumes of the node that were found, used by a pod or not.
  virtual base::Task<Result<std::vector<DeviceOrder>>> found_devices() { co_return std::vector<DeviceOrder>(); }

  // Whether it is attached, after the Node has said so. One look; called again.
  virtual base::Task<VolumeStatus> check_attached(MountOrder) { co_return VolumeStatus(); }
  // Where it is on the node.
  virtual base::Task<VolumeResult<std::string>> mount_device(MountOrder) { co_return std::string(); }
  virtual base::Task<VolumeStatus> unmount_device(DeviceOrder) { co_return VolumeStatus(); }
  virtual base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) = 0;
  virtual base::Task<VolumeStatus> tear_down(TearDownOrder order) = 0;
  // Of those that say that they can (VolumeManner::expands).
  virtual base::Task<ExpandResult> expand(ExpandOrder) { co_return ExpandResult(); }
  // Whether it is not attached because this node has no room for one more.
  virtual base::Task<bool> is_node_full(MountOrder) { co_return false; }
};

}  // namespace keelson::volume
