// OperationMetrics: count, errors and durations of CRI calls per operation type, for /metrics.
//
// Owner: GrpcRuntime. Thread: the loop. Every ended call counts; a failed or cancelled one, or one whose answer broke a
// check, is an error too. Source: contract 02 §1, 05 §12 (kubelet_runtime_operations_*, bucket set R).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>

#include "base/clock.hpp"

namespace keelson::cri {

// Upper bounds in seconds: .005 x 2.5^k.
inline constexpr std::array<double, 14> kOperationBuckets{0.005,
                                                          0.0125,
                                                          0.03125,
                                                          0.078125,
                                                          0.1953125,
                                                          0.48828125,
                                                          1.220703125,
                                                          3.0517578125,
                                                          7.62939453125,
                                                          19.073486328125,
                                                          47.6837158203125,
                                                          119.20928955078125,
                                                          298.0232238769531,
                                                          745.0580596923828};

struct OperationStats {
  std::uint64_t count = 0;
  std::uint64_t errors = 0;
  double seconds = 0;                                             // sum of durations
  std::array<std::uint64_t, kOperationBuckets.size()> buckets{};  // not cumulative; longer ones are in `count` only

  bool operator==(const OperationStats&) const = default;
};

class OperationMetrics {
 public:
  void record(std::string_view operation, base::Duration duration, bool failed);
  const std::map<std::string_view, OperationStats>& by_operation() const { return by_operation_; }

 private:
  std::map<std::string_view, OperationStats> by_operation_;  // keys are literals of rpc.hpp
};

// Records one call when it goes out of scope, as failed unless told otherwise: a cancelled call leaves no other way.
class OperationTimer {
 public:
  OperationTimer(OperationMetrics& metrics, const base::Clock& clock, std::string_view operation)
      : metrics_(metrics), clock_(clock), operation_(operation), start_(clock.steady_now()) {}
  OperationTimer(const OperationTimer&) = delete;
  OperationTimer& operator=(const OperationTimer&) = delete;
  ~OperationTimer() { metrics_.record(operation_, clock_.steady_now() - start_, failed_); }
  void succeeded() { failed_ = false; }

 private:
  OperationMetrics& metrics_;
  const base::Clock& clock_;
  std::string_view operation_;
  base::SteadyTime start_;
  bool failed_ = true;
};

}  // namespace keelson::cri
