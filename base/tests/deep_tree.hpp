// A tree of directories within each other, deeper than there are descriptors and than a path may be long.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/file.hpp"

namespace keelson::base {

// `depth` times a directory "d" below `top`; the innermost.
inline UniqueFd make_deep_tree(const std::string& top, int depth) {
  UniqueFd at(open(top.c_str(), O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < depth; ++i) {
    if (mkdirat(at.get(), "d", 0700) != 0) return UniqueFd();
    at = UniqueFd(openat(at.get(), "d", O_RDONLY | O_DIRECTORY));
  }
  return at;
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

}  // namespace keelson::base
