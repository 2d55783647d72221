// Names of the cgroups of QoS tiers and pods, for both drivers, and back.
//
// A cgroup is named by its components below the hierarchy's root ("kubepods", "burstable", "podUID"); each driver
// writes them in its own form. The full path form is what CRI's cgroup_parent carries for both. Pure functions, any
// thread. Source: contract 03 §3.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::cgroups {

enum class Driver { cgroupfs, systemd };
enum class QosClass { guaranteed, burstable, best_effort };

// Components from the root down; empty is the root itself.
using CgroupName = std::vector<std::string>;

// A configured cgroupRoot, always in cgroupfs form: "" and "/" are the root. Components must not hold '_' or "..".
Result<CgroupName> parse_root(std::string_view cgroup_root);
CgroupName pods_root(const CgroupName& root);
// The tier that holds pods of this class; Guaranteed pods sit right in the pods root.
CgroupName tier(const CgroupName& root, QosClass qos);
CgroupName pod(const CgroupName& root, QosClass qos, std::string_view uid);

// "-" <-> "_" within one component of a slice name.
std::string escape(std::string_view component);
std::string unescape(std::string_view component);

// "/kubepods/burstable/podUID"; "/" for the root.
std::string cgroupfs_path(const CgroupName& name);
// "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice"; "/" for the root.
std::string systemd_path(const CgroupName& name);
// "kubepods-burstable-podUID.slice"; "-.slice" for the root.
std::string systemd_unit(const CgroupName& name);
std::string path(Driver driver, const CgroupName& name);

// The UID in the last element of a pod's cgroup path (either driver's form); nothing when it is no pod.
std::optional<std::string> pod_uid(std::string_view path);

}  // namespace keelson::cgroups
