// Relay: copies bytes between client and runtime, both ways, until either side has ended and what was read is
// delivered.
//
// Nothing is looked at and nothing is kept: one piece of at most 32 KiB in each direction, and no more is read before
// it was taken, so a slow reader on one side holds the other side up and memory stays flat. How it ends:
//   the runtime ends    what it has sent goes to the client, then the end does; the client's own end is awaited, so
//   that
//                       its last bytes do not make the kernel throw away ours
//   the client ends     the runtime is told by a half-close, and what it still says goes on to the client while it
//   flows either one breaks   both are closed
// In the first two cases both are closed when `patience` has gone by without a byte.
// Owner: a session of the UpgradeProxy. Thread: the loop. Stops: with the awaiting task. Nothing fails: a connection
// that breaks is an end. Source: contract 05 §9.2 (3), (5).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/server/message.hpp"
#include "agent/streaming/backend.hpp"
#include "base/clock.hpp"
#include "base/task.hpp"

namespace keelson::streaming {

struct RelayCounts {
  std::uint64_t to_runtime = 0;  // bytes
  std::uint64_t to_client = 0;
};

class Relay {
 public:
  static constexpr std::size_t piece = 32 * 1024;

  // Both outlive it.
  Relay(base::Clock& clock, server::ByteStream& client, Backend& runtime, base::Duration patience)
      : clock_(clock), client_(client), runtime_(runtime), patience_(patience) {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // `first` goes to the client before anything else. Both are closed when it is over.
  base::Task<void> run(std::string first);
  const RelayCounts& counts() const { return counts_; }

 private:
  base::Task<void> copy_to_runtime();
  base::Task<void> copy_to_client(std::string first);
  void wait_for_the_rest();
  void close();

  base::Clock& clock_;
  server::ByteStream& client_;
  Backend& runtime_;
  base::Duration patience_;
  RelayCounts counts_;
  bool client_ended_ = false;
  bool delivering_ = false;     // the client is slower than the runtime
  bool runtime_ended_ = false;  // or takes no more
  base::SteadyTime last_byte_{};
  std::unique_ptr<base::Alarm> alarm_;
};

}  // namespace keelson::streaming
