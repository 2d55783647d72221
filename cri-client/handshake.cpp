#include "cri-client/handshake.hpp"

#include "cri-client/endpoint.hpp"

namespace keelson::cri {

namespace {

constexpr const char* kApiVersion = "0.1.0";
constexpr int kConfigTries = 3;
constexpr auto kConfigPause = std::chrono::seconds(2);

// "cannot use the container runtime at unix:///x: there is no socket at /x: is the container runtime running?"
Error cannot_use(const char* service, const std::string& path, const Error& error) {
  const std::string where = std::string("cannot use the ") + service + " at unix://" + path + ": ";
  switch (error.kind()) {
    case ErrorKind::unavailable:
    case ErrorKind::deadline_exceeded:
      return Error(error.kind(), where + diagnose(path) + " (" + error.to_string() + ")", error.code());
    case ErrorKind::unimplemented:
      return Error(error.kind(),
                   where + "it does not serve CRI v1, is its CRI plugin switched off? (" + error.to_string() + ")",
                   error.code());
    default: return Error(error.kind(), where + error.to_string(), error.code());
  }
}

Task<Result<std::optional<CgroupDriver>>> ask_cgroup_driver(RuntimeService& runtime, base::Clock& clock) {
  for (int attempt = 1;; ++attempt) {
    auto answer = co_await runtime.runtime_config();
    if (answer.ok() || attempt == kConfigTries) co_return answer;
    co_await clock.sleep_for(kConfigPause);
  }
}

}  // namespace

Task<Result<Handshake>> shake_hands(RuntimeService& runtime, ImageService& images, base::Clock& clock,
                                    std::string runtime_path, std::string image_path) {
  constexpr const char* kRuntime = "container runtime";
  const auto first = co_await runtime.version("");
  if (!first.ok()) co_return cannot_use(kRuntime, runtime_path, first.error());
  const auto filesystems = co_await images.image_fs_info();
  if (!filesystems.ok()) co_return cannot_use("image service", image_path, filesystems.error());
  const auto version = co_await runtime.version(kApiVersion);
  if (!version.ok()) co_return cannot_use(kRuntime, runtime_path, version.error());
  if (version->version != kApiVersion) {
    co_return Error(ErrorKind::invalid, "cannot use the container runtime at unix://" + runtime_path +
                                            ": its runtime API version is \"" + version->version + "\", expected \"" +
                                            kApiVersion + "\"");
  }
  const auto driver = co_await ask_cgroup_driver(runtime, clock);
  if (!driver.ok()) co_return cannot_use(kRuntime, runtime_path, driver.error());
  co_return Handshake{*version, *driver};
}

}  // namespace keelson::cri
