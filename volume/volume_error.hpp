// VolumeError: how an operation on a volume failed, and what that says about the volume now.
//
// Values, any thread. `final`: it is not mounted and nothing is under way. `uncertain`: it may be mounted, or become
// so; it must be torn down when nobody wants it. `transient`: nothing was tried, the volume is as it was. All three are
// retried while the volume is wanted. Source: contract 04 §16 (error classes), §22.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.hpp"

namespace keelson::volume {

struct VolumeError {
  enum class Outcome { final, uncertain, transient };

  Error error;
  Outcome outcome = Outcome::final;

  std::string to_string() const { return error.to_string(); }
  VolumeError wrap(std::string_view context) && { return {std::move(error).wrap(context), outcome}; }
};

inline VolumeError final_error(Error error) { return {std::move(error), VolumeError::Outcome::final}; }
inline VolumeError uncertain_error(Error error) { return {std::move(error), VolumeError::Outcome::uncertain}; }
inline VolumeError transient_error(Error error) { return {std::move(error), VolumeError::Outcome::transient}; }

inline std::string_view to_string(VolumeError::Outcome outcome) {
  switch (outcome) {
    case VolumeError::Outcome::final: return "final";
    case VolumeError::Outcome::uncertain: return "uncertain";
    case VolumeError::Outcome::transient: return "transient";
  }
  return "unknown";
}

// Result with a VolumeError; accessing the wrong half is a broken invariant.
template <class T>
class [[nodiscard]] VolumeResult {
 public:
  VolumeResult(T value) : data_(std::in_place_index<0>, std::move(value)) {}
  VolumeResult(VolumeError error) : data_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return data_.index() == 0; }

  T& value() & {
    KEELSON_CHECK(ok() && "value() of a failed VolumeResult");
    return std::get<0>(data_);
  }
  const T& value() const& {
    KEELSON_CHECK(ok() && "value() of a failed VolumeResult");
    return std::get<0>(data_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const VolumeError& error() const& {
    KEELSON_CHECK(!ok() && "error() of a successful VolumeResult");
    return std::get<1>(data_);
  }
  VolumeError&& error() && {
    KEELSON_CHECK(!ok() && "error() of a successful VolumeResult");
    return std::get<1>(std::move(data_));
  }

 private:
  std::variant<T, VolumeError> data_;
};

// Success without a value.
class [[nodiscard]] VolumeStatus : public VolumeResult<Ok> {
 public:
  VolumeStatus() : VolumeResult<Ok>(Ok{}) {}
  VolumeStatus(VolumeError error) : VolumeResult<Ok>(std::move(error)) {}
};

}  // namespace keelson::volume
