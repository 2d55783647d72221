// NodeStreams: what an API server hands on to a node's own port: logs, exec, attach, port-forward, and the node's
// proxy.
//
// FakeApiServer asks it for those paths (server_proxy.hpp) when its options name one; NodeProxy (nodes/node_proxy.hpp)
// is the real one. Owner: whoever owns the server; outlives it. Thread: the loop. Source: the API's paths of pods'
// subresources.
#pragma once

#include "agent/server/message.hpp"
#include "base/task.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::fakes {

class NodeStreams {
 public:
  virtual ~NodeStreams() = default;

  // A request that is no upgrade, of an authenticated user.
  virtual base::Task<ApiAnswer> answer(ApiRequest request) = 0;
  // An upgrade: answers by `client`, or takes the connection over and returns when it is done with it.
  virtual base::Task<void> upgrade(ApiRequest request, ::keelson::server::Reply& client) = 0;
};

}  // namespace keelson::fakes
