// A tree of directories within each other, deeper than there are descriptors and than a path may be long.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/file.hpp"

namespace keelson::volume {

// `depth` times a directory "d" below `top`; the innermost.
inline base::UniqueFd make_deep_tree(const std::string& top, int depth) {
  base::UniqueFd at(open(top.c_str(), O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < depth; ++i) {
    if (mkdirat(at.get(), "d", 0700) != 0) return base::UniqueFd();
    at = base::UniqueFd(openat(at.get(), "d", O_RDONLY | O_DIRECTORY));
  }
  return at;
}

// Level by level: a recursive removal would be as deep.
inline void remove_deep_tree(const std::string& path, int depth) {
  const base::UniqueFd top(open(path.c_str(), O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < depth; ++i) {
    const base::UniqueFd inner(openat(top.get(), "d", O_RDONLY | O_DIRECTORY));
    renameat(inner.get(), "d", top.get(), "next");
    unlinkat(top.get(), "d", AT_REMOVEDIR);
    renameat(top.get(), "next", top.get(), "d");
  }
}

// This process may have only so many descriptors open meanwhile.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t count) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{std::min(count, before_.rlim_max), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace keelson::volume
