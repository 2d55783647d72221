#include "tests/support/api/nodes/node_proxy.hpp"

#include <utility>

#include "kube-client/tls.hpp"
#include "kube-client/url.hpp"
#include "tests/support/api/server_internal.hpp"

namespace keelson::fakes {
namespace {

using nlohmann::json;

constexpr base::Duration kHeadLimit = std::chrono::seconds(30);

kube::Identity issue(const FakeCa& ca) {
  CertificateWish wish;
  wish.common_name = "kube-apiserver-kubelet-client";
  wish.organizations = {"system:masters"};
  return ca.issue(wish);
}

kube::TlsContext context_with(const kube::Identity& identity) {
  kube::TlsSettings settings;
  settings.insecure = true;
  settings.identity = identity;
  auto context = kube::make_tls_context(settings);
  KEELSON_CHECK(context.ok() && "our own certificate");
  return *context;
}

std::string reason_of(int status) {
  switch (status) {
    case 400: return "BadRequest";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "NotFound";
    case 429: return "TooManyRequests";
    default: return "InternalError";
  }
}

ApiAnswer failed(int status, const std::string& message) {
  return server::status_answer(status, reason_of(status), message);
}

bool is_hop_by_hop(const std::string& name) {
  return name == "connection" || name == "transfer-encoding" || name == "content-length" || name == "date";
}

class NodeBody final : public ApiStream {
 public:
  explicit NodeBody(std::unique_ptr<kube::HttpStream> stream) : stream_(std::move(stream)) {}
  base::Task<Result<std::string>> next() override { return stream_->read(); }

 private:
  std::unique_ptr<kube::HttpStream> stream_;
};

base::Task<std::string> read_all(ApiStream* stream, std::string begin) {
  while (stream != nullptr) {
    auto piece = co_await stream->next();
    if (!piece.ok() || piece->empty()) break;
    begin += *piece;
  }
  co_return begin;
}

::keelson::server::Request to_node(ApiRequest request, const std::string& target) {
  ::keelson::server::Request out;
  out.method = request.method;
  out.target = target;
  out.path = target.substr(0, target.find('?'));
  for (auto& [name, value] : request.headers) out.headers.emplace_back(name, value);
  out.body = std::move(request.body);
  return out;
}

::keelson::server::Response to_client(ApiAnswer answer) {
  ::keelson::server::Response out;
  out.status = answer.status;
  for (auto& [name, value] : answer.headers) out.headers.emplace_back(name, value);
  out.body = std::move(answer.body);
  return out;
}

}  // namespace

class NodeProxy::Identity final : public kube::Credentials {
 public:
  explicit Identity(const FakeCa& ca) : identity_(issue(ca)) {}
  std::optional<kube::Identity> identity() override { return identity_; }
  base::Task<Result<std::string>> authorization() override { co_return std::string(); }
  void rejected() override {}
  void on_identity_change(std::function<void()>) override {}

 private:
  kube::Identity identity_;
};

NodeProxy::NodeProxy(base::Loop& loop, base::Clock& clock, ApiHandler& api, const FakeCa& ca)
    : loop_(loop), clock_(clock), api_(api), pool_(loop, clock, 1), identity_(std::make_unique<Identity>(ca)) {
  proxy_ = std::make_unique<streaming::UpgradeProxy>(loop, clock, pool_, base::Logger(), streaming::ProxyLimits(),
                                                     context_with(*identity_->identity()));
}
NodeProxy::~NodeProxy() = default;

base::Task<ApiAnswer> NodeProxy::get(std::string path, ApiUser user) {
  ApiRequest request;
  request.method = "GET";
  request.target = std::move(path);
  request.headers.emplace_back("accept", "application/json");
  request.user = std::move(user);
  ApiAnswer answer = co_await api_.handle(std::move(request));
  answer.body = co_await read_all(answer.stream.get(), std::move(answer.body));
  answer.stream.reset();
  co_return answer;
}

base::Task<NodeProxy::Place> NodeProxy::find(ApiRequest request) {
  Place place;
  const NodeRequest wanted = parse_node_request(request.target);
  std::string node = wanted.node;
  json pod;
  if (node.empty()) {
    place.refusal = co_await get("/api/v1/namespaces/" + wanted.ns + "/pods/" + wanted.pod, request.user);
    if (place.refusal.status != 200) co_return place;
    pod = json::parse(place.refusal.body, nullptr, false);
    node = pod.value(json::json_pointer("/spec/nodeName"), "");
  }
  const auto target = node_target(wanted, pod);
  if (!target.ok() || node.empty()) {
    place.refusal =
        failed(400, target.ok() ? "pod " + wanted.pod + " does not have a host assigned" : target.error().message());
    co_return place;
  }
  place.refusal = co_await get("/api/v1/nodes/" + node, request.user);
  if (place.refusal.status != 200) co_return place;
  const auto url = node_url(json::parse(place.refusal.body, nullptr, false));
  if (url.ok()) {
    place.url = *url;
    place.target = *target;
  } else {
    place.refusal = failed(500, url.error().message());
  }
  co_return place;
}

kube::HttpTransport& NodeProxy::transport_to(const std::string& url) {
  auto& transport = transports_[url];
  if (transport == nullptr) {
    const auto parts = kube::parse_url(url);
    kube::Endpoint endpoint;
    endpoint.host = parts->host;
    endpoint.port = parts->port;
    endpoint.insecure = true;
    endpoint.compression = false;
    transport = std::make_unique<kube::HttpTransport>(loop_, clock_, pool_, std::move(endpoint), *identity_,
                                                      "kube-apiserver/v1.36", base::Logger());
  }
  return *transport;
}

base::Task<ApiAnswer> NodeProxy::answer(ApiRequest request) {
  Place place = co_await find(request);
  if (place.url.empty()) co_return std::move(place.refusal);
  kube::HttpRequest wanted;
  wanted.method = request.method;
  wanted.target = place.target;
  for (const auto& [name, value] : request.headers) {
    if (name == "accept" || name == "content-type") wanted.headers.emplace_back(name, value);
  }
  wanted.body = std::move(request.body);
  auto opened = co_await transport_to(place.url).open(std::move(wanted), kHeadLimit);
  if (!opened.ok()) co_return failed(500, "error dialing backend: " + opened.error().to_string());
  const int status = (*opened)->status();
  kube::Headers headers;
  for (const auto& [name, value] : (*opened)->headers()) {
    if (!is_hop_by_hop(name)) headers.emplace_back(name, value);
  }
  ApiAnswer out;
  out.stream = std::make_unique<NodeBody>(std::move(*opened));
  const bool proxied = !parse_node_request(request.target).node.empty();
  if (status >= 400 && !proxied) {
    const std::string text = co_await read_all(out.stream.get(), "");
    co_return failed(status, text);
  }
  out.status = status;
  out.headers = std::move(headers);
  if (kube::find_header(out.headers, "content-type") == nullptr) out.headers.emplace_back("content-type", "text/plain");
  co_return out;
}

base::Task<void> NodeProxy::upgrade(ApiRequest request, ::keelson::server::Reply& client) {
  Place place = co_await find(request);
  if (place.url.empty()) {
    auto refusal = to_client(std::move(place.refusal));
    (void)co_await client.send(std::move(refusal));
    co_return;
  }
  const auto wanted = to_node(std::move(request), place.target);
  co_await proxy_->forward(wanted, client, place.url + place.target);
}

base::Task<void> NodeProxy::stop() {
  co_await proxy_->stop();
  for (auto& [url, transport] : transports_) co_await transport->stop();
}

}  // namespace keelson::fakes
