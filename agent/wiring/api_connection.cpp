#include "agent/wiring/api_connection.hpp"

#include <cstdlib>

#include "kube-client/bootstrap.hpp"
#include "kube-client/certificate_manager.hpp"
#include "kube-client/configured_credentials.hpp"
#include "kube-client/environment_proxy.hpp"
#include "kube-client/kubeconfig.hpp"
#include "kube-client/signing_api.hpp"

namespace keelson::agent {
namespace {

constexpr auto kFirstCertificate = std::chrono::seconds(10);
constexpr auto kFirstCertificatePause = std::chrono::milliseconds(20);
constexpr auto kHeartbeatTimeout = std::chrono::seconds(10);

std::string user_agent(const std::string& version) {
#if defined(__x86_64__)
  constexpr const char* kArchitecture = "amd64";
#elif defined(__aarch64__)
  constexpr const char* kArchitecture = "arm64";
#else
  constexpr const char* kArchitecture = "unknown";
#endif
  return "kubelet/" + version + " (linux/" + kArchitecture + ") kubernetes/unknown";
}

kube::ClientOptions limited(std::int32_t qps, std::int32_t burst, const config::KubeletConfiguration& kubelet) {
  kube::ClientOptions options;
  // Zero falls to the client library's own limits (contract 01 §2.5).
  options.qps = qps > 0 ? qps : 5;
  options.burst = burst > 0 ? burst : 10;
  options.protobuf = kubelet.content_type.find("protobuf") != std::string::npos;
  return options;
}

kube::ClientOptions heartbeat_options(const config::KubeletConfiguration& kubelet) {
  kube::ClientOptions options = limited(1, 1, kubelet);
  options.qps = 0;
  options.timeout = std::min<base::Duration>(kubelet.node_status_update_frequency,
                                             std::chrono::seconds(kubelet.node_lease_duration_seconds));
  if (options.timeout <= base::Duration::zero()) options.timeout = kHeartbeatTimeout;
  options.timeout_in_query = true;
  return options;
}

// The managed certificate, and whatever else the kubeconfig says (a token).
class ManagedCredentials final : public kube::Credentials {
 public:
  ManagedCredentials(kube::CertificateManager& manager, std::unique_ptr<kube::StartedCredentials> configured)
      : manager_(manager), configured_(std::move(configured)) {}

  void start(base::Gate& gate) {
    if (configured_) configured_->start(gate);
  }
  std::optional<kube::Identity> identity() override {
    auto own = manager_.identity();
    return own || !configured_ ? own : configured_->identity();
  }
  base::Task<Result<std::string>> authorization() override {
    return configured_ ? configured_->authorization() : manager_.authorization();
  }
  void rejected() override {
    if (configured_) configured_->rejected();
  }
  void on_identity_change(std::function<void()> listener) override {
    if (configured_) configured_->on_identity_change(listener);
    manager_.on_identity_change(std::move(listener));
  }

 private:
  kube::CertificateManager& manager_;
  std::unique_ptr<kube::StartedCredentials> configured_;
};

bool has_more_than_certificate(const kube::UserConfig& user) {
  return !user.token.empty() || !user.token_file.empty() || !user.username.empty() || user.exec.has_value();
}

}  // namespace

// A second way in, with the bootstrap credentials, until there is a certificate of our own.
struct BootstrapWay {
  BootstrapWay(const ApiConnection::Base& base, const kube::KubeConfig& config, const std::string& agent)
      : credentials(kube::make_credentials(base.loop, base.clock, config.user, kube::process_environment(), base.log)),
        transport(base.loop, base.clock, base.pool, config.endpoint, *credentials, agent, base.log),
        client(base.loop, base.clock, transport, limited(5, 10, base.configuration.kubelet), base.log),
        signing(client, base.random, base.log) {}

