#include "agent/server/client_certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "agent/server/tests/certificates.hpp"
#include "base/file.hpp"

namespace keelson::server::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class ClientCertificates : public ::testing::Test {
 protected:
  ClientCertificates() {
    char name[] = "/tmp/keelson-client-ca-XXXXXX";
    folder_ = ::mkdtemp(name);
    write(authority_.pem());
    ca_ = std::move(*ClientCa::open(file(), true, base::Logger()));
  }
  ~ClientCertificates() override { std::filesystem::remove_all(folder_); }

  std::string file() const { return folder_ + "/ca.crt"; }
  void write(const std::string& text) { ASSERT_TRUE(base::write_file_atomically(file(), text, 0644).ok()); }
  Result<std::optional<User>> user_of(const kube::Identity& identity, const std::string& more = {},
                                      base::SystemTime now = kBeginning) {
    const auto peer = PeerCertificates::of_pem(identity.certificate_pem + more);
    EXPECT_TRUE(peer.ok());
    return ca_->user_of(*peer, now);
  }
  std::string problem_of(const kube::Identity& identity, base::SystemTime now = kBeginning) {
    const auto user = user_of(identity, {}, now);
    return user.ok() ? "none" : user.error().message();
  }

  Authority authority_{"clients"};
  std::string folder_;
  std::unique_ptr<ClientCa> ca_;
};

TEST_F(ClientCertificates, TellWhoTheClientIs) {
  Wish wish = client("alice", {"dev", "system:masters"});
  wish.uids = {"u-1"};
  const auto user = user_of(authority_.issue(wish));
  ASSERT_TRUE(user.ok()) << user.error().to_string();
  ASSERT_TRUE(user->has_value());
  EXPECT_EQ((*user)->name, "alice");
  EXPECT_EQ((*user)->uid, "u-1");
  EXPECT_THAT((*user)->groups, ElementsAre("dev", "system:masters"));
  const auto& id = (*user)->extra.at("authentication.kubernetes.io/credential-id");
  ASSERT_EQ(id.size(), 1u);
  EXPECT_TRUE(id[0].starts_with("X509SHA256="));
  EXPECT_EQ(id[0].size(), 11u + 64u);
}

TEST_F(ClientCertificates, WithoutACommonNameAreNobody) {
  const auto user = user_of(authority_.issue(client("", {"dev"})));
  ASSERT_TRUE(user.ok());
  EXPECT_FALSE(user->has_value());
}

TEST_F(ClientCertificates, AreMeasuredByTheAuthority) {
  EXPECT_EQ(problem_of(authority_.issue(client("a"))), "none");
  EXPECT_THAT(problem_of(Authority("clients").issue(client("a"))), HasSubstr("client certificate: "))
      << "another authority of the same name";
  Wish late = client("a");
  late.to = kBeginning - 1min;
  EXPECT_THAT(problem_of(authority_.issue(late)), HasSubstr("expired"));
  Wish early = client("a");
  early.from = kBeginning + 1min;
  EXPECT_THAT(problem_of(authority_.issue(early)), HasSubstr("not yet valid"));
  EXPECT_EQ(problem_of(authority_.issue(early), kBeginning + 2min), "none");
  Wish sha1 = client("a");
  sha1.sha1 = true;
  EXPECT_NE(problem_of(authority_.issue(sha1)), "none");
}

TEST_F(ClientCertificates, MustBeForClients) {
  const std::pair<const char*, bool> rows[] = {{"", true},
                                               {"clientAuth", true},
                                               {"serverAuth,clientAuth", true},
                                               {"anyExtendedKeyUsage", true},
                                               {"serverAuth", false},
                                               {"codeSigning", false}};
  for (const auto& [usage, good] : rows) {
    Wish wish = client("a");
    wish.usage = usage;
    EXPECT_EQ(problem_of(authority_.issue(wish)) == "none", good) << usage;
  }
}

