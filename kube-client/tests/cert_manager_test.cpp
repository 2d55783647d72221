#include "kube-client/certificate_manager.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>

#include <cmath>
#include <filesystem>

#include "base/file.hpp"
#include "base/tests/tasks.hpp"
#include "kube-client/serving_certificate.hpp"
#include "kube-client/tests/cert_csr_server.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using base::testing::drain;
using base::testing::stop_now;
using Policy = CsrServer::Policy;
using Lines = std::vector<std::string>;

class ManagerTest : public ::testing::Test {
 protected:
  ~ManagerTest() override { stop(); }

  // A manager over what is on disk, as a start of the agent makes it.
  void make(CertificatePurpose purpose, const std::string& prefix = "kubelet-client") {
    stop();
    gate = std::make_unique<base::Gate>(loop);
    manager = std::make_unique<CertificateManager>(
        loop, clock, random, CertificateStore(pki.path(), prefix, certificate_file, key_file), std::move(purpose), log);
    manager->on_identity_change([this] { ++told; });
    told = 0;
  }
  void start(CertificatePurpose purpose, const std::string& prefix = "kubelet-client") {
    make(std::move(purpose), prefix);
    const Status loaded = manager->load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    manager->start(*gate, present, bootstrap);
    clock.advance(1ms);
  }
  void start() { start(client()); }
  CertificatePurpose client() {
    CertificatePurpose purpose = client_purpose("n1");
    purpose.lost = [this] { ++lost; };
    purpose.rotated = [this](base::Duration age) { ages.push_back(age); };
    return purpose;
  }
  void stop() {
    if (gate == nullptr) return;
    EXPECT_TRUE(stop_now(loop, *gate));
    gate.reset();
  }
  // As if an earlier run had stored this certificate.
  Identity store_pair(base::Duration age, base::Duration lifetime, const CertificateNames& names) {
    const Identity identity = ca.issue(names, clock.now() - age, lifetime);
    EXPECT_TRUE(CertificateStore(pki.path(), "kubelet-client").update(identity, clock.now() - age).ok());
    return identity;
  }
  double part_of_life(base::Duration lifetime) const {
    return std::chrono::duration<double>(manager->next_rotation() - clock.now()) /
           std::chrono::duration<double>(lifetime);
  }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{7};
  TestCa ca;
  TempDir pki;
  Lines lines;
  base::Logger log{std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                                   [this](std::string_view line) { lines.emplace_back(line); })};
  CsrServer server{loop, clock, ca};
  Client present_client{loop, clock, server.transport("present"), {}, {}};
  Client bootstrap_client{loop, clock, server.transport("bootstrap"), {}, {}};
  KubeSigningApi present{present_client, random, {}};
  KubeSigningApi bootstrap_api{bootstrap_client, random, {}};
  SigningApi* bootstrap = &bootstrap_api;
  std::string certificate_file;
  std::string key_file;
  std::unique_ptr<base::Gate> gate;
  std::unique_ptr<CertificateManager> manager;
  int told = 0;
  int lost = 0;
  std::vector<base::Duration> ages;
};

TEST_F(ManagerTest, ANodeWithoutCertificateAsksAtOnceWithItsBootstrapCredentials) {
  start();
  EXPECT_EQ(server.log, (Lines{"bootstrap POST", "bootstrap LIST metadata.name=csr-1"}));
  const auto identity = manager->identity();
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->certificate_pem, server.last().status().certificate());
  EXPECT_EQ(read(pki / "kubelet-client-current.pem"), identity->certificate_pem + identity->key_pem);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(parse_certificates(identity->certificate_pem)->front().names, node_names("n1"));
  EXPECT_EQ(manager->ttl_seconds(), 100 * 24 * 3600 - 1) << "whole seconds";
  EXPECT_TRUE(manager->server_alive());
  EXPECT_EQ(manager->renew_errors(), 0u);
  EXPECT_TRUE(ages.empty()) << "nothing was replaced";
}

