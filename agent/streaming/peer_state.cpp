#include "agent/streaming/peer_state.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/file.hpp"

namespace keelson::streaming {
namespace {

struct Question {
  nlmsghdr head{};
  inet_diag_req_v2 wanted{};
};

void put(const sockaddr_storage& address, __be16& port, __be32 (&place)[4]) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    port = v4.sin_port;
    std::memcpy(place, &v4.sin_addr, sizeof v4.sin_addr);
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    port = v6.sin6_port;
    std::memcpy(place, &v6.sin6_addr, sizeof v6.sin6_addr);
  }
}

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  return address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

// About the socket at the other end: seen from there `socket`'s peer is the source.
std::optional<Question> question_about_peer(int socket) {
  sockaddr_storage own{}, peer{};
  socklen_t own_size = sizeof own, peer_size = sizeof peer;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_size) != 0 ||
      ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0 || !is_loopback(peer)) {
    return std::nullopt;
  }
  Question out;
  out.head.nlmsg_len = sizeof out;
  out.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  out.head.nlmsg_flags = NLM_F_REQUEST;
  out.wanted.sdiag_family = static_cast<__u8>(peer.ss_family);
  out.wanted.sdiag_protocol = IPPROTO_TCP;
  out.wanted.idiag_states = ~0u;
  put(peer, out.wanted.id.idiag_sport, out.wanted.id.idiag_src);
  put(own, out.wanted.id.idiag_dport, out.wanted.id.idiag_dst);
  out.wanted.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  out.wanted.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return out;
}

// One that nobody holds any more, and that is on its way out: one that was not accepted yet has no holder either.
bool is_closed(const inet_diag_msg& told) {
  switch (told.idiag_state) {
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_TIME_WAIT:
    case TCP_CLOSE:
    case TCP_LAST_ACK:
    case TCP_CLOSING: return told.idiag_inode == 0;
    default: return false;
  }
}

}  // namespace

bool peer_has_closed(int socket) {
  const auto question = question_about_peer(socket);
  if (!question) return false;
  const base::UniqueFd kernel(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!kernel || ::send(kernel.get(), &*question, sizeof *question, 0) != static_cast<ssize_t>(sizeof *question)) {
    return false;
  }
  // It has answered by the time that send() comes back.
  alignas(nlmsghdr) char answer[1024];
  const ssize_t size = ::recv(kernel.get(), answer, sizeof answer, MSG_DONTWAIT);
  if (size < static_cast<ssize_t>(sizeof(nlmsghdr))) return false;
  nlmsghdr head;
  std::memcpy(&head, answer, sizeof head);
  if (head.nlmsg_type == NLMSG_ERROR && size >= static_cast<ssize_t>(NLMSG_LENGTH(sizeof(int)))) {
    int error = 0;
    std::memcpy(&error, answer + NLMSG_HDRLEN, sizeof error);
    return error == -ENOENT;  // there is no such socket any more
  }
  inet_diag_msg told;
  if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof told))) return false;
  std::memcpy(&told, answer + NLMSG_HDRLEN, sizeof told);
  return is_closed(told);
}

}  // namespace keelson::streaming
