// FlexVolume drivers: programs of the host that mount volumes of kinds of their own. Deprecated, still used.
//
//   DIR/VENDOR~DRIVER/DRIVER                                              the program, DIR/DRIVER/DRIVER without a
//   vendor ROOT/pods/UID/volumes/VENDOR~DRIVER/NAME                              a pod's volume
//   ROOT/plugins/kubernetes.io/flexvolume/VENDOR/DRIVER/mounts/NAME       of drivers that attach: the mount for the
//   node
//
// A program is called with a command and its arguments, among them one JSON object of options, and answers with one
// JSON object. Blocking, for as long as the driver takes; on the pool, never two calls for one volume at a time. Values
// only. Secrets stand in the options, as in the kubelet, and in no text of ours. What fails: there is no such driver
// (`not_found`), it does not answer, or says so; what it does not support is no failure. Source: contract 04 §3, §6
// "flexVolume", §24; the FlexVolume specification of Kubernetes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "volume/mounts.hpp"
#include "volume/programs.hpp"

namespace keelson::volume {

struct FlexDriver {
  std::string name;     // "vendor/driver"
  std::string program;  // its path
  // What `init` says that it can.
  bool attaches = true;
  bool relabels = true;  // its volumes may get SELinux labels
  bool takes_group = true;
  bool grows = true;  // the file system is to be resized on the node
};

struct FlexVolume {
  std::string name;  // NAME
  std::string fs_type;
  bool read_only = false;
  std::map<std::string, std::string> options;  // of the volume's source; they win over ours
};

// Of a driver's answer. `supported` false: it does not know the command.
struct FlexAnswer {
  bool supported = true;
  std::string device;
};

std::string flex_program(const std::string& directory, const std::string& driver);
// Asks it what it can. `directory`: of all drivers.
Result<FlexDriver> find_flex_driver(const std::string& directory, const std::string& driver, Programs& programs);
// What is known of it is of that version of the file; empty when there is none.
std::string flex_version(const std::string& directory, const std::string& driver);

// The options as JSON; `more` is said besides.
std::string flex_options(const FlexVolume& volume, const std::map<std::string, std::string>& more);
Result<FlexAnswer> call_flex(const FlexDriver& driver, const std::vector<std::string>& arguments, Programs& programs);

std::string flex_mount_dir(const std::string& root, const std::string& driver, const std::string& name);

// Once per node, for drivers that attach: waits for the device and mounts it at its place.
Status mount_flex_device(const FlexDriver& driver, const FlexVolume& volume, const std::string& device,
                         const std::string& place, Programs& programs, Mounts& mounts);
Status unmount_flex_device(const FlexDriver& driver, const std::string& place, Programs& programs, Mounts& mounts);

// A pod's volume at `target`; `more` tells the driver of the pod. `place`: where it is mounted for the node, of drivers
// that attach.
Status set_up_flex(const FlexDriver& driver, const FlexVolume& volume, const std::map<std::string, std::string>& more,
                   const std::string& place, const std::string& target, Programs& programs, Mounts& mounts);
Status tear_down_flex(const FlexDriver& driver, const std::string& target, Programs& programs, Mounts& mounts);

struct FlexGrowth {
  std::string device;
  std::string path;  // where it is mounted
  std::int64_t size = 0;
  std::int64_t from = 0;
};
Status grow_flex(const FlexDriver& driver, const FlexVolume& volume, const FlexGrowth& growth, Programs& programs);

}  // namespace keelson::volume