TEST_F(ManagerTest, RotatesBetween70And90PercentWithItsOwnCertificate) {
  server.lifetime = 10h;
  start();
  const auto first = manager->identity();
  const double part = part_of_life(10h);
  EXPECT_GE(part, 0.7);
  EXPECT_LT(part, 0.9);
  server.log.clear();
  clock.advance(6h + 59min);
  EXPECT_EQ(server.log, Lines{}) << "nothing to do";
  const base::Duration left = manager->next_rotation() - clock.now();
  clock.advance(left - 1s);
  EXPECT_EQ(server.log, Lines{});
  clock.advance(2s);
  EXPECT_EQ(server.log, (Lines{"present POST", "present LIST metadata.name=csr-3"}));
  const auto second = manager->identity();
  EXPECT_NE(second, first);
  EXPECT_NE(second->key_pem, first->key_pem) << "a new key";
  EXPECT_EQ(told, 2);
  ASSERT_EQ(ages.size(), 1u);
  EXPECT_NEAR(std::chrono::duration<double>(ages[0]).count(), part * 10 * 3600, 2);
  EXPECT_EQ(read(link_target(pki / "kubelet-client-current.pem")), second->certificate_pem + second->key_pem);
}

TEST_F(ManagerTest, AStoredCertificateIsUsedAndNotRenewedBeforeItsTime) {
  const Identity stored = store_pair(1h, 10h, node_names("n1"));
  start();
  EXPECT_EQ(manager->identity(), stored);
  clock.advance(6h);
  EXPECT_EQ(server.log, Lines{});
  EXPECT_EQ(told, 0);
}

TEST_F(ManagerTest, ARestartPastTheDeadlineRenewsAtOnce) {
  const Identity stored = store_pair(9h + 30min, 10h, node_names("n1"));
  start();
  EXPECT_EQ(server.count("present POST"), 1u);
  EXPECT_NE(manager->identity(), stored);
}

TEST_F(ManagerTest, AMissingNameIsARotationAtOnceAndMoreNamesAreNone) {
  store_pair(1h, 10h, node_names("other"));
  start();
  EXPECT_EQ(server.count("present POST"), 1u) << "another node's name";

  CertificateNames more = node_names("n1");
  more.organizations.push_back("more");
  more.dns_names = {"n1"};
  store_pair(0h, 10h, more);
  server.log.clear();
  start();
  EXPECT_EQ(server.log, Lines{});
}

TEST_F(ManagerTest, AnExpiredCertificateIsNoneAndTheBootstrapCredentialsAsk) {
  store_pair(10h + 1min, 10h, node_names("n1"));
  server.policy = Policy::hold;
  start();
  EXPECT_EQ(manager->identity(), std::nullopt);
  EXPECT_TRUE(std::isinf(manager->ttl_seconds()));
  EXPECT_EQ(server.count("bootstrap POST"), 1u);
  EXPECT_EQ(server.count("present POST"), 0u);
}

TEST_F(ManagerTest, ACertificateThatExpiresMeanwhileHasATimeToLiveBelowZero) {
  store_pair(9h, 10h, node_names("n1"));
  server.policy = Policy::hold;
  start();
  EXPECT_EQ(manager->ttl_seconds(), 3599) << "a millisecond has gone";
  clock.advance(61min);
  EXPECT_EQ(manager->identity(), std::nullopt);
  EXPECT_EQ(manager->ttl_seconds(), -60);
}

TEST_F(ManagerTest, WithoutBootstrapCredentialsTheOnlyClientAsks) {
  bootstrap = nullptr;
  start();
  EXPECT_EQ(server.count("present POST"), 1u);
}

TEST_F(ManagerTest, ThePairInTheKubeconfigIsStoredAndRotatedAtOnce) {
  CertificatePurpose purpose = client();
  const Identity inline_pair = ca.issue(node_names("n1"), clock.now() - 1min, 10h);
  purpose.inline_identity = inline_pair;
  server.policy = Policy::hold;
  start(purpose);
  EXPECT_EQ(manager->identity(), inline_pair);
  EXPECT_EQ(read(pki / "kubelet-client-current.pem"), inline_pair.certificate_pem + inline_pair.key_pem);
  EXPECT_EQ(server.count("present POST"), 1u);
  clock.advance(1s);  // another name for the dated file
  server.sign(server.last_name());
  clock.advance(1min);
  EXPECT_NE(manager->identity(), inline_pair);
  EXPECT_EQ(server.count("present POST"), 1u) << "once";

  start(purpose);
  EXPECT_NE(manager->identity(), inline_pair) << "the store goes before the kubeconfig's pair";
}

