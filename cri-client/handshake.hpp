// The start-up conversation with a container runtime: is it there, does it speak our version, which cgroup driver does
// it use.
//
// A named coroutine over the service interfaces; the caller owns them and awaits it. Every failure is one line that
// names the endpoint and says what to look at; the agent treats it as fatal. Lasts at most four time limits plus 4 s.
// Source: contract 02 §1 "Start-up".
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::cri {

struct Handshake {
  Version version;  // runtime_name is the scheme of container ids: containerd://<id>
  // nullopt: the runtime does not say; keep the configured one.
  std::optional<CgroupDriver> cgroup_driver;
};

// The paths of the sockets are for the error texts.
Task<Result<Handshake>> shake_hands(RuntimeService& runtime, ImageService& images, base::Clock& clock,
                                    std::string runtime_path, std::string image_path);

}  // namespace keelson::cri
