// From plain results of blocking work to those of volumes. Pure; private to the plugins.
#pragma once

#include "base/task.hpp"
#include "volume/volume_error.hpp"

namespace keelson::volume {

inline Result<Ok> as_result(Status status) {
  if (!status.ok()) return std::move(status).error();
  return Ok{};
}

// What did not come back in time may still take effect; what was not begun has not.
inline VolumeError classified(Error error) {
  if (error.kind() == ErrorKind::deadline_exceeded || error.kind() == ErrorKind::cancelled) {
    return uncertain_error(std::move(error));
  }
  if (error.kind() == ErrorKind::exhausted) return transient_error(std::move(error));
  return final_error(std::move(error));
}

inline base::Task<Status> without_value(base::Task<Result<Ok>> task) {
  auto done = co_await std::move(task);
  if (!done.ok()) co_return std::move(done).error();
  co_return Status();
}

}  // namespace keelson::volume
