#include "cri-client/endpoint.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/file.hpp"

namespace keelson::cri {

namespace {

constexpr std::size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;

Error bad_endpoint(const std::string& endpoint, const std::string& why) {
  return Error(ErrorKind::invalid,
               "container runtime endpoint \"" + endpoint + "\": " + why + "; expected unix:///absolute/path.sock");
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool percent_decode(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return false;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

// The scheme of a URL, empty when there is none: letters, digits, +, -, . before the first colon.
std::string_view scheme_of(std::string_view url) {
  for (std::size_t i = 0; i < url.size(); ++i) {
    const auto c = static_cast<unsigned char>(url[i]);
    if (c == ':') return url.substr(0, i);
    const bool allowed = std::isalpha(c) || (i > 0 && (std::isdigit(c) || c == '+' || c == '-' || c == '.'));
    if (!allowed) return {};
  }
  return {};
}

}  // namespace

Result<std::string> socket_path(const std::string& endpoint) {
  if (endpoint.empty()) return bad_endpoint(endpoint, "it is empty");
  std::string_view rest = endpoint;
  const std::string_view scheme = scheme_of(rest);
  if (!scheme.empty()) {
    if (scheme != "unix")
      return bad_endpoint(endpoint, "\"" + std::string(scheme) + "\" is not supported, only unix sockets");
    rest.remove_prefix(scheme.size() + 1);
    if (rest.substr(0, 2) == "//") {
      rest.remove_prefix(2);
      const auto slash = rest.find('/');
      if (slash == std::string_view::npos) return bad_endpoint(endpoint, "it has no path");
      if (slash != 0) return bad_endpoint(endpoint, "the path is not absolute");
    }
  }
  if (rest.substr(0, 1) != "/") return bad_endpoint(endpoint, "the path is not absolute");
  rest = rest.substr(0, rest.find_first_of("?#"));
  std::string path;
  if (!percent_decode(rest, path)) return bad_endpoint(endpoint, "a % is not followed by two hexadecimal digits");
  if (path.find('\0') != std::string::npos) return bad_endpoint(endpoint, "the path holds a zero byte");
  if (path.size() > kLongestPath) {
    return bad_endpoint(endpoint, "the path has " + std::to_string(path.size()) +
                                      " bytes, a unix socket's has at most " + std::to_string(kLongestPath));
  }
  return path;
}

std::string diagnose(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return "there is no socket at " + path + ": is the container runtime running?";
    return "cannot look at " + path + ": " + std::strerror(errno);
  }
  if (!S_ISSOCK(info.st_mode)) return path + " is not a socket";
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::string("cannot make a socket: ") + std::strerror(errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > kLongestPath) return path + " is too long for a unix socket";
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return path + " accepts connections but does not answer as a container runtime (gRPC) does";
  }
  if (errno == ECONNREFUSED) return path + " refuses connections: nothing listens on it";
  if (errno == EAGAIN) return path + " does not accept connections: its queue is full, the process behind it may hang";
  return "cannot connect to " + path + ": " + std::strerror(errno);
}

}  // namespace keelson::cri
