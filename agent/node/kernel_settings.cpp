#include "agent/node/kernel_settings.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

Status write_setting(const std::string& path, std::int64_t value) {
  base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path, errno);
  const std::string text = std::to_string(value);
  if (::write(fd.get(), text.data(), text.size()) < 0) return errno_error("write " + path, errno);
  return {};
}

}  // namespace

const std::vector<KernelSetting>& kernel_settings() {
  static const std::vector<KernelSetting> settings = {
      {"vm/overcommit_memory", 1},
      {"vm/panic_on_oom", 0},
      {"kernel/panic", 10},
      {"kernel/panic_on_oops", 1},
      {"kernel/keys/root_maxkeys", 1'000'000},
      {"kernel/keys/root_maxbytes", 25'000'000},
  };
  return settings;
}

Status apply_kernel_settings(const std::string& proc_sys, bool protect, std::vector<std::string>& warnings) {
  for (const KernelSetting& setting : kernel_settings()) {
    const std::string path = proc_sys + "/" + setting.name;
    auto text = base::read_file(path, 4096);
    if (!text.ok()) {
      warnings.push_back("kernel setting " + setting.name + " cannot be read: " + text.error().to_string());
      continue;
    }
    const std::int64_t actual = std::strtoll(text->c_str(), nullptr, 10);
    if (actual == setting.wanted) continue;
    if (protect) {
      return Error(ErrorKind::invalid,
                   "invalid kernel flag: " + setting.name + ", expected value: " + std::to_string(setting.wanted) +
                       ", actual value: " + std::to_string(actual) + " (protectKernelDefaults is true)");
    }
    auto written = write_setting(path, setting.wanted);
    if (!written.ok()) warnings.push_back("kernel setting " + setting.name + " stays: " + written.error().to_string());
  }
  return {};
}

}  // namespace keelson::agent
