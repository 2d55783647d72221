#include "probes/grpc_message.hpp"

#include <iterator>

#include "base/grpc.hpp"

namespace keelson::probes {
namespace {

constexpr const char* kCodes[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

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

}  // namespace

std::string encode_health_request(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += '\x0a';  // field 1, a string
    put_varint(message, service.size());
    message += service;
  }
  return base::grpc_prefix(message.size()) + message;
}

std::optional<std::uint64_t> decode_health_response(std::string_view data) {
  const auto prefix = base::read_grpc_prefix(data);
  if (!prefix || prefix->compressed) return std::nullopt;
  data.remove_prefix(base::kGrpcPrefixSize);
  if (prefix->size > data.size()) return std::nullopt;
  data = data.substr(0, prefix->size);
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

}  // namespace keelson::probes
