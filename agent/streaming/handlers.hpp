// The handlers of /exec, /attach, /portForward and /run, with and without a UID in the path.
//
// The first three ask the runtime for a URL and leave the rest to the UpgradeProxy; /run executes the command and
// answers with its output. Checks and texts are the kubelet's, in its order: the query (400), the pod (404), the
// container (500), the runtime (by its error). Owner: agent/wiring, for as long as the server may call them. Thread:
// the loop. Stops: a handler's task by its cancellation, which cancels its call to the runtime. Source: contract 05 §6
// (/run), §9.1.
#pragma once

#include "agent/server/message.hpp"
#include "agent/streaming/stream_source.hpp"
#include "agent/streaming/upgrade_proxy.hpp"
#include "base/counters.hpp"
#include "cri-client/runtime.hpp"
#include "cri-client/streaming.hpp"

namespace keelson::streaming {

// What they work with; all of it outlives them.
struct StreamingParts {
  StreamSource& source;
  cri::StreamingService& runtime;
  UpgradeProxy& proxy;
  base::CountsBy<1>& websockets;  // that were asked for, by subresource
};

class ExecHandler final : public server::Handler {
 public:
  explicit ExecHandler(StreamingParts parts) : parts_(parts) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  StreamingParts parts_;
};

class AttachHandler final : public server::Handler {
 public:
  explicit AttachHandler(StreamingParts parts) : parts_(parts) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  StreamingParts parts_;
};

class PortForwardHandler final : public server::Handler {
 public:
  explicit PortForwardHandler(StreamingParts parts) : parts_(parts) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  StreamingParts parts_;
};

class RunHandler final : public server::Handler {
 public:
  RunHandler(StreamSource& source, cri::RuntimeService& runtime) : source_(source), runtime_(runtime) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  StreamSource& source_;
  cri::RuntimeService& runtime_;
};

}  // namespace keelson::streaming
