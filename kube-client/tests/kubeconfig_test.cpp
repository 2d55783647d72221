#include "kube-client/kubeconfig.hpp"

#include <gtest/gtest.h>

#include "api/base64.hpp"
#include "kube-client/tests/cert_support.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using namespace testing;

const base::SystemTime kNow(1'767'225'600s);

// A kubeconfig whose cluster and user have these fields (flow style, without braces).
std::string text_with(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- {name: c, context: {cluster: k, user: u}}\n"
         "clusters:\n- {name: k, cluster: {" +
         cluster + "}}\nusers:\n- {name: u, user: {" + user + "}}\n";
}

constexpr const char* kServer = "server: 'https://api.example:6443'";

Result<KubeConfig> parse(const std::string& text, const Environment& environment = {}) {
  return parse_kubeconfig(text, "/etc/kubernetes/kubelet.conf", environment);
}
std::string failure(const std::string& text) {
  const auto parsed = parse(text);
  return parsed.ok() ? "(parsed)" : parsed.error().to_string();
}

TEST(KubeConfig, TheServerBecomesAnEndpoint) {
  struct Row {
    std::string cluster;
    bool tls;
    std::string host, port, base_path;
  };
  const std::vector<Row> rows = {
      {kServer, true, "api.example", "6443", ""},
      {"server: 'https://10.0.0.1'", true, "10.0.0.1", "443", ""},
      {"server: 'https://[fd00::1]:6443/'", true, "fd00::1", "6443", ""},
      {"server: 'http://h/k8s/clusters/c-1/'", false, "h", "80", "/k8s/clusters/c-1"},
      {"server: 'h:8080'", false, "h", "8080", ""},
      {"server: 'h:8080', insecure-skip-tls-verify: true", true, "h", "8080", ""},
  };
  for (const auto& row : rows) {
    const auto config = parse(text_with(row.cluster, "token: t"));
    ASSERT_TRUE(config.ok()) << row.cluster << ": " << config.error().to_string();
    EXPECT_EQ(config->endpoint.tls, row.tls) << row.cluster;
    EXPECT_EQ(config->endpoint.host, row.host) << row.cluster;
    EXPECT_EQ(config->endpoint.port, row.port) << row.cluster;
    EXPECT_EQ(config->endpoint.base_path, row.base_path) << row.cluster;
    EXPECT_TRUE(config->endpoint.compression) << row.cluster;
  }
}

TEST(KubeConfig, TheOtherClusterFieldsAreTaken) {
  const TestCa ca;
  const auto config =
      parse(text_with(std::string(kServer) + ", tls-server-name: other, disable-compression: true, " +
                          "proxy-url: 'http://p', certificate-authority-data: " + api::base64_encode(ca.pem()),
                      "token: t"));
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config->endpoint.server_name, "other");
  EXPECT_FALSE(config->endpoint.compression);
  EXPECT_EQ(config->endpoint.proxy_url, "http://p:80");
  EXPECT_EQ(config->endpoint.ca_pem, ca.pem());
  EXPECT_FALSE(config->endpoint.insecure);
}

TEST(KubeConfig, TheEnvironmentsProxyCountsOnlyWithoutProxyUrl) {
  const Environment environment = {{"HTTPS_PROXY", "q:1"}};
  EXPECT_EQ(parse(text_with(kServer, "token: t"), environment)->endpoint.proxy_url, "http://q:1");
  const std::string own = std::string(kServer) + ", proxy-url: 'https://p:2'";
  EXPECT_EQ(parse(text_with(own, "token: t"), environment)->endpoint.proxy_url, "https://p:2");
}

TEST(KubeConfig, FilesAreRelativeToItsFolder) {
  TestCa ca;
  TempDir dir;
  const Identity identity = ca.issue(node_names("n1"), kNow, 1h);
  dir.write("ca.crt", ca.pem());
  dir.write("pair.pem", identity.certificate_pem + identity.key_pem);
  dir.write("token", "secret\n");
  const std::string path =
      dir.write("kubelet.conf",
                text_with(std::string(kServer) + ", certificate-authority: ca.crt",
                          "client-certificate: pair.pem, client-key: " + (dir / "pair.pem") + ", tokenFile: token"));
  const auto config = load_kubeconfig(path, {});
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config->endpoint.ca_pem, ca.pem());
  EXPECT_EQ(config->user.certificate_file, dir / "pair.pem");
  EXPECT_EQ(config->user.token_file, dir / "token");
  const auto read_identity = identity_of(config->user);
  ASSERT_TRUE(read_identity.ok());
  EXPECT_EQ(**read_identity, identity);
}

TEST(KubeConfig, UsersOfEveryKindAreUnderstood) {
  TestCa ca;
  const Identity identity = ca.issue(node_names("n1"), kNow, 1h);
  const auto inline_pair =
      parse(text_with(kServer, "client-certificate-data: " + api::base64_encode(identity.certificate_pem) +
                                   ", client-key-data: " + api::base64_encode(identity.key_pem)));
  ASSERT_TRUE(inline_pair.ok()) << inline_pair.error().to_string();
  EXPECT_EQ(inline_pair->user.certificate_pem, identity.certificate_pem);
  EXPECT_EQ(inline_pair->user.key_pem, identity.key_pem);
  EXPECT_EQ(parse(text_with(kServer, "token: abc"))->user.token, "abc");
  EXPECT_EQ(parse(text_with(kServer, "username: me, password: pw"))->user.password, "pw");
  EXPECT_FALSE(parse(text_with(kServer, ""))->user.has_certificate()) << "nobody is fine too";
}

