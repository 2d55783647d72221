#include "agent/control/socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace keelson::agent {
namespace {

Status prepare_directory(const std::string& directory) {
  KEELSON_TRY(base::make_directories(directory, 0700).wrap("control socket"));
  struct stat info {};
  if (lstat(directory.c_str(), &info) != 0) return errno_error("control socket directory " + directory, errno);
  const bool ours = info.st_uid == geteuid() || info.st_uid == 0;
  if (!S_ISDIR(info.st_mode) || !ours || (info.st_mode & 022) != 0) {
    return Error(ErrorKind::permission_denied,
                 "control socket directory " + directory +
                     " must be a directory of root or our own user that nobody else can write to (chmod 0700)");
  }
  return {};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error(ErrorKind::invalid, "control socket path " + path + " is too long; expected at most " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  path.copy(address.sun_path, path.size());
  return address;
}

// Somebody who does not take our lock may still listen there.
bool somebody_listens(const sockaddr_un& address) {
  const base::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  return errno == EAGAIN || errno == EINPROGRESS;  // its queue is full
}

Status remove_dead_socket(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("control socket " + path, errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return Error(ErrorKind::already_exists, "control socket " + path + " exists and is not a socket; not replacing it");
  }
  if (somebody_listens(address)) {
    return Error(ErrorKind::already_exists, "another process listens on the control socket " + path);
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("removing the old socket " + path, errno);
  return {};
}

}  // namespace

Result<ControlSocket> open_control_socket(const std::string& path) {
  auto address = address_of(path);
  if (!address.ok()) return std::move(address).error();
  KEELSON_TRY(prepare_directory(std::filesystem::path(path).parent_path().string()));

  ControlSocket control;
  const std::string lock_path = path + ".lock";
  control.lock = base::UniqueFd(open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!control.lock) return errno_error("control socket lock " + lock_path, errno);
  if (flock(control.lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error(ErrorKind::already_exists, "another keelson runs on the control socket " + path);
  }
  KEELSON_TRY(remove_dead_socket(path, *address));

  control.listener = base::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!control.listener) return errno_error("control socket", errno);
  if (bind(control.listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return errno_error("binding the control socket " + path, errno);
  }
  // Nobody can connect before listen(), so the mode is right from the first moment.
  if (chmod(path.c_str(), 0600) != 0) return errno_error("chmod of the control socket " + path, errno);
  if (listen(control.listener.get(), 64) != 0) return errno_error("listening on the control socket " + path, errno);
  return control;
}

bool peer_allowed(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

}  // namespace keelson::agent
