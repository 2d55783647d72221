// ApiFailure and Outcome: how the fake API server says no, with the texts of the real one.
//
// Pure functions and values, any thread. Source: the API's Status conventions (code, reason, message, details).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/objects.hpp"
#include "api/pod_validation.hpp"
#include "base/result.hpp"
#include "tests/support/api/fake_api_kinds.hpp"

namespace keelson::fakes {

using ApiFailure = api::meta::Status;

// A value, or the Status that is answered instead.
template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : data_(std::in_place_index<0>, std::move(value)) {}
  Outcome(ApiFailure failure) : data_(std::in_place_index<1>, std::move(failure)) {}
  bool ok() const { return data_.index() == 0; }
  T& operator*() { return std::get<0>(data_); }
  const T& operator*() const { return std::get<0>(data_); }
  T* operator->() { return &std::get<0>(data_); }
  const ApiFailure& failure() const { return std::get<1>(data_); }

 private:
  std::variant<T, ApiFailure> data_;
};

// What a check answers: nothing, or the failure.
using Refusal = std::optional<ApiFailure>;

ApiFailure failure(int code, std::string_view reason, std::string message);
ApiFailure not_found(const ApiKind& kind, const std::string& name);
ApiFailure already_exists(const ApiKind& kind, const std::string& name);
ApiFailure conflict(const ApiKind& kind, const std::string& name, std::string_view why);
ApiFailure modified(const ApiKind& kind, const std::string& name);
// "pods \"x\" is forbidden: why"; without a name "pods is forbidden: why".
ApiFailure forbidden(const ApiKind& kind, const std::string& name, std::string_view why);
ApiFailure invalid(const ApiKind& kind, const std::string& name, const std::vector<api::ValidationError>& errors);
ApiFailure bad_request(std::string message);
ApiFailure expired(std::string message);
ApiFailure too_large_version(std::uint64_t asked, std::uint64_t current);
ApiFailure no_such_path();
ApiFailure method_not_allowed();
// The Status of a bare HTTP status, as servers and proxies answer it when they are in trouble.
ApiFailure plain_failure(int code, int retry_after);

// For the typed helpers: the kind that a client would make of it.
Error to_error(const ApiFailure& failure);

}  // namespace keelson::fakes
