#include "agent/node/process_limits.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "base/file.hpp"

namespace keelson::agent {

Status set_oom_score(int score) {
  const std::string path = "/proc/self/oom_score_adj";
  base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path, errno);
  const std::string text = std::to_string(score);
  if (::write(fd.get(), text.data(), text.size()) < 0) return errno_error("write " + text + " to " + path, errno);
  return {};
}

Status set_open_files(std::int64_t count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno_error("getrlimit", errno);
  const auto wanted = static_cast<rlim_t>(count);
  const rlimit both{wanted, std::max(wanted, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &both) == 0) return {};
  const int refused = errno;
  const rlimit soft{std::min(wanted, limit.rlim_max), limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &soft) != 0) return errno_error("setrlimit", errno);
  return errno_error("open files limited to " + std::to_string(soft.rlim_cur) + ", wanted " + std::to_string(count),
                     refused);
}

}  // namespace keelson::agent
