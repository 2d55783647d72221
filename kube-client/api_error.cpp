#include "kube-client/api_error.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "api/envelope.hpp"

namespace keelson::kube {
namespace {

constexpr int kGone = 410;
constexpr std::size_t kLongestText = 512;

struct KindRow {
  int http_status;
  ErrorKind kind;
};

constexpr std::array kKinds = {
    KindRow{401, ErrorKind::permission_denied}, KindRow{403, ErrorKind::permission_denied},
    KindRow{404, ErrorKind::not_found},         KindRow{405, ErrorKind::unimplemented},
    KindRow{408, ErrorKind::deadline_exceeded}, KindRow{409, ErrorKind::conflict},
    KindRow{410, ErrorKind::conflict},          KindRow{429, ErrorKind::unavailable},
    KindRow{504, ErrorKind::deadline_exceeded},
};

// What a Status without a code means.
struct ReasonRow {
  std::string_view reason;
  int http_status;
};

constexpr std::array kReasons = {
    ReasonRow{"BadRequest", 400},
    ReasonRow{"Unauthorized", 401},
    ReasonRow{"Forbidden", 403},
    ReasonRow{"NotFound", 404},
    ReasonRow{"MethodNotAllowed", 405},
    ReasonRow{"NotAcceptable", 406},
    ReasonRow{"AlreadyExists", 409},
    ReasonRow{"Conflict", 409},
    ReasonRow{"Gone", 410},
    ReasonRow{"Expired", 410},
    ReasonRow{"RequestEntityTooLarge", 413},
    ReasonRow{"UnsupportedMediaType", 415},
    ReasonRow{"Invalid", 422},
    ReasonRow{"TooManyRequests", 429},
    ReasonRow{"InternalError", 500},
    ReasonRow{"ServerTimeout", 500},
    ReasonRow{"ServiceUnavailable", 503},
    ReasonRow{"Timeout", 504},
};

ErrorKind kind_of(int http_status, std::string_view reason) {
  if (http_status == 409 && reason == "AlreadyExists") return ErrorKind::already_exists;
  for (const KindRow& row : kKinds) {
    if (row.http_status == http_status) return row.kind;
  }
  return http_status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid;
}

int code_of_reason(std::string_view reason) {
  for (const ReasonRow& row : kReasons) {
    if (row.reason == reason) return row.http_status;
  }
  return 500;
}

Error make(int http_status, std::string_view reason, std::string message) {
  if (reason == "Expired") http_status = kGone;
  if (message.empty()) {
    message = "the server answered " + std::to_string(http_status);
    if (!reason.empty()) message += " (" + std::string(reason) + ")";
  }
  return Error(kind_of(http_status, reason), std::move(message), http_status);
}

// The first line of what is no Status, such as a proxy's page.
std::string first_line(std::string_view body) {
  const std::size_t start = body.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return {};
  body = body.substr(start);
  std::string line(body.substr(0, std::min(body.find_first_of("\r\n"), kLongestText)));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

bool read_status(std::string_view body, api::meta::Status& status) {
  if (body.starts_with("k8s")) return api::decode_binary_into(body, status).ok();
  if (body.find('{') == std::string_view::npos || body.find("Status") == std::string_view::npos) return false;
  return api::decode_json_into(body, status).ok();
}

}  // namespace

Error error_of(int http_status, std::string_view body) {
  api::meta::Status status;
  if (read_status(body, status)) return make(http_status, status.reason(), status.message());
  const std::string text = first_line(body);
  if (text.empty() || text.starts_with("k8s")) return make(http_status, {}, {});
  return make(http_status, {}, "the server answered " + std::to_string(http_status) + ": " + text);
}

Error error_of(const api::meta::Status& status) {
  const int code = status.code() != 0 ? status.code() : code_of_reason(status.reason());
  return make(code, status.reason(), status.message());
}

bool is_expired(const Error& error) { return error.code() == kGone; }

bool is_too_new(const Error& error) { return error.message().find("Too large resource version") != std::string::npos; }

}  // namespace keelson::kube