TEST(KubeConfig, AnExecPluginIsUnderstood) {
  const TestCa ca;
  const std::string user =
      "exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/get-token, args: [-v, '3'], interactiveMode: "
      "IfAvailable, provideClusterInfo: true, installHint: get it, env: [{name: A, value: b}]}";
  const std::string cluster = std::string(kServer) +
                              ", tls-server-name: other, certificate-authority-data: " + api::base64_encode(ca.pem()) +
                              ", extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: x}}]";
  const auto config = parse(text_with(cluster, user));
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  const ExecPlugin& exec = *config->user.exec;
  EXPECT_EQ(exec.command, "/etc/kubernetes/bin/get-token");
  EXPECT_EQ(exec.args, (std::vector<std::string>{"-v", "3"}));
  EXPECT_EQ(exec.env.at(0), (std::pair<std::string, std::string>{"A", "b"}));
  EXPECT_EQ(exec.install_hint, "get it");
  EXPECT_EQ(exec.cluster_json, R"({"server":"https://api.example:6443","tls-server-name":"other",)"
                               R"("certificate-authority-data":")" +
                                   api::base64_encode(ca.pem()) + R"(","config":{"audience":"x"}})");
}

TEST(KubeConfig, WhatIsWrongIsNamedWithLineAndField) {
  TestCa ca;
  const Identity one = ca.issue(node_names("n1"), kNow, 1h);
  const Identity two = ca.issue(node_names("n1"), kNow, 1h);
  const std::string ca_data = ", certificate-authority-data: " + api::base64_encode(ca.pem());
  struct Row {
    std::string cluster, user, problem;
  };
  const std::vector<Row> rows = {
      {"", "", "line 7: clusters[0].cluster.server: missing, expected https://host:port"},
      {"server: 7", "", "line 7: clusters[0].cluster.server: expected a string, found number"},
      {"server: 'ftp://x'", "", "server: scheme \"ftp\" is not supported"},
      {"server: 'https://a:b@x'", "", "server: a user in the URL is not supported"},
      {"server: 'h:1/x'", "", "server: expected a URL or host:port"},
      {std::string(kServer) + ", insecure-skip-tls-verify: true" + ca_data, "",
       "insecure-skip-tls-verify: true together with a certificate authority"},
      {std::string(kServer) + ", certificate-authority: /x" + ca_data, "",
       "certificate-authority: given together with certificate-authority-data"},
      {std::string(kServer) + ", certificate-authority: none", "",
       "certificate-authority: open /etc/kubernetes/none: No such file or directory"},
      {std::string(kServer) + ", certificate-authority-data: '%'", "", "certificate-authority-data: not base64"},
      {std::string(kServer) + ", certificate-authority-data: eA==", "",
       "certificate-authority-data: no certificate in PEM form"},
      {std::string(kServer) + ", proxy-url: 'socks5://p'", "", "proxy-url: scheme \"socks5\" is not supported"},
      {std::string(kServer) + ", insecure-skip-tls-verify: 'yes'", "",
       "insecure-skip-tls-verify: expected true or false, found string"},
      {kServer, "token: 5", "line 9: users[0].user.token: expected a string, found number"},
      {kServer, "client-certificate: /x", "client-key: missing beside client-certificate"},
      {kServer, "client-key: /x", "client-certificate: missing beside client-key"},
      {kServer, "client-certificate: /none, client-key: /none", "client-certificate: open /none: No such file"},
      {kServer, "client-certificate: /x, client-certificate-data: eA==, client-key: /x",
       "client-certificate: given together with client-certificate-data"},
      {kServer,
       "client-certificate-data: " + api::base64_encode(one.certificate_pem) +
           ", client-key-data: " + api::base64_encode(two.key_pem),
       "client-certificate-data: the private key does not belong to the certificate"},
      {kServer, "token: t, username: u", "username: given together with a token"},
      {kServer, "tokenFile: none", "tokenFile: open /etc/kubernetes/none: No such file"},
      {kServer, "as: somebody", "users[0].user.as: impersonation is not supported"},
      {kServer, "as-groups: [a]", "users[0].user.as-groups: impersonation is not supported"},
      {kServer, "auth-provider: {name: gcp}", "auth-provider: not supported any more, use exec"},
      {kServer, "exec: {command: x}", "exec.apiVersion: \"\" is not supported"},
      {kServer, "exec: {apiVersion: client.authentication.k8s.io/v1beta1}", "exec.command: missing"},
      {kServer, "exec: {apiVersion: client.authentication.k8s.io/v1, command: x}", "exec.interactiveMode: expected"},
      {kServer, "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x, interactiveMode: Always}",
       "exec.interactiveMode: Always cannot work here"},
      {kServer, "token: t, exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}",
       "exec: given together with other credentials"},
  };
  for (const auto& row : rows) {
    const std::string message = failure(text_with(row.cluster, row.user));
    EXPECT_NE(message.find(row.problem), std::string::npos) << "expected " << row.problem << "\nfound " << message;
    EXPECT_TRUE(message.starts_with("kubeconfig /etc/kubernetes/kubelet.conf: ")) << message;
  }
}