TEST_F(ClientCertificates, MayComeThroughAnIntermediateThatTheClientSends) {
  Wish between = client("between");
  between.authority = true;
  between.usage.clear();
  const Authority below = authority_.intermediate(between);
  const kube::Identity identity = below.issue(client("a"));
  EXPECT_FALSE(user_of(identity).ok());
  EXPECT_TRUE(user_of(identity, below.pem()).ok());

  between.usage = "serverAuth";
  const Authority for_servers = authority_.intermediate(between);
  EXPECT_FALSE(user_of(for_servers.issue(client("a")), for_servers.pem()).ok()) << "the usage of every link counts";

  between.usage.clear();
  between.authority = false;
  const Authority leaf = authority_.intermediate(between);
  EXPECT_FALSE(user_of(leaf.issue(client("a")), leaf.pem()).ok()) << "what is no authority can sign nothing";
  between.old_authority = true;
  const Authority old = authority_.intermediate(between);
  const auto user = user_of(old.issue(client("a")), old.pem());
  ASSERT_FALSE(user.ok()) << "nor what does not say that it is one";
  EXPECT_THAT(user.error().message(), HasSubstr("invalid CA"));
}

TEST_F(ClientCertificates, AnIntermediateInTheFileIsTrusted) {
  Wish between = client("between");
  between.authority = true;
  between.usage.clear();
  const Authority below = authority_.intermediate(between);
  write(below.pem());
  EXPECT_TRUE(user_of(below.issue(client("a"))).ok());
}

TEST_F(ClientCertificates, HaveAtMostOneUid) {
  Wish two = client("a");
  two.uids = {"1", "2"};
  EXPECT_EQ(problem_of(authority_.issue(two)), "expected 1 UID, but found multiple");
  Wish empty = client("a");
  empty.uids = {""};
  EXPECT_EQ(problem_of(authority_.issue(empty)), "UID cannot be an empty string");
}

TEST_F(ClientCertificates, TheFileIsReadAgainWhenItChanges) {
  const Authority other("other");
  const auto generation = ca_->generation();
  EXPECT_FALSE(user_of(other.issue(client("a"))).ok());
  write(other.pem());
  EXPECT_TRUE(user_of(other.issue(client("a"))).ok());
  EXPECT_FALSE(user_of(authority_.issue(client("a"))).ok());
  EXPECT_NE(ca_->generation(), generation);

  for (const std::string& bad : {std::string("nothing"), std::string(), other.pem().substr(0, 100)}) {
    write(bad);
    EXPECT_TRUE(user_of(other.issue(client("a"))).ok()) << "what cannot be used changes nothing: " << bad;
  }
  std::filesystem::remove(file());
  EXPECT_TRUE(user_of(other.issue(client("a"))).ok());
  write(authority_.pem() + other.pem());
  EXPECT_TRUE(user_of(authority_.issue(client("a"))).ok());
  EXPECT_TRUE(user_of(other.issue(client("a"))).ok());
}

TEST_F(ClientCertificates, WithoutReloadTheFileIsReadOnce) {
  auto fixed = ClientCa::open(file(), false, base::Logger());
  ASSERT_TRUE(fixed.ok());
  const Authority other("other");
  write(other.pem());
  const auto peer = PeerCertificates::of_pem(authority_.issue(client("a")).certificate_pem);
  EXPECT_TRUE((*fixed)->user_of(*peer, kBeginning).ok());
}

TEST_F(ClientCertificates, AFileThatCannotBeUsedFailsAtTheStart) {
  write("nothing");
  const auto opened = ClientCa::open(file(), true, base::Logger());
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().to_string(), HasSubstr("clientCAFile " + file()));
  EXPECT_FALSE(ClientCa::open(folder_ + "/missing", true, base::Logger()).ok());
}

TEST_F(ClientCertificates, TellHowLongTheyAreGood) {
  const auto peer = PeerCertificates::of_pem(authority_.issue(client("a")).certificate_pem);
  EXPECT_EQ(time_left(*peer, kBeginning), 24h);
}

}  // namespace
}  // namespace keelson::server::testing