TEST_F(ManagerTest, TheKubeconfigsFilesAreUsedWhenTheStoreIsEmpty) {
  const Identity pair = ca.issue(node_names("n1"), clock.now() - 1min, 10h);
  certificate_file = pki.write("node.crt", pair.certificate_pem);
  key_file = pki.write("node.key", pair.key_pem);
  start();
  EXPECT_EQ(manager->identity(), pair);
  EXPECT_EQ(server.log, Lines{});
}

TEST_F(ManagerTest, ABrokenStoreIsAnErrorAtStart) {
  pki.write("kubelet-client-current.pem", "nonsense");
  make(client());
  const Status loaded = manager->load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().to_string().find("kubelet-client-current.pem"), std::string::npos);
}

TEST_F(ManagerTest, ABrokenStoreIsReplacedByAJoin) {
  store_pair(1min, 10h, node_names("n1"));
  const std::string stored = std::filesystem::read_symlink(pki / "kubelet-client-current.pem").string();
  std::filesystem::resize_file(stored, 100);
  CertificatePurpose purpose = client();
  purpose.replaceable = true;
  start(purpose);
  EXPECT_EQ(server.count("bootstrap POST"), 1u);
  const auto identity = manager->identity();
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(read(pki / "kubelet-client-current.pem"), identity->certificate_pem + identity->key_pem);
}

TEST_F(ManagerTest, FailuresAreRepeatedAfterGrowingPauses) {
  server.policy = Policy::deny;
  std::vector<base::Duration> pauses;
  start();
  base::SteadyTime last = clock.steady_now();
  std::size_t seen = 1;
  for (int second = 0; second < 140 * 10; ++second) {
    clock.advance(100ms);
    if (server.count("bootstrap POST") == seen) continue;
    seen = server.count("bootstrap POST");
    pauses.push_back(clock.steady_now() - last);
    last = clock.steady_now();
  }
  const std::vector<base::Duration> expected = {2s, 4s, 8s, 16s, 32s, 32s, 32s};
  ASSERT_GE(pauses.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_GE(pauses[i], expected[i] - 100ms) << i;
    EXPECT_LE(pauses[i], expected[i] + expected[i] / 10 + 100ms) << i;
  }
  EXPECT_EQ(manager->renew_errors(), seen);
  EXPECT_NE(lines.back().find("was denied, reason: No, message: not you"), std::string::npos) << lines.back();
  EXPECT_FALSE(manager->identity().has_value());

  server.policy = Policy::sign;
  clock.advance(40s);
  EXPECT_TRUE(manager->identity().has_value());
}

TEST_F(ManagerTest, AFailedRequestIsFollowedByANewKey) {
  server.policy = Policy::fail;
  start();
  const std::string first = server.last().spec().request();
  clock.advance(5s);
  EXPECT_NE(*public_key_of_request(server.last().spec().request()), *public_key_of_request(first));
}

TEST_F(ManagerTest, ARequestThatNobodyDecidesIsReplacedAfterFifteenMinutes) {
  server.policy = Policy::hold;
  start();
  clock.advance(15min - 1s);
  EXPECT_EQ(server.count("bootstrap POST"), 1u);
  clock.advance(5s);
  EXPECT_EQ(server.count("bootstrap POST"), 2u);
  EXPECT_EQ(server.watches(), 1u) << "the old one is not followed any more";
  server.sign("csr-1");
  clock.advance(1s);
  EXPECT_FALSE(manager->identity().has_value());
  server.sign(server.last_name());
  clock.advance(1s);
  EXPECT_TRUE(manager->identity().has_value());
}

TEST_F(ManagerTest, APlainFileInThePlaceOfTheLinkKeepsTheNewCertificateOut) {
  const Identity pair = ca.issue(node_names("n1"), clock.now() - 9h - 30min, 10h);
  pki.write("kubelet-client-current.pem", pair.certificate_pem + pair.key_pem);
  start();
  EXPECT_EQ(manager->identity(), pair);
  EXPECT_EQ(manager->renew_errors(), 1u);
  EXPECT_NE(lines.back().find("expected a symbolic link"), std::string::npos) << lines.back();
  base::remove_tree(pki / "kubelet-client-current.pem").ok();
  clock.advance(3s);
  EXPECT_NE(manager->identity(), pair);
}