TEST(KubeConfig, AllProblemsComeAtOnce) {
  const std::string message = failure(text_with("server: 'ftp://x', proxy-url: 'x'", "token: 5, as: me"));
  for (const char* part : {"cluster.server", "user.token", "user.as"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(KubeConfig, BrokenFilesAreRefused) {
  struct Row {
    std::string text, problem;
  };
  const std::string good = text_with(kServer, "token: t");
  const auto replaced = [&good](const std::string& what, const std::string& by) {
    std::string text = good;
    return text.replace(text.find(what), what.size(), by);
  };
  const std::vector<Row> rows = {
      {"", "there is no object in it"},
      {"a: [", "line"},
      {"[]", "there is no object in it"},
      {replaced("kind: Config", "kind: Pod"), "line 2: kind: expected Config, found \"Pod\""},
      {replaced("apiVersion: v1", "apiVersion: v2"), "apiVersion: expected v1"},
      {replaced("current-context: c", "x: y"), "current-context: missing"},
      {replaced("current-context: c", "current-context: d"), "current-context: there is no context \"d\""},
      {replaced("cluster: k, user: u", "cluster: q, user: u"),
       "contexts[0].context.cluster: there is no cluster \"q\""},
      {replaced("cluster: k, user: u", "cluster: k, user: q"), "contexts[0].context.user: there is no user \"q\""},
      {replaced("users:\n", "users:\n- {name: u, user: {}}\n"), "users[1].name: there are two entries \"u\""},
      {replaced("contexts:\n- {name: c, context: {cluster: k, user: u}}", "contexts: 5"), "contexts: expected a list"},
  };
  for (const auto& row : rows) {
    const std::string message = failure(row.text);
    EXPECT_NE(message.find(row.problem), std::string::npos) << "expected " << row.problem << "\nfound " << message;
  }
  EXPECT_EQ(load_kubeconfig("/none/kubelet.conf", {}).error().kind(), ErrorKind::not_found);
}

TEST(KubeConfig, OnlyTheCurrentContextCountsAndUnknownFieldsAreIgnored) {
  const std::string text = text_with(std::string(kServer) + ", new-field: {a: 1}", "token: t, other: x") +
                           "- {name: broken, user: {as: me, token: 5}}\npreferences: {}\nextensions: []\n";
  const auto config = parse(text);
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config->user.token, "t");
}

TEST(KubeConfig, JsonIsReadToo) {
  const auto config =
      parse(R"({"kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"k"}}],
                               "clusters":[{"name":"k","cluster":{"server":"https://h"}}]})");
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config->endpoint.host, "h");
}

TEST(KubeConfig, TheWrittenFileIsTheKubelets) {
  const TestCa ca;
  TempDir dir;
  ClusterConfig cluster;
  cluster.server = "https://10.0.0.1:6443";
  cluster.ca_pem = ca.pem();
  const std::string path = dir / "etc/kubelet.conf";
  ASSERT_TRUE(write_kubeconfig(path, cluster, "/pki/kubelet-client-current.pem").ok());
  EXPECT_EQ(mode_of(path), 0600u);
  EXPECT_EQ(read(path),
            "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: " + api::base64_encode(ca.pem()) +
                "\n    server: https://10.0.0.1:6443\n  name: default-cluster\ncontexts:\n- context:\n"
                "    cluster: default-cluster\n    namespace: default\n    user: default-auth\n"
                "  name: default-context\ncurrent-context: default-context\nkind: Config\nusers:\n"
                "- name: default-auth\n  user:\n    client-certificate: /pki/kubelet-client-current.pem\n"
                "    client-key: /pki/kubelet-client-current.pem\n");
}

TEST(KubeConfig, TheWrittenFileKeepsACaFileAndReadsBack) {
  TestCa ca;
  TempDir dir;
  const Identity identity = ca.issue(node_names("n1"), kNow, 1h);
  const std::string pair = dir.write("pair.pem", identity.certificate_pem + identity.key_pem);
  ClusterConfig cluster;
  cluster.server = "https://[fd00::1]:6443/base";
  cluster.ca_file = dir.write("ca.crt", ca.pem());
  cluster.server_name = "true";  // a name that YAML would take for something else
  const std::string path = dir / "kubelet.conf";
  ASSERT_TRUE(write_kubeconfig(path, cluster, pair).ok());
  const auto config = load_kubeconfig(path, {});
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config->cluster.server, cluster.server);
  EXPECT_EQ(config->cluster.ca_file, cluster.ca_file);
  EXPECT_EQ(config->endpoint.server_name, "true");
  EXPECT_EQ(config->user.key_file, pair);
}

}  // namespace
}  // namespace keelson::kube
