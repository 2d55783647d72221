#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include "kube-client/certificate_store.hpp"
#include "kube-client/tests/cert_support.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using namespace testing;

const base::SystemTime kNow(1'767'225'845s);  // 2026-01-01T00:04:05Z

class CertificateStoreTest : public ::testing::Test {
 protected:
  CertificateStoreTest() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
  std::string dated(const std::string& stamp) const { return pki / ("kubelet-client-" + stamp + ".pem"); }
  Identity pair(const std::string& node = "n1") { return ca.issue(node_names(node), kNow, 1h); }
  std::string both(const Identity& identity) const { return identity.certificate_pem + identity.key_pem; }

  TestCa ca;
  TempDir pki;
  const std::string current = pki / "kubelet-client-current.pem";
  const std::string updated = pki / "kubelet-client-updated.pem";
};

TEST_F(CertificateStoreTest, UpdateWritesADatedFileAndPointsCurrentAtIt) {
  CertificateStore store(pki / "pki", "kubelet-client");
  const Identity first = pair();
  ASSERT_TRUE(store.update(first, kNow).ok());
  const std::string file = pki / "pki/kubelet-client-2026-01-01-00-04-05.pem";
  EXPECT_EQ(read(file), both(first)) << "the chain, then the key";
  EXPECT_EQ(mode_of(file), 0600u);
  EXPECT_EQ(mode_of(pki / "pki"), 0755u);
  EXPECT_TRUE(is_link(store.current_path()));
  EXPECT_EQ(link_target(store.current_path()), file) << "an absolute target";

  const Identity second = pair();
  ASSERT_TRUE(store.update(second, kNow + 1s).ok());
  EXPECT_EQ(link_target(store.current_path()), pki / "pki/kubelet-client-2026-01-01-00-04-06.pem");
  EXPECT_EQ(read(file), both(first)) << "the old file stays";
  const auto loaded = store.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ(*loaded, second);
  EXPECT_FALSE(is_link(pki / "pki/kubelet-client-updated.pem"));
}

TEST_F(CertificateStoreTest, APlainFileInThePlaceOfTheLinkIsAnErrorAndStays) {
  pki.write("kubelet-client-current.pem", "mine");
  CertificateStore store(pki.path(), "kubelet-client");
  const Status status = store.update(pair(), kNow);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().to_string(), current + " is a file, expected a symbolic link; move it away");
  EXPECT_EQ(read(current), "mine");
}

TEST_F(CertificateStoreTest, APlainFileAsUpdatedIsAnErrorAndALeftOverLinkIsNot) {
  CertificateStore store(pki.path(), "kubelet-client");
  pki.write("kubelet-client-updated.pem", "mine");
  EXPECT_FALSE(store.update(pair(), kNow).ok());
  EXPECT_FALSE(store.recover().ok());
  ::unlink(updated.c_str());
  ASSERT_EQ(::symlink("/nowhere", updated.c_str()), 0);
  EXPECT_TRUE(store.update(pair(), kNow).ok());
}

TEST_F(CertificateStoreTest, ALeftOverUpdatedLinkBecomesCurrent) {
  const Identity identity = pair();
  const std::string file = pki.write("kubelet-client-x.pem", both(identity));
  ASSERT_EQ(::symlink(file.c_str(), updated.c_str()), 0);
  CertificateStore store(pki.path(), "kubelet-client");
  ASSERT_TRUE(store.recover().ok());
  EXPECT_EQ(link_target(current), file);
  EXPECT_EQ(*store.load(), identity);
}

TEST_F(CertificateStoreTest, ALeftOverUpdatedLinkBesideCurrentIsLeftAlone) {
  const std::string old_file = pki.write("old.pem", both(pair()));
  const std::string new_file = pki.write("new.pem", both(pair()));
  ASSERT_EQ(::symlink(old_file.c_str(), current.c_str()), 0);
  ASSERT_EQ(::symlink(new_file.c_str(), updated.c_str()), 0);
  CertificateStore store(pki.path(), "kubelet-client");
  ASSERT_TRUE(store.recover().ok());
  EXPECT_EQ(link_target(current), old_file);
}

TEST_F(CertificateStoreTest, LoadsFromCurrentThenTheKubeconfigsPathsThenThePlainPair) {
  const Identity plain = pair("plain");
  const Identity named = pair("named");
  const Identity newest = pair("newest");
  CertificateStore store(pki.path(), "kubelet-client", pki / "named.crt", pki / "named.key");
  const auto nothing = store.load();
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().kind(), ErrorKind::not_found);

  pki.write("kubelet-client.crt", plain.certificate_pem);
  EXPECT_EQ(store.load().error().kind(), ErrorKind::not_found) << "half a pair is none";
  pki.write("kubelet-client.key", plain.key_pem);
  EXPECT_EQ(*store.load(), plain);

  pki.write("named.crt", named.certificate_pem);
  pki.write("named.key", named.key_pem);
  EXPECT_EQ(*store.load(), named);

  pki.write("kubelet-client-current.pem", both(newest));
  EXPECT_EQ(*store.load(), newest) << "a plain file is good enough for reading";
}

TEST_F(CertificateStoreTest, ABrokenCurrentFileIsAnErrorThatNamesIt) {
  const Identity one = pair();
  const Identity other = pair();
  const std::vector<std::string> rows = {"", "nonsense", one.certificate_pem, one.key_pem,
                                         one.certificate_pem + other.key_pem};
  for (const auto& text : rows) {
    pki.write("kubelet-client-current.pem", text);
    const auto loaded = CertificateStore(pki.path(), "kubelet-client").load();
    ASSERT_FALSE(loaded.ok()) << text;
    EXPECT_EQ(loaded.error().kind(), ErrorKind::invalid) << text;
    EXPECT_NE(loaded.error().to_string().find(current), std::string::npos) << loaded.error().to_string();
  }
}

TEST_F(CertificateStoreTest, APairThatDoesNotFitIsNotStored) {
  CertificateStore store(pki.path(), "kubelet-client");
  EXPECT_FALSE(store.update({pair().certificate_pem, pair().key_pem}, kNow).ok());
  EXPECT_FALSE(is_link(current));
}

TEST(SplitPem, TakesCertificatesAndKeysApart) {
  TestCa ca;
  const Identity identity = ca.issue(node_names("n1"), kNow, 1h);
  const std::string mixed = "text\n" + identity.key_pem + identity.certificate_pem + ca.pem();
  const Identity split = split_pem(mixed, mixed);
  EXPECT_EQ(split.certificate_pem, identity.certificate_pem + ca.pem());
  EXPECT_EQ(split.key_pem, identity.key_pem);
}

}  // namespace
}  // namespace keelson::kube