  std::unique_ptr<kube::StartedCredentials> credentials;
  kube::HttpTransport transport;
  kube::Client client;
  kube::KubeSigningApi signing;
};

struct ApiConnection::Parts {
  Parts(const Base& given, kube::Start given_start)
      : base(given), start(std::move(given_start)), agent(user_agent(base.configuration.reported_version)) {}

  bool joins() const { return start.action != kube::StartAction::use_kubeconfig; }
  Status make_credentials(std::function<void()> certificate_lost);
  Status make_manager(std::function<void()> certificate_lost);
  void make_clients();

  Base base;
  kube::Start start;
  std::string agent;
  std::string server;
  std::unique_ptr<kube::StartedCredentials> configured;
  std::unique_ptr<kube::CertificateManager> manager;
  std::unique_ptr<ManagedCredentials> managed;
  std::unique_ptr<kube::HttpTransport> transport;
  std::unique_ptr<kube::Client> main;
  std::unique_ptr<kube::Client> events;
  std::unique_ptr<kube::Client> heartbeat;
  std::unique_ptr<kube::Client> lease;
  std::unique_ptr<kube::Client> reviews;
  std::unique_ptr<kube::KubeSigningApi> signing;
  std::unique_ptr<BootstrapWay> bootstrap;
};

Status ApiConnection::Parts::make_manager(std::function<void()> certificate_lost) {
  const kube::UserConfig& user = start.config.user;
  kube::CertificateStore store = kube::client_store(start, base.configuration.flags.cert_dir);
  kube::CertificatePurpose purpose = kube::client_purpose(start, base.node_name);
  purpose.lost = std::move(certificate_lost);
  purpose.replaceable = joins();
  manager = std::make_unique<kube::CertificateManager>(base.loop, base.clock, base.random, std::move(store),
                                                       std::move(purpose), base.log);
  KEELSON_TRY(manager->load().wrap("while loading the client certificate"));
  std::unique_ptr<kube::StartedCredentials> more;
  if (!joins() && has_more_than_certificate(user)) {
    more = kube::make_credentials(base.loop, base.clock, user, kube::process_environment(), base.log);
  }
  managed = std::make_unique<ManagedCredentials>(*manager, std::move(more));
  return {};
}

Status ApiConnection::Parts::make_credentials(std::function<void()> certificate_lost) {
  const auto& flags = base.configuration.flags;
  if (joins()) bootstrap = std::make_unique<BootstrapWay>(base, start.config, agent);
  if (start.action == kube::StartAction::join) {
    // Written before the certificate exists: whoever looks finds where it will be (contract 01 §6.1 rule 3).
    KEELSON_TRY(
        kube::write_kubeconfig(flags.kubeconfig, start.config.cluster, flags.cert_dir + "/kubelet-client-current.pem"));
  }
  if (base.configuration.kubelet.rotate_certificates) return make_manager(std::move(certificate_lost));
  kube::UserConfig user = start.config.user;
  if (joins()) {
    user = kube::UserConfig();
    user.certificate_file = user.key_file = flags.cert_dir + "/kubelet-client-current.pem";
  }
  configured = kube::make_credentials(base.loop, base.clock, std::move(user), kube::process_environment(), base.log);
  return {};
}

void ApiConnection::Parts::make_clients() {
  kube::Credentials& credentials = managed ? static_cast<kube::Credentials&>(*managed) : *configured;
  const kube::Endpoint& endpoint = start.config.endpoint;
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  server = (endpoint.tls ? "https://" : "http://") + (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
           endpoint.port + endpoint.base_path;
  transport =
      std::make_unique<kube::HttpTransport>(base.loop, base.clock, base.pool, endpoint, credentials, agent, base.log);
  const auto& kubelet = base.configuration.kubelet;
  const auto client = [&](kube::ClientOptions options) {
    return std::make_unique<kube::Client>(base.loop, base.clock, *transport, options, base.log);
  };
  main = client(limited(kubelet.kube_api_qps, kubelet.kube_api_burst, kubelet));
  events = client(limited(kubelet.event_record_qps, kubelet.event_burst, kubelet));
  heartbeat = client(heartbeat_options(kubelet));
  lease = client(heartbeat_options(kubelet));
  kube::ClientOptions unlimited = limited(1, 1, kubelet);
  unlimited.qps = 0;
  reviews = client(unlimited);
  signing = std::make_unique<kube::KubeSigningApi>(*main, base.random, base.log);
}

Result<std::unique_ptr<ApiConnection>> ApiConnection::create(const Base& base, std::function<void()> certificate_lost) {
  const auto& flags = base.configuration.flags;
  kube::StartFiles files;
  files.kubeconfig = flags.kubeconfig;
  files.bootstrap = flags.bootstrap_kubeconfig;
  files.rotate = base.configuration.kubelet.rotate_certificates;
  auto start = kube::read_start(files, kube::process_environment(), base.clock.now(), base.log);
  if (!start.ok()) return start.error();
  auto parts = std::make_unique<Parts>(base, std::move(*start));
  KEELSON_TRY(parts->make_credentials(std::move(certificate_lost)));
  parts->make_clients();
  return std::unique_ptr<ApiConnection>(new ApiConnection(std::move(parts)));
}

ApiConnection::ApiConnection(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ApiConnection::~ApiConnection() = default;

void ApiConnection::start(base::Gate& gate) {
  Parts& p = *parts_;
  if (p.bootstrap) p.bootstrap->credentials->start(gate);
  if (p.configured) p.configured->start(gate);
  if (p.managed) p.managed->start(gate);
  if (p.manager) p.manager->start(gate, *p.signing, p.bootstrap ? &p.bootstrap->signing : nullptr);
}

// Whoever asks without a certificate is refused and waits longer each time: the first one is mostly there in a moment.
base::Task<void> ApiConnection::await_identity() {
  const auto limit = parts_->base.clock.steady_now() + kFirstCertificate;
  while (!parts_->manager->identity() && parts_->base.clock.steady_now() < limit) {
    co_await parts_->base.clock.sleep_for(kFirstCertificatePause);
  }
}

base::Task<Status> ApiConnection::join() {
  Parts& p = *parts_;
  if (p.manager && p.joins()) co_await await_identity();
  if (p.start.action != kube::StartAction::join_and_wait || p.manager) co_return Status();
  kube::NodeBootstrap node;
  node.node_name = p.base.node_name;
  node.certificate_folder = p.base.configuration.flags.cert_dir;
  node.kubeconfig = p.base.configuration.flags.kubeconfig;
  node.cluster = p.start.config.cluster;
  auto done =
      co_await kube::bootstrap_node(&p.bootstrap->signing, &p.base.clock, &p.base.random, std::move(node), p.base.log);
  co_return done;
}

base::Task<void> ApiConnection::stop() {
  co_await parts_->transport->stop();
  if (parts_->bootstrap) co_await parts_->bootstrap->transport.stop();
}

kube::Client& ApiConnection::main() { return *parts_->main; }
kube::Client& ApiConnection::events() { return *parts_->events; }
kube::Client& ApiConnection::heartbeat() { return *parts_->heartbeat; }
kube::Client& ApiConnection::lease() { return *parts_->lease; }
kube::Client& ApiConnection::reviews() { return *parts_->reviews; }
const std::string& ApiConnection::server() const { return parts_->server; }
const kube::CertificateManager* ApiConnection::certificate() const { return parts_->manager.get(); }
void ApiConnection::close_idle() {
  // HTTP/1.1 has no sign of life: a watch on a connection whose peer hangs would stay deaf.
  const char* without_http2 = std::getenv("DISABLE_HTTP2");
  if (without_http2 != nullptr && *without_http2 != '\0') {
    parts_->transport->close_all();
  } else {
    parts_->transport->close_idle();
  }
}
kube::HttpTransportStats ApiConnection::stats() const { return parts_->transport->stats(); }

}  // namespace keelson::agent
