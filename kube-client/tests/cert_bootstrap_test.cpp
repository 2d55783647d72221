#include "kube-client/bootstrap.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "api/base64.hpp"
#include "base/file.hpp"
#include "base/tests/tasks.hpp"
#include "kube-client/serving_certificate.hpp"
#include "kube-client/tests/cert_csr_server.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using base::testing::stop_now;
using Policy = CsrServer::Policy;
using Lines = std::vector<std::string>;

const base::SystemTime kNow(1'767'225'600s);

TEST(StartDecision, EveryRow) {
  struct Row {
    bool rotate, given, loads, valid, bootstrap_loads;
    StartAction action;
  };
  using A = StartAction;
  const std::vector<Row> rows = {
      // rotate, bootstrap given, kubeconfig loads, its certificate is valid, bootstrap loads
      {true, false, true, true, false, A::use_kubeconfig},
      {true, false, true, false, false, A::use_kubeconfig},  // a token, or expired: its own matter
      {true, false, false, false, false, A::refuse_kubeconfig},
      {true, true, true, true, true, A::use_kubeconfig},
      {true, true, true, true, false, A::use_kubeconfig},  // the bootstrap file may be gone
      {true, true, true, false, true, A::join},
      {true, true, true, false, false, A::refuse_bootstrap},
      {true, true, false, false, true, A::join},
      {true, true, false, false, false, A::refuse_bootstrap},
      {false, false, true, false, false, A::use_kubeconfig},
      {false, false, false, false, false, A::refuse_kubeconfig},
      {false, true, true, true, false, A::use_kubeconfig},
      {false, true, true, false, true, A::join_and_wait},
      {false, true, false, false, true, A::join_and_wait},
      {false, true, false, false, false, A::refuse_bootstrap},
  };
  for (const auto& row : rows) {
    const StartFacts facts{row.rotate, row.given, row.loads, row.valid, row.bootstrap_loads};
    EXPECT_EQ(decide_start(facts), row.action) << "row " << &row - rows.data();
  }
}

class StartTest : public ::testing::Test {
 protected:
  std::string kubeconfig(const std::string& name, const std::string& user) {
    return dir.write(name,
                     "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, "
                     "cluster: {server: 'https://" +
                         name + "'}}]\nusers: [{name: u, user: {" + user + "}}]\n");
  }
  // A chain of the node's certificate and one of its issuer, and the key.
  std::string pair(const std::string& name, base::Duration leaf_left, base::Duration issuer_left) {
    const Identity leaf = ca.issue(node_names("n1"), kNow - 1h, 1h + leaf_left);
    const Identity issuer = ca.issue({.common_name = "issuer"}, kNow - 1h, 1h + issuer_left);
    const std::string path = dir.write(name, leaf.certificate_pem + issuer.certificate_pem + leaf.key_pem);
    return "client-certificate: " + path + ", client-key: " + path;
  }
  std::string start(bool rotate = true) {
    const StartFiles files{dir / "kubelet.conf", bootstrap, rotate};
    const auto found = read_start(files, {}, kNow, {});
    if (!found.ok()) return found.error().to_string();
    const char* action = found->action == StartAction::use_kubeconfig ? "use "
                         : found->action == StartAction::join         ? "join "
                                                                      : "join and wait ";
    return action + found->config.endpoint.host;
  }

  TestCa ca;
  TempDir dir;
  std::string bootstrap = dir / "bootstrap.conf";
};

TEST_F(StartTest, AValidKubeconfigNeedsNoBootstrapFile) {
  kubeconfig("kubelet.conf", pair("pair.pem", 1h, 1h));
  EXPECT_EQ(start(), "use kubelet.conf");
  EXPECT_EQ(start(false), "use kubelet.conf");
}

TEST_F(StartTest, WithoutAnythingTheBootstrapFileIsMissed) {
  EXPECT_EQ(start(), "no usable client certificate (kubeconfig: open " + (dir / "kubelet.conf") +
                         ": No such file or directory) and no bootstrap file: kubeconfig: open " + bootstrap +
                         ": No such file or directory");
  bootstrap.clear();
  EXPECT_EQ(start(), "kubeconfig: open " + (dir / "kubelet.conf") + ": No such file or directory");
}

TEST_F(StartTest, AnUnusableKubeconfigLeadsToTheBootstrapFile) {
  struct Row {
    const char* what;
    std::function<void()> make;
  };
  const std::vector<Row> rows = {
      {"none", [] {}},
      {"nonsense", [&] { dir.write("kubelet.conf", "{"); }},
      {"a token", [&] { kubeconfig("kubelet.conf", "token: t"); }},
      {"nobody", [&] { kubeconfig("kubelet.conf", ""); }},
      {"expired", [&] { kubeconfig("kubelet.conf", pair("pair.pem", -1s, 1h)); }},
      {"an expired issuer", [&] { kubeconfig("kubelet.conf", pair("pair.pem", 1h, -1s)); }},
      {"no such file", [&] { kubeconfig("kubelet.conf", "client-certificate: none, client-key: none"); }},
  };
  kubeconfig("bootstrap.conf", "token: abc");
  for (const auto& row : rows) {
    row.make();
    EXPECT_EQ(start(), "join bootstrap.conf") << row.what;
    EXPECT_EQ(start(false), "join and wait bootstrap.conf") << row.what;
  }
}

TEST_F(StartTest, WithoutTheFlagATokenIsFine) {
  bootstrap.clear();
  kubeconfig("kubelet.conf", "token: t");
  EXPECT_EQ(start(), "use kubelet.conf");
}

TEST_F(StartTest, ABrokenBootstrapFileIsNamed) {
  dir.write("bootstrap.conf", "kind: Pod");
  EXPECT_NE(start().find(bootstrap + ": line 1: kind: expected Config"), std::string::npos) << start();
}

TEST_F(StartTest, TheKubeconfigsOwnPairComesAlongOnlyWhenItCounts) {
  const Identity own = ca.issue(node_names("n1"), kNow - 1h, 2h);
  Start start;
  start.config.user.certificate_pem = own.certificate_pem;
  start.config.user.key_pem = own.key_pem;
  EXPECT_EQ(client_purpose(start, "n1").inline_identity, own);
  start.action = StartAction::join;
  EXPECT_EQ(client_purpose(start, "n1").inline_identity, std::nullopt) << "it is the bootstrap file's";

  start.config.user = {};
  start.config.user.certificate_file = dir.write("own.crt", own.certificate_pem);
  start.config.user.key_file = dir.write("own.key", own.key_pem);
  EXPECT_EQ(client_store(start, dir / "pki").load().error().kind(), ErrorKind::not_found);
  start.action = StartAction::use_kubeconfig;
  EXPECT_EQ(*client_store(start, dir / "pki").load(), own);
  EXPECT_EQ(client_store(start, dir / "pki").current_path(), dir / "pki/kubelet-client-current.pem");
}

TEST(NodeRequestName, IsTheSameForTheSameKeyAndNode) {
  const std::string key = *make_ec_key();
  const std::string name = *node_request_name(key, "n1");
  EXPECT_EQ(name, *node_request_name(key, "n1"));
  EXPECT_NE(name, *node_request_name(key, "n2"));
  EXPECT_NE(name, *node_request_name(*make_ec_key(), "n1"));
  EXPECT_EQ(name.size(), std::string("node-csr-").size() + 43) << "256 bits in base64 without padding";
  EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
}

class BootstrapTest : public ::testing::Test {
 protected:
  ~BootstrapTest() override { EXPECT_TRUE(stop_now(loop, gate)); }

  void begin() {
    NodeBootstrap node;
    node.node_name = "n1";
    node.certificate_folder = dir / "pki";
    node.kubeconfig = dir / "kubelet.conf";
    node.cluster.server = "https://10.0.0.1:6443";
    done.reset();
    base::spawn(gate, "bootstrap", keep_answer(bootstrap_node(&api, &clock, &random, node, {}), &done));
    clock.advance(1ms);
  }
  std::string outcome() const { return !done ? "(open)" : done->ok() ? "(done)" : done->error().to_string(); }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{1};
  base::Gate gate{loop};
  TestCa ca;
  TempDir dir;
  CsrServer server{loop, clock, ca};
  Client client{loop, clock, server.transport("me"), {}, {}};
  KubeSigningApi api{client, random, {}};
  const std::string kept = dir / "pki/kubelet-client.key.tmp";
  const std::string current = dir / "pki/kubelet-client-current.pem";
  std::optional<Status> done;
};

TEST_F(BootstrapTest, TheCertificateComesBeforeTheKubeconfig) {
  server.policy = Policy::hold;
  begin();
  EXPECT_EQ(outcome(), "(open)");
  EXPECT_EQ(server.last_name(), *node_request_name(read(kept), "n1"));
  EXPECT_EQ(mode_of(kept), 0600u);
  EXPECT_FALSE(base::path_exists(dir / "kubelet.conf"));
  server.sign(server.last_name());
  clock.advance(1ms);
  EXPECT_EQ(outcome(), "(done)");
  EXPECT_FALSE(base::path_exists(kept));
  EXPECT_TRUE(is_link(current));
  const auto config = load_kubeconfig(dir / "kubelet.conf", {});
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config->user.certificate_file, current);
  EXPECT_EQ(config->cluster.server, "https://10.0.0.1:6443");
}

