// SELinux: the context that a volume is mounted with, so that its files need no labels of their own.
//
// Pure functions and values, any thread; but for read_selinux(), which reads two small files. A context comes from what
// the pod's containers ask for in their seLinuxOptions, completed from the context that the host gives the files of
// containers. Without a level there is none: the runtime chooses one for each pod, which nobody knows before. What
// fails: containers of one pod that want different contexts for one volume. Source: contract 04 §12; selinux(8),
// /etc/selinux/*/contexts/lxc_contexts.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "volume/manager/volume_spec.hpp"

namespace keelson::volume {

struct SELinuxHost {
  bool enabled = false;
  std::string file_context;       // of the files of containers: "system_u:object_r:container_file_t:s0"
  bool all_access_modes = false;  // gate SELinuxMount; else only volumes that one pod alone may use
};

// `etc` is /etc/selinux, `sys` is /sys/fs/selinux.
SELinuxHost read_selinux(const std::string& etc, const std::string& sys);
// "file" of such a file; empty when it does not say.
std::string file_context_of(std::string_view lxc_contexts);

// Empty: without one.
Result<std::string> mount_context(const VolumeSpec& spec, const SELinuxHost& host);
std::string context_of(const api::core::SELinuxOptions& options, const std::string& file_context);

// The context that a mount has, by its options in the mount table ("rw,context=\"...\""); empty: it has none.
std::string context_in(std::string_view super_options);

// Whether the kernel takes both for one: it writes categories sorted and in ranges.
bool same_context(const std::string& a, const std::string& b);

// The mount option.
inline std::string context_option(const std::string& context) { return "context=\"" + context + "\""; }

}  // namespace keelson::volume
