// Where CSI volumes lie below the agent's root directory (ROOT). Pure functions, any thread.
//
//   ROOT/pods/UID/volumes/kubernetes.io~csi/NAME/             0750
//     mount                                                   target_path; the driver makes it
//     vol_data.json
//   ROOT/plugins/kubernetes.io/csi/DRIVER/SHA/                SHA = hex sha256(volume handle)
//     globalmount                                             staging_target_path, 0750
//     vol_data.json
//   ROOT/plugins/kubernetes.io/csi/volumeDevices/             block volumes
//     PV/dev/UID                                              one device file for each pod
//     PV/data/vol_data.json
//     staging/PV                                              staging_target_path, 0750
//     publish/PV/UID                                          target_path; the driver makes it
//   ROOT/pods/UID/volumeDevices/kubernetes.io~csi/PV          a link to the device
//
// A `/` in a name becomes `~` (the names of migrated inline volumes may have one). Source: contract 04 §2, §15, §22.
#pragma once

#include <string>

namespace keelson::volume {

std::string csi_volume_dir(const std::string& root, const std::string& uid, const std::string& name);
std::string csi_target_path(const std::string& root, const std::string& uid, const std::string& name);
std::string csi_staging_dir(const std::string& root, const std::string& driver, const std::string& handle);
std::string csi_staging_path(const std::string& root, const std::string& driver, const std::string& handle);

struct CsiBlockPaths {
  std::string volume;   // ROOT/plugins/kubernetes.io/csi/volumeDevices/PV
  std::string devices;  // its dev: the global map directory
  std::string data;     // its data
  std::string staging;
  std::string publish_dir;
};
CsiBlockPaths csi_block_paths(const std::string& root, const std::string& name);
std::string csi_block_publish_path(const std::string& root, const std::string& uid, const std::string& name);
// The link that a container's device is given by.
std::string csi_device_link(const std::string& root, const std::string& uid, const std::string& name);

}  // namespace keelson::volume
