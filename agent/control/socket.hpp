// The control socket as a file: where it may lie, who may reach it, and that only one agent listens on it.
//
// Blocking but instant calls on local files; any thread. What fails is named with the path.
#pragma once

#include <string>

#include "base/file.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct ControlSocket {
  base::UniqueFd listener;
  base::UniqueFd lock;  // held while we own the path
};

// Makes the directory (0700) when missing, takes PATH.lock, replaces a dead socket, listens with mode 0600.
Result<ControlSocket> open_control_socket(const std::string& path);
// True when the other end of `fd` is root or runs as our own user.
bool peer_allowed(int fd);

}  // namespace keelson::agent
