// Runs what mounts in a child with a mount namespace of its own, so that the host sees nothing of it.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace keelson::volume {

// `function` gives 0 when all was well, else the number of the step that was not; 77: cannot be tried here.
template <class Function>
void in_own_mount_namespace(Function function) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  EXPECT_EXIT(
      {
        if (unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(77);
        _exit(function());
      },
      [](int status) {
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
          std::fprintf(stderr, "ended with %d%s\n", WEXITSTATUS(status),
                       WEXITSTATUS(status) == 77 ? ": cannot be tried here" : "");
        }
        return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
      },
      "");
}

}  // namespace keelson::volume
