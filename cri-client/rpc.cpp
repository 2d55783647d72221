#include "cri-client/rpc.hpp"

#include <algorithm>
#include <array>

namespace keelson::cri {

namespace {

enum Code {
  kCancelled = 1,
  kDeadlineExceeded = 4,
  kUnavailable = 14,
};

struct CodeRow {
  std::string_view name;
  ErrorKind kind;
};

// In the order of google.rpc.Code.
constexpr std::array<CodeRow, 17> kCodes{{
    {"OK", ErrorKind::internal},
    {"Canceled", ErrorKind::unavailable},
    {"Unknown", ErrorKind::internal},
    {"InvalidArgument", ErrorKind::invalid},
    {"DeadlineExceeded", ErrorKind::deadline_exceeded},
    {"NotFound", ErrorKind::not_found},
    {"AlreadyExists", ErrorKind::already_exists},
    {"PermissionDenied", ErrorKind::permission_denied},
    {"ResourceExhausted", ErrorKind::exhausted},
    {"FailedPrecondition", ErrorKind::internal},
    {"Aborted", ErrorKind::conflict},
    {"OutOfRange", ErrorKind::invalid},
    {"Unimplemented", ErrorKind::unimplemented},
    {"Internal", ErrorKind::internal},
    {"Unavailable", ErrorKind::unavailable},
    {"DataLoss", ErrorKind::internal},
    {"Unauthenticated", ErrorKind::permission_denied},
}};

// Could the call have taken effect? Not when the runtime itself refused it, and not when there was no connection to
// send it on; a connection that broke under a call that changes something leaves it open.
ErrorKind kind_of(const Rpc& call, const Outcome& outcome) {
  if (outcome.stopped) return ErrorKind::cancelled;
  const bool known = outcome.code > 0 && outcome.code < static_cast<int>(kCodes.size());
  const ErrorKind kind = known ? kCodes[outcome.code].kind : ErrorKind::internal;
  const bool broke = outcome.code == kUnavailable || outcome.code == kCancelled;
  if (broke && call.changes && !outcome.answered && !outcome.never_sent) return ErrorKind::maybe_applied;
  // A runtime that is shutting down cancels what it is working on.
  if (outcome.code == kCancelled && call.changes && outcome.answered) return ErrorKind::maybe_applied;
  return kind;
}

std::string text_of(const Outcome& outcome) {
  if (outcome.stopped) return "the client is stopping";
  if (outcome.answered) return outcome.message;
  if (outcome.code == kDeadlineExceeded) return "context deadline exceeded";
  constexpr std::string_view kLast = "last error: ";
  const auto at = outcome.message.find(kLast);
  if (outcome.never_sent && at != std::string::npos) {
    return "connection error: " + outcome.message.substr(at + kLast.size());
  }
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

std::string_view code_name(int code) {
  if (code < 0 || code >= static_cast<int>(kCodes.size())) return "Unknown";
  return kCodes[code].name;
}

Error to_error(const Rpc& call, const Outcome& outcome) {
  return Error(kind_of(call, outcome),
               "rpc error: code = " + std::string(code_name(outcome.code)) + " desc = " + text_of(outcome),
               outcome.code);
}

}  // namespace keelson::cri
