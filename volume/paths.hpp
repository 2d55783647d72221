// Where a pod's volumes lie under the agent's root directory (ROOT). Pure functions, any thread.
//
//   ROOT/pods/UID/                                            0750
//     volumes/PLUGIN~/NAME                                    the volume; emptyDir 0777, tmpfs-backed ones 01777
//     plugins/kubernetes.io~empty-dir/X/ready                 set up once; X = NAME or wrapped_NAME
//     volume-subpaths/NAME/CONTAINER/INDEX                    a bind mount; INDEX = position in volumeMounts
//     volumeDevices/PLUGIN~/NAME                              a link to a block device
//   ROOT/plugins/PLUGIN/                                      0750; what is mounted once per node
//
// Source: contract 04 §2.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::volume {

inline constexpr std::string_view empty_dir_plugin = "kubernetes.io/empty-dir";
inline constexpr std::string_view config_map_plugin = "kubernetes.io/configmap";
inline constexpr std::string_view secret_plugin = "kubernetes.io/secret";
inline constexpr std::string_view downward_api_plugin = "kubernetes.io/downward-api";
inline constexpr std::string_view projected_plugin = "kubernetes.io/projected";

// A plugin's name on disk: every `/` becomes `~`.
std::string escape_plugin(std::string_view plugin);
std::string unescape_plugin(std::string_view escaped);
std::string pod_dir(const std::string& root, const std::string& uid);
std::string volume_dir(const std::string& root, const std::string& uid, std::string_view plugin,
                       const std::string& name);
// A link to a block device.
std::string volume_device(const std::string& root, const std::string& uid, std::string_view plugin,
                          const std::string& name);
// ROOT/plugins/PLUGIN, with the plugin's `/`.
std::string plugin_dir(const std::string& root, std::string_view plugin);
// The directory that holds the `ready` marker of an empty-dir-backed volume.
std::string marker_dir(const std::string& root, const std::string& uid, const std::string& marker);

// One plain path element: not empty, no `/`, not `.` or `..`. A UID or a volume's name that is anything else would lead
// elsewhere; `what` names it in the error.
Status check_element(std::string_view what, const std::string& name);

}  // namespace keelson::volume
