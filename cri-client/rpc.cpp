#include "cri-client/rpc.hpp"

#include <algorithm>
#include <array>

#include "base/grpc.hpp"
#include "base/rpc.hpp"

namespace keelson::cri {

namespace {

// In the order of google.rpc.Code, as the runtime means them.
constexpr std::array<ErrorKind, 17> kKinds{
    ErrorKind::internal,           // OK
    ErrorKind::unavailable,        // Canceled
    ErrorKind::internal,           // Unknown
    ErrorKind::invalid,            // InvalidArgument
    ErrorKind::deadline_exceeded,  // DeadlineExceeded
    ErrorKind::not_found,          // NotFound
    ErrorKind::already_exists,     // AlreadyExists
    ErrorKind::permission_denied,  // PermissionDenied
    ErrorKind::exhausted,          // ResourceExhausted
    ErrorKind::internal,           // FailedPrecondition
    ErrorKind::conflict,           // Aborted
    ErrorKind::invalid,            // OutOfRange
    ErrorKind::unimplemented,      // Unimplemented
    ErrorKind::internal,           // Internal
    ErrorKind::unavailable,        // Unavailable
    ErrorKind::internal,           // DataLoss
    ErrorKind::permission_denied,  // Unauthenticated
};

// Could the call have taken effect? Not when there was no connection to send it on. A connection that broke under a
// call that changes something leaves it open, and so does a runtime that gave it up half way because it shuts down
// (Canceled). One that answers Unavailable may have begun, too.
ErrorKind kind_of(const Rpc& call, const Outcome& outcome) {
  if (outcome.stopped) return ErrorKind::cancelled;
  const bool gave_up = outcome.code == base::kGrpcUnavailable || outcome.code == base::kGrpcCanceled;
  const bool open = gave_up || (outcome.unsure && outcome.code != base::kGrpcDeadlineExceeded);
  if (open && call.changes && !outcome.never_sent) return ErrorKind::maybe_applied;
  const bool known = outcome.code > 0 && outcome.code < static_cast<int>(kKinds.size());
  return known ? kKinds[outcome.code] : ErrorKind::internal;
}

std::string text_of(const Outcome& outcome) {
  if (outcome.stopped) return "the client is stopping";
  // gRPC for C++ at the other end; users know Go's words.
  if (outcome.message == "Deadline Exceeded") return "context deadline exceeded";
  return outcome.message;
}

}  // namespace

std::optional<base::Duration> time_limit(Limit limit, base::Duration request_timeout, std::chrono::seconds asked) {
  switch (limit) {
    case Limit::standard: return request_timeout;
    case Limit::twice: return 2 * request_timeout;
    case Limit::plus_grace: return request_timeout + asked;
    case Limit::exec:
      if (asked.count() == 0) return std::nullopt;
      return request_timeout + asked;
    case Limit::checkpoint: return std::max<base::Duration>(request_timeout, asked);
    case Limit::none: return std::nullopt;
  }
  return request_timeout;
}

Error to_error(const Rpc& call, const Outcome& outcome) {
  return Error(kind_of(call, outcome),
               "rpc error: code = " + std::string(base::rpc_code_name(outcome.code)) + " desc = " + text_of(outcome),
               outcome.code);
}

std::string description(const Error& error) {
  constexpr std::string_view kBefore = " desc = ";
  const std::string text = error.to_string();
  const auto at = text.find(kBefore);
  return text.starts_with("rpc error: code = ") && at != std::string::npos ? text.substr(at + kBefore.size()) : text;
}

}  // namespace keelson::cri
