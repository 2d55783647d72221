#include "base/rpc.hpp"

namespace keelson::base {
namespace {

struct Code {
  std::string_view name;
  ErrorKind kind;
};

// By google.rpc.Code.
constexpr Code kCodes[] = {
    {"OK", ErrorKind::internal},
    {"Canceled", ErrorKind::unavailable},
    {"Unknown", ErrorKind::internal},
    {"InvalidArgument", ErrorKind::invalid},
    {"DeadlineExceeded", ErrorKind::deadline_exceeded},
    {"NotFound", ErrorKind::not_found},
    {"AlreadyExists", ErrorKind::already_exists},
    {"PermissionDenied", ErrorKind::permission_denied},
    {"ResourceExhausted", ErrorKind::exhausted},
    {"FailedPrecondition", ErrorKind::conflict},
    {"Aborted", ErrorKind::conflict},
    {"OutOfRange", ErrorKind::invalid},
    {"Unimplemented", ErrorKind::unimplemented},
    {"Internal", ErrorKind::internal},
    {"Unavailable", ErrorKind::maybe_applied},
    {"DataLoss", ErrorKind::internal},
    {"Unauthenticated", ErrorKind::permission_denied},
};

bool is_known(int code) { return code >= 0 && code < static_cast<int>(std::size(kCodes)); }

}  // namespace

std::string_view rpc_code_name(int code) {
  if (code == RpcOutcome::unreached) return "Unavailable";
  return is_known(code) ? kCodes[code].name : "Unknown";
}

std::string RpcOutcome::to_string() const {
  return "rpc error: code = " + std::string(rpc_code_name(code)) + " desc = " + message;
}

Error RpcOutcome::error() const {
  ErrorKind kind = ErrorKind::internal;
  if (code == unreached) kind = ErrorKind::unavailable;
  if (is_known(code)) kind = kCodes[code].kind;
  return Error(kind, to_string(), code);
}

}  // namespace keelson::base
