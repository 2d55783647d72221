#include "base/grpc.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/go_text.hpp"

namespace keelson::base {
namespace {

// By RFC 9113 §7.
constexpr const char* kHttp2Errors[] = {"NO_ERROR",
                                        "PROTOCOL_ERROR",
                                        "INTERNAL_ERROR",
                                        "FLOW_CONTROL_ERROR",
                                        "SETTINGS_TIMEOUT",
                                        "STREAM_CLOSED",
                                        "FRAME_SIZE_ERROR",
                                        "REFUSED_STREAM",
                                        "CANCEL",
                                        "COMPRESSION_ERROR",
                                        "CONNECT_ERROR",
                                        "ENHANCE_YOUR_CALM",
                                        "INADEQUATE_SECURITY",
                                        "HTTP_1_1_REQUIRED"};

struct HttpStatus {
  int status;
  const char* name;
};
constexpr HttpStatus kHttpStatuses[] = {{200, "OK"},
                                        {301, "Moved Permanently"},
                                        {302, "Found"},
                                        {400, "Bad Request"},
                                        {401, "Unauthorized"},
                                        {403, "Forbidden"},
                                        {404, "Not Found"},
                                        {405, "Method Not Allowed"},
                                        {415, "Unsupported Media Type"},
                                        {429, "Too Many Requests"},
                                        {500, "Internal Server Error"},
                                        {501, "Not Implemented"},
                                        {502, "Bad Gateway"},
                                        {503, "Service Unavailable"},
                                        {504, "Gateway Timeout"}};

int code_of_http(int status) {
  switch (status) {
    case 400: return kGrpcInternal;
    case 401: return kGrpcUnauthenticated;
    case 403: return kGrpcPermissionDenied;
    case 404: return kGrpcUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return kGrpcUnavailable;
    default: return kGrpcUnknown;
  }
}

int code_of_reset(std::uint32_t http2_error) {
  switch (http2_error) {
    case 3:  // FLOW_CONTROL_ERROR
    case 11: return kGrpcResourceExhausted;
    case kHttp2RefusedStream: return kGrpcUnavailable;
    case kHttp2Cancel: return kGrpcCanceled;
    case 12: return kGrpcPermissionDenied;
    default: return http2_error < std::size(kHttp2Errors) ? kGrpcInternal : kGrpcUnknown;
  }
}

std::string name_of_reset(std::uint32_t http2_error) {
  if (http2_error < std::size(kHttp2Errors)) return kHttp2Errors[http2_error];
  return "unknown error code " + std::to_string(http2_error);
}

// "404 (Not Found)".
std::string name_of_http(int status) {
  std::string text = std::to_string(status) + " (";
  for (const HttpStatus& row : kHttpStatuses) {
    if (row.status == status) text += row.name;
  }
  return text + ")";
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// grpc-message is percent-encoded.
std::string decode_message(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && text.size() - i > 2 && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Digits alone; anything else is a status that nobody knows.
int number_of(std::string_view text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0 ? out : static_cast<int>(kGrpcUnknown);
}

}  // namespace

std::string grpc_prefix(std::size_t message_size) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message_size >> shift);
  return out;
}

std::optional<GrpcPrefix> read_grpc_prefix(std::string_view data) {
  if (data.size() < kGrpcPrefixSize) return std::nullopt;
  GrpcPrefix out;
  out.compressed = data[0] != '\0';
  for (std::size_t i = 1; i < kGrpcPrefixSize; ++i) out.size = out.size << 8 | static_cast<unsigned char>(data[i]);
  return out;
}

std::string grpc_timeout(Duration left) {
  // At most eight digits, and rounded up: the server must not be the first to give up.
  constexpr std::int64_t kMost = 99'999'999;
  const std::int64_t microseconds =
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::microseconds>(left).count());
  if (microseconds <= kMost) return std::to_string(microseconds) + "u";
  const std::int64_t milliseconds = (microseconds + 999) / 1000;
  if (milliseconds <= kMost) return std::to_string(milliseconds) + "m";
  return std::to_string(std::min<std::int64_t>((milliseconds + 999) / 1000, kMost)) + "S";
}

void GrpcEnd::header(std::string_view name, std::string_view value) {
  if (name == ":status") http_status_ = number_of(value);
  if (name == "content-type") content_type_ = std::string(value);
  if (name == "grpc-status") status_ = number_of(value);
  if (name == "grpc-message") message_ = decode_message(value);
}

bool GrpcEnd::is_grpc() const {
  return http_status_ == 200 && content_type_ && content_type_->starts_with("application/grpc");
}

int GrpcEnd::code() const {
  if (status_) return *status_;
  if (reset_ != 0) return code_of_reset(reset_);
  if (http_status_ != 200) return code_of_http(http_status_);
  return is_grpc() ? kGrpcInternal : kGrpcUnknown;
}

std::string GrpcEnd::message() const {
  if (status_) return message_;
  if (reset_ != 0) return "stream terminated by RST_STREAM with error code: " + name_of_reset(reset_);
  if (is_grpc()) return "server closed the stream without sending trailers";
  std::string text = "unexpected HTTP status code received from server: " + name_of_http(http_status_);
  if (!content_type_) return text + "; malformed header: missing HTTP content-type";
  if (content_type_->starts_with("application/grpc")) return text;
  return text + "; transport: received unexpected content-type " + go_quote(*content_type_);
}

}  // namespace keelson::base
