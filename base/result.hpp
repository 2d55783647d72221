// Result and Error: how every function of this project says that it failed.
//
// A Result<T> holds either a value or an Error. An Error has a kind, which drives policy (retry, give up, treat as
// gone), a message of one line that says what was wrong and what was expected, and the chain of what was being done.
// Values are plain; any thread may use them. Accessing the wrong half of a Result is a broken invariant and aborts.
//
// Source: DESIGN "Errors"; STYLE rule 13.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace keelson {

// What the caller may do about a failure. Names follow what the kubelet's callers distinguish.
enum class ErrorKind {
  invalid,            // the input is wrong; the same input fails again
  not_found,          // the object is not there (for a deletion: success)
  already_exists,     // the object is there already
  conflict,           // somebody else changed it first: read again and retry
  unavailable,        // the other side cannot be reached or refuses for now: retry with back-off
  deadline_exceeded,  // no answer in time; the call may have taken effect
  maybe_applied,      // the connection broke after the request was sent: it may have taken effect
  permission_denied,  // the other side or the kernel says no
  exhausted,          // a limit is reached: disk full, no file descriptors, pull QPS
  unimplemented,      // the other side does not know the call
  cancelled,          // we stopped it ourselves
  internal,           // anything else, our own bugs included
};

std::string_view to_string(ErrorKind kind);

class Error {
 public:
  Error(ErrorKind kind, std::string message, int code = 0) : kind_(kind), code_(code), message_(std::move(message)) {}

  ErrorKind kind() const { return kind_; }
  // The code of the library or system that failed (errno, gRPC status, HTTP status); 0 when there is none.
  int code() const { return code_; }
  // The innermost text, without what was being done around it.
  const std::string& message() const { return message_; }
  // "while mounting volume data: mkdir /x: permission denied": context, outermost first, then the message.
  std::string to_string() const;

  // Puts a "while ..." before the text. Use as `return result.error().wrap("while reading " + path)`.
  Error wrap(std::string_view context) const&;
  Error wrap(std::string_view context) &&;

  // Retrying the same call later may succeed.
  bool retryable() const;

 private:
  ErrorKind kind_;
  int code_;
  std::string message_;
  std::string context_;
};

// An Error from errno: "open /x: No such file or directory", kind by the errno's meaning.
Error errno_error(std::string_view what, int saved_errno);

[[noreturn]] inline void broken_invariant(const char* what, const char* file, int line) {
  std::fprintf(stderr, "keelson: broken invariant: %s (%s:%d)\n", what, file, line);
  std::fflush(stderr);
  std::abort();
}

// A check that holds in every build: what it guards would corrupt state.
#define KEELSON_CHECK(condition)                                                   \
  do {                                                                             \
    if (!(condition)) ::keelson::broken_invariant(#condition, __FILE__, __LINE__); \
  } while (false)

// A check that holds in debug builds only.
#ifdef KEELSON_DEBUG_CHECKS
#define KEELSON_DCHECK(condition) KEELSON_CHECK(condition)
#else
#define KEELSON_DCHECK(condition) \
  do {                            \
  } while (false)
#endif

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : data_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return data_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    KEELSON_CHECK(ok() && "value() of a failed Result");
    return std::get<0>(data_);
  }
  const T& value() const& {
    KEELSON_CHECK(ok() && "value() of a failed Result");
    return std::get<0>(data_);
  }
  T&& value() && {
    KEELSON_CHECK(ok() && "value() of a failed Result");
    return std::get<0>(std::move(data_));
  }
  T value_or(T other) const& { return ok() ? std::get<0>(data_) : std::move(other); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    KEELSON_CHECK(!ok() && "error() of a successful Result");
    return std::get<1>(data_);
  }
  Error&& error() && {
    KEELSON_CHECK(!ok() && "error() of a successful Result");
    return std::get<1>(std::move(data_));
  }

  // The same Result with context put before a failure's text.
  Result wrap(std::string_view context) && {
    if (ok()) return std::move(*this);
    return std::move(*this).error().wrap(context);
  }

 private:
  std::variant<T, Error> data_;
};

// Success without a value.
struct Ok {};

template <>
class [[nodiscard]] Result<void> : public Result<Ok> {
 public:
  Result() : Result<Ok>(Ok{}) {}
  Result(Ok ok) : Result<Ok>(ok) {}
  Result(Error error) : Result<Ok>(std::move(error)) {}
  Result wrap(std::string_view context) && {
    if (ok()) return {};
    return std::move(static_cast<Result<Ok>&>(*this)).error().wrap(context);
  }
};

using Status = Result<void>;

// Leaves the function with the error of a failed Result; KEELSON_CO_TRY does so from a coroutine.
#define KEELSON_TRY(expression)                                                                       \
  do {                                                                                                \
    if (auto keelson_try_ = (expression); !keelson_try_.ok()) return std::move(keelson_try_).error(); \
  } while (false)
#define KEELSON_CO_TRY(expression)                                     \
  do {                                                                 \
    auto keelson_try_ = (expression);                                  \
    if (!keelson_try_.ok()) co_return std::move(keelson_try_).error(); \
  } while (false)

}  // namespace keelson
