#include "tests/support/api/fake_api_failure.hpp"

namespace keelson::fakes {
namespace {

ApiFailure about(const ApiKind& kind, const std::string& name, ApiFailure out) {
  auto& details = *out.mutable_details();
  if (!name.empty()) details.set_name(name);
  if (!kind.resource.group.empty()) details.set_group(std::string(kind.resource.group));
  details.set_kind(std::string(kind.resource.plural));
  return out;
}

std::string quoted(const ApiKind& kind, const std::string& name) { return kind.qualified() + " \"" + name + "\""; }

std::string_view cause_of(api::ValidationError::Kind kind) {
  switch (kind) {
    case api::ValidationError::Kind::required: return "FieldValueRequired";
    case api::ValidationError::Kind::invalid: return "FieldValueInvalid";
    case api::ValidationError::Kind::unsupported: return "FieldValueNotSupported";
    case api::ValidationError::Kind::duplicate: return "FieldValueDuplicate";
    case api::ValidationError::Kind::forbidden: return "FieldValueForbidden";
    case api::ValidationError::Kind::not_found: return "FieldValueNotFound";
    case api::ValidationError::Kind::too_long: return "FieldValueTooLong";
    case api::ValidationError::Kind::too_many: return "FieldValueTooMany";
  }
  return "";
}

}  // namespace

ApiFailure failure(int code, std::string_view reason, std::string message) {
  ApiFailure out;
  out.mutable_metadata();
  out.set_status("Failure");
  out.set_message(std::move(message));
  out.set_reason(std::string(reason));
  out.set_code(code);
  return out;
}

ApiFailure not_found(const ApiKind& kind, const std::string& name) {
  return about(kind, name, failure(404, "NotFound", quoted(kind, name) + " not found"));
}

ApiFailure already_exists(const ApiKind& kind, const std::string& name) {
  return about(kind, name, failure(409, "AlreadyExists", quoted(kind, name) + " already exists"));
}

ApiFailure conflict(const ApiKind& kind, const std::string& name, std::string_view why) {
  return about(
      kind, name,
      failure(409, "Conflict", "Operation cannot be fulfilled on " + quoted(kind, name) + ": " + std::string(why)));
}

ApiFailure modified(const ApiKind& kind, const std::string& name) {
  return conflict(kind, name,
                  "the object has been modified; please apply your changes to the latest version and try again");
}

ApiFailure forbidden(const ApiKind& kind, const std::string& name, std::string_view why) {
  const std::string what = name.empty() ? kind.qualified() : quoted(kind, name);
  return about(kind, name, failure(403, "Forbidden", what + " is forbidden: " + std::string(why)));
}

ApiFailure invalid(const ApiKind& kind, const std::string& name, const std::vector<api::ValidationError>& errors) {
  std::string what = kind.kind;
  if (!kind.resource.group.empty()) what.append(".").append(kind.resource.group);
  ApiFailure out = failure(422, "Invalid", what + " \"" + name + "\" is invalid: " + api::join_messages(errors));
  out = about(kind, name, std::move(out));
  out.mutable_details()->set_kind(kind.kind);
  for (const auto& error : errors) {
    auto& cause = *out.mutable_details()->add_causes();
    cause.set_reason(std::string(cause_of(error.kind)));
    const std::string text = error.message();
    const bool with_path = text.size() > error.path.size() + 2 && text.starts_with(error.path);
    cause.set_message(with_path ? text.substr(error.path.size() + 2) : text);
    cause.set_field(error.path);
  }
  return out;
}

ApiFailure bad_request(std::string message) { return failure(400, "BadRequest", std::move(message)); }

ApiFailure expired(std::string message) { return failure(410, "Expired", std::move(message)); }

ApiFailure too_large_version(std::uint64_t asked, std::uint64_t current) {
  ApiFailure out = failure(
      504, "Timeout", "Too large resource version: " + std::to_string(asked) + ", current: " + std::to_string(current));
  auto& cause = *out.mutable_details()->add_causes();
  cause.set_reason("ResourceVersionTooLarge");
  cause.set_message("Too large resource version");
  out.mutable_details()->set_retryafterseconds(1);
  return out;
}

ApiFailure no_such_path() {
  ApiFailure out = failure(404, "NotFound", "the server could not find the requested resource");
  out.mutable_details();
  return out;
}

ApiFailure method_not_allowed() {
  ApiFailure out = failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
  out.mutable_details();
  return out;
}

ApiFailure plain_failure(int code, int retry_after) {
  struct Row {
    int code;
    const char* reason;
    const char* message;
  };
  static constexpr Row kRows[] = {
      {400, "BadRequest", "the server rejected our request for an unknown reason"},
      {401, "Unauthorized", "Unauthorized"},
      {403, "Forbidden", "forbidden"},
      {404, "NotFound", "the server could not find the requested resource"},
      {409, "Conflict", "the server reported a conflict"},
      {410, "Expired", "The resourceVersion for the provided watch is too old."},
      {429, "TooManyRequests", "Too many requests, please try again later."},
      {500, "InternalError", "Internal error occurred: etcdserver: request timed out"},
      {503, "ServiceUnavailable", "the server is currently unable to handle the request"},
      {504, "Timeout", "Timeout: request did not complete within the allotted timeout"},
  };
  ApiFailure out = failure(code, "", "an error on the server has prevented the request from succeeding");
  for (const Row& row : kRows) {
    if (row.code != code) continue;
    out.set_reason(row.reason);
    out.set_message(row.message);
  }
  if (retry_after > 0) out.mutable_details()->set_retryafterseconds(retry_after);
  return out;
}

Error to_error(const ApiFailure& failure) {
  ErrorKind kind = ErrorKind::internal;
  switch (failure.code()) {
    case 400:
    case 422: kind = ErrorKind::invalid; break;
    case 401:
    case 403: kind = ErrorKind::permission_denied; break;
    case 404: kind = ErrorKind::not_found; break;
    case 409: kind = failure.reason() == "AlreadyExists" ? ErrorKind::already_exists : ErrorKind::conflict; break;
    case 410: kind = ErrorKind::conflict; break;
    case 429:
    case 503: kind = ErrorKind::unavailable; break;
    default: break;
  }
  return Error(kind, failure.message(), failure.code());
}

}  // namespace keelson::fakes
