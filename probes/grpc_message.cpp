#include "probes/grpc_message.hpp"

#include <nghttp2/nghttp2.h>

#include <cctype>
#include <iterator>

namespace keelson::probes {
namespace {

constexpr const char* kCodes[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

constexpr int kCanceled = 1;
constexpr int kPermissionDenied = 7;
constexpr int kResourceExhausted = 8;
constexpr int kUnauthenticated = 16;

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::optional<std::uint64_t> take_varint(std::string_view& data) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !data.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(data.front());
    data.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// The value of a field is left out; false when it is cut off.
bool skip_field(std::string_view& data, unsigned wire_type) {
  std::uint64_t size = 0;
  switch (wire_type) {
    case 0: return take_varint(data).has_value();
    case 1: size = 8; break;
    case 2: {
      const auto length = take_varint(data);
      if (!length) return false;
      size = *length;
      break;
    }
    case 5: size = 4; break;
    default: return false;
  }
  if (size > data.size()) return false;
  data.remove_prefix(static_cast<std::size_t>(size));
  return true;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string encode_health_request(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += '\x0a';  // field 1, a string
    put_varint(message, service.size());
    message += service;
  }
  std::string out(1, '\0');  // not compressed
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message.size() >> shift);
  return out + message;
}

std::optional<std::uint64_t> decode_health_response(std::string_view data) {
  if (data.size() < 5 || data[0] != '\0') return std::nullopt;
  std::size_t size = 0;
  for (int i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(data[static_cast<std::size_t>(i)]);
  data.remove_prefix(5);
  if (size > data.size()) return std::nullopt;
  data = data.substr(0, size);
  std::uint64_t status = 0;
  while (!data.empty()) {
    const auto tag = take_varint(data);
    if (!tag) return std::nullopt;
    if (*tag != 8) {  // field 1, a number
      if (!skip_field(data, static_cast<unsigned>(*tag & 7))) return std::nullopt;
      continue;
    }
    const auto value = take_varint(data);
    if (!value) return std::nullopt;
    status = *value;
  }
  return status;
}

std::string health_status_name(std::uint64_t status) {
  constexpr const char* kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return status < std::size(kNames) ? kNames[status] : std::to_string(status);
}

std::string grpc_code_name(int code) {
  if (code >= 0 && code < static_cast<int>(std::size(kCodes))) return kCodes[code];
  return "Code(" + std::to_string(code) + ")";
}

int grpc_code_of_http(int status) {
  switch (status) {
    case 400: return kGrpcInternal;
    case 401: return kUnauthenticated;
    case 403: return kPermissionDenied;
    case 404: return kGrpcUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return kGrpcUnavailable;
    default: return kGrpcUnknown;
  }
}

int grpc_code_of_reset(std::uint32_t http2_error) {
  switch (http2_error) {
    case NGHTTP2_REFUSED_STREAM: return kGrpcUnavailable;
    case NGHTTP2_CANCEL: return kCanceled;
    case NGHTTP2_FLOW_CONTROL_ERROR:
    case NGHTTP2_ENHANCE_YOUR_CALM: return kResourceExhausted;
    case NGHTTP2_INADEQUATE_SECURITY: return kPermissionDenied;
    default: return kGrpcInternal;
  }
}

std::string decode_grpc_message(std::string_view text) {
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

std::string http_status_name(int status) {
  struct Row {
    int status;
    const char* name;
  };
  constexpr Row kNames[] = {{200, "OK"},
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
  std::string text = std::to_string(status) + " (";
  for (const Row& row : kNames) {
    if (row.status == status) text += row.name;
  }
  return text + ")";
}

}  // namespace keelson::probes
