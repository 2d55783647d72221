// Backend: the connection to the runtime's streaming server, over TCP or TLS.
//
// Owner: a session of the UpgradeProxy. Thread: the loop; a name is looked up on the blocking pool. One read and one
// write may be pending at a time; close() makes both fail, as does the destructor; the cancellation of the awaiting
// task throws as everywhere. There is no limit of time on what is sent: a process that does not read its input holds
// its peers up for as long as it likes, so the kernel must not give up on a closed window either. dial() fails with
// `unavailable` and the words of Go's net package. A server's certificate must be good by the authorities of the
// system. Source: contract 05 §9.2.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "agent/streaming/upgrade_message.hpp"
#include "base/blocking_pool.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "kube-client/tls.hpp"

namespace keelson::streaming {

class Backend {
 public:
  virtual ~Backend() = default;

  // At least one byte, or none when the other side has ended.
  virtual base::Task<Result<std::size_t>> read_some(char* to, std::size_t room) = 0;
  // All of it.
  virtual base::Task<Status> write(const char* data, std::size_t size) = 0;
  // More of what the other side has said has come than was read.
  virtual bool has_unread() const = 0;
  // The other side has closed, though what it had said before has not all come over yet: whatever is written to it now
  // makes the kernel throw that away.
  virtual bool has_closed() const = 0;
  // Nothing more will be sent; what was sent arrives.
  virtual void shut_down_write() = 0;
  virtual void close() = 0;
};

// Ends within `limit`. `tls`, which may be null, is for https.
base::Task<Result<std::unique_ptr<Backend>>> dial(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool,
                                                  Destination to, base::Duration limit, kube::TlsContext tls);

}  // namespace keelson::streaming
