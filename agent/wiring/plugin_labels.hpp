// The SELinux labels of the directories in which plugins make their sockets.
//
// Blocking, for the start; any thread. What fails: no privilege, a file system without labels. Source: contract 02 §21.
#pragma once

#include "agent/sync/paths.hpp"
#include "base/result.hpp"

namespace keelson::agent {

Status label_plugin_directories(const Paths& paths);

}  // namespace keelson::agent