TEST_F(ManagerTest, AnExpiredCertificateEndsTheProcessOnlyWhenTheServerIsAlive) {
  struct Row {
    const char* what;
    std::function<void()> trouble;
    int lost;
  };
  const std::vector<Row> rows = {
      {"away", [&] { server.away = true; }, 0},        {"401", [&] { server.refuse_status = 401; }, 1},
      {"403", [&] { server.refuse_status = 403; }, 1}, {"404", [&] { server.refuse_status = 404; }, 1},
      {"500", [&] { server.refuse_status = 500; }, 0},
  };
  for (const auto& row : rows) {
    store_pair(0h, 1h, node_names("n1"));
    server.away = false;
    server.refuse_status = 0;
    lost = 0;
    start();
    row.trouble();
    clock.advance(1h + 4min);
    EXPECT_EQ(lost, 0) << row.what << ": five minutes are not over";
    EXPECT_FALSE(manager->identity().has_value()) << row.what;
    clock.advance(2min);
    EXPECT_EQ(lost, row.lost) << row.what;
    clock.advance(1h);
    EXPECT_EQ(lost, row.lost) << row.what << ": once";
    clock.advance(1s);
  }
}

TEST_F(ManagerTest, AServerThatComesBackWithoutUsEndsTheProcessThen) {
  store_pair(0h, 1h, node_names("n1"));
  start();
  server.away = true;
  clock.advance(3h);
  EXPECT_EQ(lost, 0);
  server.away = false;
  server.refuse_status = 401;
  clock.advance(2min);
  EXPECT_EQ(lost, 1);
}

TEST_F(ManagerTest, AJoinThatIsNeverApprovedDoesNotEndTheProcessWhileNothingProvesTheServer) {
  server.policy = Policy::hold;
  start();
  clock.advance(14min);
  EXPECT_EQ(lost, 0);
}

TEST_F(ManagerTest, ASignerThatGivesWhatIsDueAgainIsNotAskedWithoutPause) {
  server.lifetime = 0s;
  start();
  clock.advance(10min);
  EXPECT_GE(server.count("bootstrap POST"), 2u);
  EXPECT_LE(server.count("bootstrap POST"), 20u);
}

TEST_F(ManagerTest, AClockThatIsSetForwardIsNoticed) {
  store_pair(0h, 10h, node_names("n1"));
  start();
  clock.jump_system(9h + 30min);
  clock.advance(11min);
  EXPECT_EQ(server.count("present POST"), 1u);
}

TEST_F(ManagerTest, AStopWhileARequestIsOpenLeavesNothingBehind) {
  server.policy = Policy::hold;
  start();
  EXPECT_EQ(server.watches(), 1u);
  stop();
  EXPECT_EQ(server.watches(), 0u);
}

class ServingTest : public ManagerTest {
 protected:
  static api::core::NodeAddress address(const std::string& type, const std::string& text) {
    api::core::NodeAddress entry;
    entry.set_type(type);
    entry.set_address(text);
    return entry;
  }
  CertificatePurpose serving() {
    return serving_purpose("n1", [this] { return addresses; });
  }
  std::vector<api::core::NodeAddress> addresses;
};

TEST_F(ServingTest, NoRequestBeforeAnAddressIsKnown) {
  addresses = {address("Hostname", "n1")};
  start(serving(), "kubelet-server");
  clock.advance(1h);
  EXPECT_EQ(server.log, Lines{});
  addresses.push_back(address("InternalIP", "10.0.0.1"));
  manager->names_changed();
  clock.advance(1ms);
  EXPECT_EQ(server.count("bootstrap POST"), 1u);
  const auto identity = manager->identity();
  ASSERT_TRUE(identity.has_value());
  CertificateNames expected = node_names("n1");
  expected.dns_names = {"n1"};
  expected.ip_addresses = {"10.0.0.1"};
  EXPECT_EQ(parse_certificates(identity->certificate_pem)->front().names, expected);
  EXPECT_EQ(server.last().spec().signername(), kServingSigner);
  EXPECT_TRUE(is_link(pki / "kubelet-server-current.pem"));
}

