// Requests that an API server hands on to the node's own port: logs, exec, attach, port-forward, and the node's proxy.
//
// Pure, any thread. Source: the API's paths of pods' subresources.
#pragma once

#include <string_view>

namespace keelson::fakes::server {

bool is_node_stream(std::string_view target);

}  // namespace keelson::fakes::server
