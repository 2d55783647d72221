#include "base/result.hpp"

#include <array>
#include <cerrno>
#include <cstring>

namespace keelson {
namespace {

struct ErrnoKind {
  int number;
  ErrorKind kind;
};

constexpr std::array kErrnoKinds = {
    ErrnoKind{ENOENT, ErrorKind::not_found},         ErrnoKind{ENOTDIR, ErrorKind::not_found},
    ErrnoKind{ESRCH, ErrorKind::not_found},          ErrnoKind{EEXIST, ErrorKind::already_exists},
    ErrnoKind{EACCES, ErrorKind::permission_denied}, ErrnoKind{EPERM, ErrorKind::permission_denied},
    ErrnoKind{EROFS, ErrorKind::permission_denied},  ErrnoKind{ENOSPC, ErrorKind::exhausted},
    ErrnoKind{EDQUOT, ErrorKind::exhausted},         ErrnoKind{EMFILE, ErrorKind::exhausted},
    ErrnoKind{ENFILE, ErrorKind::exhausted},         ErrnoKind{ENOMEM, ErrorKind::exhausted},
    ErrnoKind{EAGAIN, ErrorKind::unavailable},       ErrnoKind{EBUSY, ErrorKind::unavailable},
    ErrnoKind{ECONNREFUSED, ErrorKind::unavailable}, ErrnoKind{ETIMEDOUT, ErrorKind::deadline_exceeded},
    ErrnoKind{EINVAL, ErrorKind::invalid},           ErrnoKind{ELOOP, ErrorKind::invalid},
    ErrnoKind{ENAMETOOLONG, ErrorKind::invalid},     ErrnoKind{ECANCELED, ErrorKind::cancelled},
};

}  // namespace

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::not_found: return "not found";
    case ErrorKind::already_exists: return "already exists";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::deadline_exceeded: return "deadline exceeded";
    case ErrorKind::maybe_applied: return "maybe applied";
    case ErrorKind::permission_denied: return "permission denied";
    case ErrorKind::exhausted: return "exhausted";
    case ErrorKind::unimplemented: return "unimplemented";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

std::string Error::to_string() const { return context_.empty() ? message_ : context_ + ": " + message_; }

Error Error::wrap(std::string_view context) const& { return Error(*this).wrap(context); }

Error Error::wrap(std::string_view context) && {
  context_ = context_.empty() ? std::string(context) : std::string(context) + ": " + context_;
  return std::move(*this);
}

bool Error::retryable() const {
  switch (kind_) {
    case ErrorKind::conflict:
    case ErrorKind::unavailable:
    case ErrorKind::deadline_exceeded:
    case ErrorKind::maybe_applied:
    case ErrorKind::exhausted: return true;
    default: return false;
  }
}

Error errno_error(std::string_view what, int saved_errno) {
  ErrorKind kind = ErrorKind::internal;
  for (const ErrnoKind& row : kErrnoKinds) {
    if (row.number == saved_errno) kind = row.kind;
  }
  return Error(kind, std::string(what) + ": " + std::strerror(saved_errno), saved_errno);
}

}  // namespace keelson