TEST_F(BootstrapTest, ARestartFindsItsOwnRequestAgain) {
  server.policy = Policy::hold;
  begin();
  const std::string name = server.last_name();
  gate.cancel("bootstrap");
  clock.advance(1ms);
  EXPECT_EQ(outcome(), "(open)");
  begin();
  EXPECT_EQ(server.requests.size(), 1u);
  EXPECT_EQ(server.count("me GET " + name), 1u);
  server.sign(name);
  clock.advance(1ms);
  EXPECT_EQ(outcome(), "(done)");
}

TEST_F(BootstrapTest, SomebodyElsesRequestOfThatNameIsAnError) {
  server.policy = Policy::hold;
  begin();
  gate.cancel("bootstrap");
  const std::string name = server.last_name();
  auto& spec = *server.requests.at(name).mutable_spec();
  const std::string ours = spec.request();
  spec.set_request(*make_certificate_request(*make_ec_key(), node_names("n1")));
  begin();
  EXPECT_EQ(outcome(), "certificate signing request " + name + " exists with another key");
  spec.set_request(ours);
  spec.set_signername("other");
  begin();
  EXPECT_EQ(outcome(), "certificate signing request " + name + " exists for signer other");
}

TEST_F(BootstrapTest, ASpoiledKeyFileIsReplaced) {
  ASSERT_TRUE(base::make_directories(dir / "pki", 0755).ok());
  dir.write("pki/kubelet-client.key.tmp", "nonsense");
  begin();
  EXPECT_EQ(outcome(), "(done)");
}

