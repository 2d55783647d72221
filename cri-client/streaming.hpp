// Exec, attach and port-forward (the runtime answers with a URL that the caller proxies to), and checkpoints.
//
// Implemented by GrpcRuntime; owner, thread and failures as for RuntimeService (cri-client/runtime.hpp).
// Source: contract 02a §6, §7.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::cri {

// At least one stream must be asked for; with `tty` standard error must not be.
struct Streams {
  bool tty = false;
  bool in = false;
  bool out = false;
  bool err = false;
};

class StreamingService {
 public:
  virtual ~StreamingService() = default;

  // Absolute URLs (http://...).
  virtual base::Task<Result<std::string>> exec(std::string container_id, std::vector<std::string> command,
                                               Streams streams) = 0;
  virtual base::Task<Result<std::string>> attach(std::string container_id, Streams streams) = 0;
  virtual base::Task<Result<std::string>> port_forward(std::string pod_sandbox_id, std::vector<std::int32_t> ports) = 0;

  // Writes a tar file to `location`. A timeout below the runtime request timeout is raised to it.
  virtual base::Task<Status> checkpoint_container(std::string container_id, std::string location,
                                                  std::chrono::seconds timeout) = 0;
};

}  // namespace keelson::cri
