// Endpoint: where a container runtime listens, as users write it, and what is wrong when it cannot be reached.
//
// Pure functions but diagnose(), which makes local, non-blocking system calls only. Any thread.
// Source: contract 02 §1 (unix sockets only; a bare path is taken as a unix socket).
#pragma once

#include <string>

#include "base/result.hpp"

namespace keelson::cri {

// `unix:///run/x.sock`, `unix:/run/x.sock` or `/run/x.sock` -> "/run/x.sock". Anything else is `invalid` and says what
// was expected. As in every URL, %XX stands for a byte and what follows `?` or `#` is no part of the path.
Result<std::string> socket_path(const std::string& endpoint);

// One line on why the socket at `path` gives no answer: absent, no socket, no permission, refused, or listening but not
// speaking gRPC.
std::string diagnose(const std::string& path);

}  // namespace keelson::cri