TEST_F(ServingTest, ANewAddressIsANewRequestAndALostOneIsNone) {
  addresses = {address("InternalIP", "10.0.0.1"), address("InternalIP", "fd00::1")};
  start(serving(), "kubelet-server");
  server.log.clear();
  addresses.pop_back();
  manager->names_changed();
  clock.advance(10s);
  EXPECT_EQ(server.log, Lines{});
  addresses.push_back(address("InternalIP", "10.0.0.2"));
  manager->names_changed();
  clock.advance(1s);
  EXPECT_EQ(server.count("present POST"), 1u);
}

TEST_F(ServingTest, AnOpenRequestForOldNamesIsReplacedAtOnce) {
  server.policy = Policy::hold;
  addresses = {address("InternalIP", "10.0.0.1")};
  start(serving(), "kubelet-server");
  EXPECT_EQ(server.watches(), 1u);
  addresses = {address("InternalIP", "10.0.0.2")};
  manager->names_changed();
  clock.advance(1ms);
  EXPECT_EQ(server.count("bootstrap POST"), 2u);
  EXPECT_EQ(server.watches(), 1u);
  EXPECT_EQ(manager->renew_errors(), 0u) << "that is no failure";
  server.sign(server.last_name());
  clock.advance(1ms);
  EXPECT_EQ(parse_certificates(manager->identity()->certificate_pem)->front().names.ip_addresses,
            std::vector<std::string>{"10.0.0.2"});
}

TEST_F(ServingTest, NamesComeFromAddressesByTheirType) {
  const auto names = serving_names(
      "n1", {address("Hostname", "n1"), address("InternalIP", "10.0.0.2"), address("InternalIP", "10.0.0.1"),
             address("ExternalIP", "FD00:0::1"), address("InternalIP", "nonsense"), address("InternalDNS", "b.local"),
             address("ExternalDNS", "a.example"), address("Hostname", "10.0.0.9"), address("Hostname", ""),
             address("Other", "x"), address("InternalIP", "10.0.0.1")});
  ASSERT_TRUE(names.has_value());
  EXPECT_EQ(names->common_name, "system:node:n1");
  EXPECT_EQ(names->organizations, std::vector<std::string>{"system:nodes"});
  EXPECT_EQ(names->dns_names, (std::vector<std::string>{"a.example", "b.local", "n1"}));
  EXPECT_EQ(names->ip_addresses, (std::vector<std::string>{"10.0.0.1", "10.0.0.2", "10.0.0.9", "fd00::1"}));
  EXPECT_FALSE(serving_names("n1", {address("Hostname", "n1"), address("InternalDNS", "b")}).has_value());
}

TEST(CertificateDecisions, TheDeadlineIsAPartOfTheLifetime) {
  CertificateInfo info;
  info.not_before = base::SystemTime(1'000'000s);
  info.not_after = info.not_before + 100h;
  for (const auto& [part, hours] : {std::pair{0.0, 70}, {0.5, 80}, {1.0, 90}}) {
    const auto after = std::chrono::duration<double>(rotation_deadline(info, part) - info.not_before);
    EXPECT_NEAR(after.count(), hours * 3600, 1) << part;
  }
}

TEST(CertificateDecisions, OnlyMissingNamesMatter) {
  CertificateNames have = node_names("n1");
  have.dns_names = {"a", "b"};
  have.ip_addresses = {"10.0.0.1"};
  CertificateNames want = node_names("n1");
  EXPECT_TRUE(satisfies(have, want));
  want.dns_names = {"b"};
  want.ip_addresses = {"10.0.0.1"};
  EXPECT_TRUE(satisfies(have, want));
  EXPECT_TRUE(satisfies(have, {}));
  struct Row {
    const char* what;
    CertificateNames names;
  };
  const std::vector<Row> rows = {
      {"common name", {.common_name = "x"}},
      {"organization", {.organizations = {"system:nodes", "x"}}},
      {"DNS name", {.dns_names = {"a", "c"}}},
      {"address", {.ip_addresses = {"10.0.0.2"}}},
  };
  for (const auto& row : rows) EXPECT_FALSE(satisfies(have, row.names)) << row.what;
}

}  // namespace
}  // namespace keelson::kube
