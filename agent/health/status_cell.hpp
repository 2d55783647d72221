// StatusCell: the last Status that one thread said, readable from any other. A bridge, hence the mutex.
//
// The loop sets it; a health check on the server's thread gets it. Owner: main(), outliving the health server.
#pragma once

#include <mutex>

#include "base/result.hpp"

namespace keelson::agent {

class StatusCell {
 public:
  explicit StatusCell(Status status) : status_(std::move(status)) {}

  void set(Status status) {
    std::lock_guard lock(mutex_);
    status_ = std::move(status);
  }
  Status get() const {
    std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  Status status_;
};

}  // namespace keelson::agent
