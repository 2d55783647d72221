// peer_has_closed(): whether who is at the other end of a TCP connection, on this machine, has closed it, although what
// he had sent before is still on its way.
//
// The end of a stream is seen behind its last byte only, and a connection that was closed is reset by whatever is sent
// to it, with all that has not come over yet. Asks the kernel of the other end's socket; some microseconds, any thread.
// What fails: nothing; where the kernel cannot be asked (another machine, no INET_DIAG), nobody has closed anything.
// Source: sock_diag(7), linux/inet_diag.h.
#pragma once

namespace keelson::streaming {

bool peer_has_closed(int socket);

}  // namespace keelson::streaming
