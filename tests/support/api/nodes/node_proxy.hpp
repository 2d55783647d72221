// NodeProxy: hands logs, exec, attach, port-forward and the node's proxy on to the node's port, as kube-apiserver does.
//
// It is to the node the user kube-apiserver-kubelet-client of group system:masters, by a certificate of the cluster's
// CA; the node's own certificate is not looked at, as by default there. Upgrades (SPDY, WebSocket) go through as they
// are: nothing is translated, so kubectl must be told to speak SPDY (KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false,
// KUBECTL_PORT_FORWARD_WEBSOCKETS=false). Who may read the pod may use it. Owner: the fake API server's program.
// Thread: the loop. Stops: stop(), before the server's. What fails is answered as the API server does. Source: contract
// 05 §8, §9.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/streaming/upgrade_proxy.hpp"
#include "base/blocking_pool.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/http_transport.hpp"
#include "tests/support/api/fake_api_server.hpp"
#include "tests/support/api/node_request.hpp"
#include "tests/support/api/node_streams.hpp"

namespace keelson::fakes {

class NodeProxy final : public NodeStreams {
 public:
  NodeProxy(base::Loop& loop, base::Clock& clock, ApiHandler& api, const FakeCa& ca);
  ~NodeProxy() override;

  base::Task<ApiAnswer> answer(ApiRequest request) override;
  base::Task<void> upgrade(ApiRequest request, ::keelson::server::Reply& client) override;
  base::Task<void> stop();

 private:
  struct Place {
    std::string url;     // of the node
    std::string target;  // path and query there
    ApiAnswer refusal;   // what to say when `url` is empty
  };
  class Identity;

  base::Task<Place> find(ApiRequest request);
  base::Task<ApiAnswer> get(std::string path, ApiUser user);
  kube::HttpTransport& transport_to(const std::string& url);

  base::Loop& loop_;
  base::Clock& clock_;
  ApiHandler& api_;
  base::BlockingPool pool_;
  std::unique_ptr<Identity> identity_;
  std::unique_ptr<streaming::UpgradeProxy> proxy_;
  std::map<std::string, std::unique_ptr<kube::HttpTransport>> transports_;  // by URL
};

}  // namespace keelson::fakes
