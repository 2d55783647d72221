#include "agent/streaming/stream_request.hpp"

#include <algorithm>
#include <cctype>

#include "agent/server/websocket_token.hpp"
#include "base/go_text.hpp"

namespace keelson::streaming {
namespace {

constexpr std::string_view kPort = "port";
constexpr std::uint32_t kLargestPort = 65535;

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// What follows the first segment; none when one of them is empty. A slash at the end says nothing.
std::vector<std::string> names_in(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  if (!path.starts_with('/')) return {};
  auto parts = split(path.substr(1), '/');
  parts.erase(parts.begin());
  const bool hole = std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); });
  return hole ? std::vector<std::string>() : parts;
}

bool is_on(const server::Request& request, std::string_view key) { return request.query_value(key) == "1"; }

Error bad(std::string text) { return Error(ErrorKind::invalid, std::move(text)); }

// In the words of Go's strconv.ParseUint; `all` is the whole value of the query, which may name several.
Result<std::int32_t> parse_port(const std::string& text, const std::string& all) {
  const auto refused = [&](const char* why) {
    return bad("unable to parse " + base::go_quote(all) + " as a port: strconv.ParseUint: parsing " +
               base::go_quote(text) + ": " + why);
  };
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || !digits) return refused("invalid syntax");
  std::uint32_t port = 0;
  for (const char c : text) {
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
    if (port > kLargestPort) return refused("value out of range");
  }
  if (port == 0) return bad("port " + base::go_quote(all) + " must be > 0");
  return static_cast<std::int32_t>(port);
}

}  // namespace

std::optional<StreamPath> container_path(std::string_view path) {
  auto names = names_in(path);
  if (names.size() != 3 && names.size() != 4) return std::nullopt;
  StreamPath out;
  out.ns = names[0];
  out.pod = names[1];
  if (names.size() == 4) out.uid = names[2];
  out.container = names.back();
  return out;
}

std::optional<StreamPath> pod_path(std::string_view path) {
  auto names = names_in(path);
  if (names.size() != 2 && names.size() != 3) return std::nullopt;
  StreamPath out;
  out.ns = names[0];
  out.pod = names[1];
  if (names.size() == 3) out.uid = names[2];
  return out;
}

Result<cri::Streams> stream_options(const server::Request& request) {
  cri::Streams streams;
  streams.tty = is_on(request, "tty");
  streams.in = is_on(request, "input");
  streams.out = is_on(request, "output");
  streams.err = is_on(request, "error") && !streams.tty;
  if (!streams.in && !streams.out && !streams.err) {
    return bad("you must specify at least 1 of stdin, stdout, stderr");
  }
  return streams;
}

std::vector<std::string> exec_command(const server::Request& request) { return request.query_values("command"); }

std::vector<std::string> run_command(const server::Request& request) {
  const auto command = request.query_value("cmd");
  return split(command ? *command : std::string_view(), ' ');
}

Result<std::vector<std::int32_t>> forward_ports(const server::Request& request) {
  std::vector<std::int32_t> ports;
  if (!server::is_websocket(request.headers)) return ports;
  const auto values = request.query_values(kPort);
  if (values.empty()) return bad("query parameter \"port\" is required");
  for (const auto& value : values) {
    if (value.empty()) return bad("query parameter \"port\" cannot be empty");
    for (const auto& text : split(value, ',')) {
      const auto port = parse_port(text, value);
      if (!port.ok()) return port.error();
      ports.push_back(*port);
    }
  }
  return ports;
}

bool is_upgrade(const server::Request& request) {
  return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
    return server::same_name(header.first, "Connection") && lower(header.second).find("upgrade") != std::string::npos;
  });
}

}  // namespace keelson::streaming
