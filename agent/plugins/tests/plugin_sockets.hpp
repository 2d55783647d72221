// A directory with sockets that nobody listens on, gone with the object.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/file.hpp"

namespace keelson::agent {

struct PluginSockets {
  PluginSockets() {
    char name[] = "/tmp/keelson-plugins-XXXXXX";
    top = mkdtemp(name);
  }
  ~PluginSockets() {
    std::error_code ignored;
    std::filesystem::remove_all(top, ignored);
  }

  std::string path(const std::string& name) const { return top + "/" + name; }
  void make(const std::string& name) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path(name).c_str(), sizeof address.sun_path - 1);
    const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  }
  void remove(const std::string& name) const { std::filesystem::remove(path(name)); }

  std::string top;
};

}  // namespace keelson::agent
