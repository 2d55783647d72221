#include "agent/control/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

namespace http = boost::beast::http;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t answer_limit = 64u << 20;

Status wait_for(int fd, short events, SteadyClock::time_point deadline, const std::string& path) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
    if (left <= 0) {
      return Error(ErrorKind::deadline_exceeded, "the agent did not answer in time on " + path);
    }
    pollfd waited{.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&waited, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return errno_error("waiting for the agent on " + path, errno);
  }
}

Result<base::UniqueFd> connect_to(const std::string& path, SteadyClock::time_point deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error(ErrorKind::invalid, "socket path " + path + " is too long");
  path.copy(address.sun_path, path.size());
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket", errno);
  // A unix socket connects at once or not at all; EAGAIN means a full queue.
  while (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (error == ECONNREFUSED) return Error(ErrorKind::unavailable, "nobody listens on " + path, error);
    if (error != EAGAIN && error != EINTR) return errno_error("connecting to " + path, error);
    if (SteadyClock::now() >= deadline) {
      return Error(ErrorKind::deadline_exceeded, "the agent did not take our connection on " + path);
    }
    poll(nullptr, 0, 20);
  }
  return fd;
}

Status send_all(int fd, const std::string& text, SteadyClock::time_point deadline, const std::string& path) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    KEELSON_TRY(wait_for(fd, POLLOUT, deadline, path));
    const ssize_t n = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return errno_error("asking the agent on " + path, errno);
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  return {};
}

}  // namespace

Result<ControlReply> control_get(const std::string& path, const std::string& target, base::Duration limit) {
  const auto deadline = SteadyClock::now() + limit;
  auto fd = connect_to(path, deadline);
  if (!fd.ok()) return std::move(fd).error();
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: keelson\r\nConnection: close\r\n\r\n";
  KEELSON_TRY(send_all(fd->get(), request, deadline, path));

  http::response_parser<http::string_body> parser;
  parser.body_limit(answer_limit);
  std::string pending;
  std::array<char, 16384> chunk{};
  while (!parser.is_done()) {
    KEELSON_TRY(wait_for(fd->get(), POLLIN, deadline, path));
    const ssize_t n = recv(fd->get(), chunk.data(), chunk.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) return errno_error("reading the agent's answer on " + path, errno);
    if (n == 0) {
      return Error(ErrorKind::unavailable,
                   "the agent closed " + path + " without a whole answer; it may be busy or stopping");
    }
    pending.append(chunk.data(), static_cast<std::size_t>(n));
    parser.eager(true);
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(pending), error);
    pending.erase(0, used);
    if (error == http::error::need_more) continue;
    if (error) return Error(ErrorKind::invalid, "what answers on " + path + " is not the agent: " + error.message());
  }
  return ControlReply{static_cast<int>(parser.get().result_int()), parser.get().body()};
}

}  // namespace keelson::agent