TEST_F(BootstrapTest, AnOldPairsKeyIsUsedAgain) {
  const Identity old = ca.issue(node_names("n1"), clock.now() - 2h, 1h);
  ASSERT_TRUE(CertificateStore(dir / "pki", "kubelet-client").update(old, clock.now() - 2h).ok());
  begin();
  EXPECT_EQ(outcome(), "(done)");
  EXPECT_EQ(split_pem({}, read(current)).key_pem, old.key_pem);
  EXPECT_FALSE(base::path_exists(kept));
}

TEST_F(BootstrapTest, ItWaitsAMinuteForTheServerAndThenTriesAnyway) {
  server.sick = true;
  begin();
  clock.advance(59s);
  EXPECT_GE(server.count("me healthz"), 20u);
  EXPECT_EQ(server.count("me POST"), 0u);
  clock.advance(2s);
  EXPECT_EQ(server.count("me POST"), 1u);
  EXPECT_EQ(outcome(), "(done)");
}

TEST_F(BootstrapTest, ARefusalEndsTheStart) {
  struct Row {
    std::function<void()> trouble;
    std::string message;
  };
  const std::vector<Row> rows = {
      {[&] { server.policy = Policy::deny; }, "was denied, reason: No, message: not you"},
      {[&] { server.refuse_status = 401; }, "while asking for the node's certificate"},
  };
  for (const auto& row : rows) {
    row.trouble();
    begin();
    clock.advance(2min);
    EXPECT_NE(outcome().find(row.message), std::string::npos) << outcome();
    EXPECT_FALSE(base::path_exists(dir / "kubelet.conf"));
    EXPECT_TRUE(base::path_exists(kept)) << "for the next start";
    server.requests.clear();
  }
}

TEST_F(BootstrapTest, AnHourIsTheLimit) {
  server.policy = Policy::hold;
  begin();
  clock.advance(1h - 1s);
  EXPECT_EQ(outcome(), "(open)");
  clock.advance(2s);
  EXPECT_EQ(outcome(), "no certificate for this node within an hour");
  EXPECT_EQ(server.watches(), 0u);
}

class SelfSignedFilesTest : public ::testing::Test {
 protected:
  TempDir dir;
  const std::string certificate = dir / "pki/kubelet.crt";
  const std::string key = dir / "pki/kubelet.key";
};

TEST_F(SelfSignedFilesTest, ThePairIsMadeWhenBothFilesAreMissing) {
  const auto files = ensure_self_signed_pair(dir / "pki", "n1", kNow);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  EXPECT_EQ(files->certificate, certificate);
  EXPECT_EQ(files->key, key);
  EXPECT_EQ(mode_of(certificate), 0644u);
  EXPECT_EQ(mode_of(key), 0600u);
  EXPECT_TRUE(load_identity(certificate, key).ok());
  EXPECT_EQ(parse_certificates(read(certificate))->size(), 2u) << "with its CA";

  const std::string before = read(certificate);
  ASSERT_TRUE(ensure_self_signed_pair(dir / "pki", "other", kNow + 24h * 400).ok());
  EXPECT_EQ(read(certificate), before) << "never renewed";
}

TEST_F(SelfSignedFilesTest, HalfAPairIsAnError) {
  ASSERT_TRUE(base::make_directories(dir / "pki", 0755).ok());
  dir.write("pki/kubelet.crt", "x");
  EXPECT_EQ(ensure_self_signed_pair(dir / "pki", "n1", kNow).error().to_string(),
            key + " is missing beside " + certificate + ", certificate and key must be supplied as a pair");
  ::unlink(certificate.c_str());
  dir.write("pki/kubelet.key", "x");
  EXPECT_EQ(ensure_self_signed_pair(dir / "pki", "n1", kNow).error().to_string(),
            certificate + " is missing beside " + key + ", certificate and key must be supplied as a pair");
}

}  // namespace
}  // namespace keelson::kube
