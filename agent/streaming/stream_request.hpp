// What a request for exec, attach, port-forward or run asks for: path, query, upgrade.
//
// Pure functions, any thread. What fails is `invalid` with the kubelet's text, which is the body of the 400.
// Source: contract 05 §6 (/run), §9.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/server/message.hpp"
#include "base/result.hpp"
#include "cri-client/streaming.hpp"

namespace keelson::streaming {

struct StreamPath {
  std::string ns;
  std::string pod;
  std::string uid;  // empty: none was given
  std::string container;

  bool operator==(const StreamPath&) const = default;
};

// Of "/exec/NS/POD[/UID]/CONTAINER", "/attach/..." and "/run/..."; nullopt: the path is no such.
std::optional<StreamPath> container_path(std::string_view path);
// Of "/portForward/NS/POD[/UID]".
std::optional<StreamPath> pod_path(std::string_view path);

// input, output, error, tty: on when they are exactly "1". With a terminal there is no standard error of its own.
Result<cri::Streams> stream_options(const server::Request& request);
std::vector<std::string> exec_command(const server::Request& request);
// `cmd`, split at single spaces, as /run takes it.
std::vector<std::string> run_command(const server::Request& request);
// None for SPDY, which names them stream by stream; plain WebSocket needs some.
Result<std::vector<std::int32_t>> forward_ports(const server::Request& request);

bool is_upgrade(const server::Request& request);

}  // namespace keelson::streaming
