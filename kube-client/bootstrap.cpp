#include "kube-client/bootstrap.hpp"

#include <unistd.h>

#include <algorithm>

#include "api/base64.hpp"
#include "base/file.hpp"
#include "base/gate.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kServerLimit = 1min;
constexpr base::Duration kServerPeriod = 2s;
constexpr base::Duration kCertificateLimit = 1h;
constexpr std::string_view kOrganization = "system:nodes";

CertificateNames names_of_node(const std::string& node_name) {
  CertificateNames names;
  names.common_name = "system:node:" + node_name;
  names.organizations = {std::string(kOrganization)};
  return names;
}

// Go's base64.RawURLEncoding.
std::string raw_url_base64(std::string_view bytes) {
  std::string text = api::base64_encode(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

// Why the client certificate of a kubeconfig cannot start us; nothing when it can.
Status check_certificate(const UserConfig& user, base::SystemTime now) {
  auto identity = identity_of(user);
  if (!identity.ok()) return std::move(identity).error();
  if (!identity->has_value()) return Error(ErrorKind::invalid, "there is no client certificate in it");
  auto chain = parse_certificates((*identity)->certificate_pem);
  if (!chain.ok()) return std::move(chain).error();
  for (const auto& certificate : *chain) {
    if (now > certificate.not_after) {
      return Error(ErrorKind::invalid, "the certificate of " + certificate.names.common_name + " has expired");
    }
  }
  return {};
}

// The key to ask with.
Result<std::string> choose_key(const CertificateStore& store, const std::string& kept_file) {
  const auto stored = store.load();
  if (stored.ok()) return stored->key_pem;
  auto kept = base::read_file(kept_file, 1u << 20);
  if (kept.ok() && check_key(*kept).ok()) return kept;
  auto made = make_ec_key();
  if (!made.ok()) return made;
  KEELSON_TRY(base::make_directories(store.directory(), 0755));
  KEELSON_TRY(base::write_file_atomically(kept_file, *made, 0600));
  return made;
}

// That a request that is there already is ours.
Status check_same(const SigningRequest& found, const std::string& key_pem) {
  const std::string what = "certificate signing request " + found.metadata().name();
  auto ours = public_key_of(key_pem);
  if (!ours.ok()) return std::move(ours).error();
  const auto theirs = public_key_of_request(found.spec().request());
  if (!theirs.ok()) return theirs.error().wrap(what);
  if (*ours != *theirs) return Error(ErrorKind::conflict, what + " exists with another key");
  if (found.spec().signername() != kClientSigner) {
    return Error(ErrorKind::conflict, what + " exists for signer " + found.spec().signername());
  }
  return {};
}

base::Task<void> poll_server(SigningApi* api, base::Clock* clock, base::Random* random) {
  while (true) {
    auto healthy = co_await api->healthz();
    if (healthy.ok()) co_return;
    co_await clock->sleep_for(base::Backoff::jittered(kServerPeriod, 0.2, *random));
  }
}

base::Task<Result<std::string>> request_certificate(SigningApi* api, std::string key, std::string node_name,
                                                    base::Logger log) {
  auto pem = make_certificate_request(key, names_of_node(node_name));
  if (!pem.ok()) co_return std::move(pem).error();
  auto name = node_request_name(key, node_name);
  if (!name.ok()) co_return std::move(name).error();
  SigningRequest request = make_signing_request(*name, kClientSigner, std::move(*pem));
  auto created = co_await api->create(std::move(request));
  if (!created.ok() && created.error().kind() == ErrorKind::already_exists) {
    auto found = co_await api->get(*name);
    if (!found.ok()) co_return std::move(found).error();
    const Status same = check_same(*found, key);
    if (!same.ok()) co_return same.error();
    log.info("The request for the node's certificate is there already", {{"csr", *name}});
    created = std::move(found);
  }
  if (!created.ok()) co_return std::move(created).error().wrap("while asking for the node's certificate");
  std::string uid = created->metadata().uid();
  auto certificate = co_await api->await_certificate(std::move(*name), std::move(uid));
  co_return certificate;
}

}  // namespace

StartAction decide_start(const StartFacts& facts) {
  if (!facts.bootstrap_given) {
    return facts.kubeconfig_loads ? StartAction::use_kubeconfig : StartAction::refuse_kubeconfig;
  }
  if (facts.kubeconfig_loads && facts.certificate_valid) return StartAction::use_kubeconfig;
  if (!facts.bootstrap_loads) return StartAction::refuse_bootstrap;
  return facts.rotate ? StartAction::join : StartAction::join_and_wait;
}

Result<Start> read_start(const StartFiles& files, const Environment& environment, base::SystemTime now,
                         const base::Logger& log) {
  auto kubeconfig = load_kubeconfig(files.kubeconfig, environment);
  StartFacts facts;
  facts.rotate = files.rotate;
  facts.bootstrap_given = !files.bootstrap.empty();
  facts.kubeconfig_loads = kubeconfig.ok();
  Status usable = kubeconfig.ok() ? check_certificate(kubeconfig->user, now) : Status(kubeconfig.error());
  facts.certificate_valid = usable.ok();
  // A file that is there but cannot be looked at is no reason to join once more.
  const bool unreadable = !kubeconfig.ok() && kubeconfig.error().kind() != ErrorKind::not_found &&
                          kubeconfig.error().kind() != ErrorKind::invalid;
  if (unreadable) return std::move(kubeconfig).error();

  auto bootstrap = !facts.bootstrap_given || facts.certificate_valid
                       ? Result<KubeConfig>(Error(ErrorKind::not_found, "not looked at"))
                       : load_kubeconfig(files.bootstrap, environment);
  facts.bootstrap_loads = bootstrap.ok();
  const StartAction action = decide_start(facts);
  switch (action) {
    case StartAction::use_kubeconfig: return Start{action, std::move(*kubeconfig)};
    case StartAction::refuse_kubeconfig: return std::move(kubeconfig).error();
    case StartAction::refuse_bootstrap:
      return std::move(bootstrap).error().wrap("no usable client certificate (" + usable.error().to_string() +
                                               ") and no bootstrap file");
    case StartAction::join:
    case StartAction::join_and_wait: break;
  }
  log.info("Joining with the bootstrap file", {{"path", files.bootstrap}, {"because", usable.error().to_string()}});
  return Start{action, std::move(*bootstrap)};
}

CertificateStore client_store(const Start& start, const std::string& certificate_folder) {
  if (start.action != StartAction::use_kubeconfig) return CertificateStore(certificate_folder, "kubelet-client");
  const UserConfig& user = start.config.user;
  return CertificateStore(certificate_folder, "kubelet-client", user.certificate_file, user.key_file);
}

CertificatePurpose client_purpose(const Start& start, const std::string& node_name) {
  CertificatePurpose purpose = client_purpose(node_name);
  const UserConfig& user = start.config.user;
  if (start.action == StartAction::use_kubeconfig && !user.certificate_pem.empty() && !user.key_pem.empty()) {
    purpose.inline_identity = split_pem(user.certificate_pem, user.key_pem);
  }
  return purpose;
}

Result<std::string> node_request_name(const std::string& key_pem, const std::string& node_name) {
  const CertificateNames names = names_of_node(node_name);
  auto key = public_key_of(key_pem);
  if (!key.ok()) return key;
  std::string text;
  const auto add = [&text](std::string_view part) { text += raw_url_base64(part) + "|"; };
  add(*key);
  add(names.common_name);
  for (const auto& organization : names.organizations) add(organization);
  for (const std::string_view usage : {"digital signature", "client auth"}) add(usage);
  const auto digest = sha512_256(text);
  if (!digest.ok()) return digest;
  return "node-csr-" + raw_url_base64(*digest);
}

base::Task<Status> bootstrap_node(SigningApi* api, base::Clock* clock, base::Random* random, NodeBootstrap node,
                                  base::Logger log) {
  CertificateStore store(node.certificate_folder, "kubelet-client");
  KEELSON_CO_TRY(store.recover());
  const std::string kept_file = store.directory() + "/kubelet-client.key.tmp";
  auto key = choose_key(store, kept_file);
  if (!key.ok()) co_return std::move(key).error();

  const bool answers = co_await base::with_timeout(*clock, kServerLimit, poll_server(api, clock, random));
  if (!answers) log.warning("The API server does not answer on /healthz, going on");
  auto certificate =
      co_await base::with_timeout(*clock, kCertificateLimit, request_certificate(api, *key, node.node_name, log));
  if (!certificate) co_return Error(ErrorKind::deadline_exceeded, "no certificate for this node within an hour");
  if (!certificate->ok()) co_return std::move(*certificate).error();

  Identity identity;
  identity.certificate_pem = std::move(**certificate);
  identity.key_pem = std::move(*key);
  KEELSON_CO_TRY(store.update(identity, clock->now()));
  ::unlink(kept_file.c_str());
  KEELSON_CO_TRY(write_kubeconfig(node.kubeconfig, node.cluster, store.current_path()));
  log.info("The node has its certificate", {{"path", store.current_path()}});
  co_return Status();
}

}  // namespace keelson::kube
