// Hostname, DNS, hosts file, ports, sysctls and namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pod_config/dns.hpp"
#include "agent/pod_config/hostname.hpp"
#include "agent/pod_config/hosts_file.hpp"
#include "agent/pod_config/namespaces.hpp"
#include "agent/pod_config/port_mappings.hpp"
#include "agent/pod_config/sysctls.hpp"
#include "agent/pod_config/tests/pods.hpp"

namespace keelson::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// --- Hostname

struct HostnameRow {
  const char* why;
  std::string pod;
  PodHostname expected;
};

TEST(Hostname, FollowsNameHostnameSubdomainAndOverride) {
  const std::string a63(63, 'a');
  const std::vector<HostnameRow> rows{
      {"the pod's name", "spec: {}", {"p", "", "p"}},
      {"hostname", "spec: {hostname: h}", {"h", "", "h"}},
      {"subdomain", "spec: {hostname: h, subdomain: s}", {"h", "s.ns.svc.cluster.local", "h"}},
      {"fqdn",
       "spec: {hostname: h, subdomain: s, setHostnameAsFQDN: true}",
       {"h", "s.ns.svc.cluster.local", "h.s.ns.svc.cluster.local"}},
      {"fqdn without domain", "spec: {setHostnameAsFQDN: true}", {"p", "", "p"}},
      {"override", "spec: {hostname: h, subdomain: s, hostnameOverride: x.y.z}", {"x.y.z", "", "x.y.z"}},
      {"cut", "metadata: {name: " + a63 + "b}", {a63, "", a63}},
      {"cut leaves no dash or dot at the end",
       "metadata: {name: " + a63.substr(2) + "-.bcd}",
       {a63.substr(2), "", a63.substr(2)}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.why);
    const auto hostname = make_hostname(make_pod(row.pod), "cluster.local");
    ASSERT_TRUE(hostname.ok()) << hostname.error().to_string();
    EXPECT_EQ(hostname.value().host, row.expected.host);
    EXPECT_EQ(hostname.value().domain, row.expected.domain);
    EXPECT_EQ(hostname.value().kernel, row.expected.kernel);
  }
}

TEST(Hostname, RefusesWhatIsNoDnsName) {
  for (const char* spec : {"hostname: H", "hostname: a.b", "hostname: -a", "subdomain: a_b", "hostnameOverride: a..b",
                           "hostnameOverride: 'a.-b'", "hostnameOverride: ''"}) {
    const auto hostname = make_hostname(make_pod("spec: {" + std::string(spec) + "}"), "cluster.local");
    ASSERT_FALSE(hostname.ok()) << spec;
    EXPECT_EQ(hostname.error().kind(), ErrorKind::invalid);
    EXPECT_THAT(hostname.error().message(), HasSubstr("is not a valid DNS"));
  }
}

TEST(Hostname, AQualifiedNameOverTheKernelsLimitIsAnError) {
  const std::string s(50, 's');
  const auto hostname =
      make_hostname(make_pod("spec: {subdomain: " + s + ", setHostnameAsFQDN: true}"), "cluster.local");
  ASSERT_FALSE(hostname.ok());
  EXPECT_THAT(hostname.error().message(), HasSubstr("is too long (64 characters is the max, 73 characters requested)"));
}

// --- resolv.conf

TEST(ResolvConf, NameserversAddUpTheLastSearchWinsAndOptionsMerge) {
  const auto dns = parse_resolv_conf(
      "# comment\nnameserver 1.1.1.1\n  nameserver\t2.2.2.2 ignored\nsearch old.example\nsearch a.example. . "
      "b.example\n"
      "options ndots:1 rotate\noptions ndots:3\n; other\nsortlist 1.2.3.4\r\n\n");
  ASSERT_TRUE(dns.ok());
  EXPECT_THAT(dns.value().servers, ElementsAre("1.1.1.1", "2.2.2.2"));
  EXPECT_THAT(dns.value().searches, ElementsAre("a.example", "b.example"));
  EXPECT_THAT(dns.value().options, ElementsAre("ndots:3", "rotate"));
}

TEST(ResolvConf, ABareNameserverLineIsAnError) {
  EXPECT_FALSE(parse_resolv_conf("nameserver\n").ok());
  EXPECT_FALSE(parse_resolv_conf(std::string(kMaxResolvConfBytes + 1, '#')).ok());
  EXPECT_TRUE(parse_resolv_conf("").ok());
}

// --- DNS policies

NodeInfo dns_node() {
  NodeInfo node;
  node.cluster_dns = {"10.96.0.10"};
  node.cluster_domain = "cluster.local";
  node.node_ips = {"192.0.2.10"};
  return node;
}
constexpr const char* kHostResolv = "nameserver 9.9.9.9\nsearch example.org cluster.local\noptions timeout:1\n";

cri::DnsConfig dns_of(const std::string& spec, const NodeInfo& node, std::vector<ConfigEvent>& events,
                      std::optional<std::string> resolv_conf = kHostResolv) {
  auto dns = make_dns_config(make_pod("spec: {" + spec + "}"), resolv_conf, node, events);
  EXPECT_TRUE(dns.ok());
  return dns.ok() ? dns.value() : cri::DnsConfig{};
}

struct DnsRow {
  std::string spec;
  cri::DnsConfig expected;
};

TEST(Dns, PoliciesChooseTheSource) {
  const cri::DnsConfig host{{"9.9.9.9"}, {"example.org", "cluster.local"}, {"timeout:1"}};
  const cri::DnsConfig cluster{
      {"10.96.0.10"}, {"ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"}, {"ndots:5"}};
  const std::vector<DnsRow> rows{
      {"dnsPolicy: ClusterFirst", cluster},
      {"dnsPolicy: ClusterFirst, hostNetwork: true", host},
      {"dnsPolicy: ClusterFirstWithHostNet, hostNetwork: true", cluster},
      {"dnsPolicy: Default", host},
      {"dnsPolicy: None", {}},
      {"dnsPolicy: None, dnsConfig: {nameservers: [8.8.8.8], searches: [x], options: [{name: a, value: b}, {name: c}]}",
       {{"8.8.8.8"}, {"x"}, {"a:b", "c"}}},
      {"dnsPolicy: ClusterFirst, dnsConfig: {nameservers: [10.96.0.10, 8.8.8.8], searches: [example.org, yy], options: "
       "[{name: ndots, value: '2'}]}",
       {{"10.96.0.10", "8.8.8.8"},
        {"ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org", "yy"},
        {"ndots:2"}}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.spec);
    std::vector<ConfigEvent> events;
    const auto dns = dns_of(row.spec, dns_node(), events);
    EXPECT_THAT(dns.servers, testing::ElementsAreArray(row.expected.servers));
    EXPECT_THAT(dns.searches, testing::ElementsAreArray(row.expected.searches));
    EXPECT_THAT(dns.options, testing::ElementsAreArray(row.expected.options));
    EXPECT_THAT(events, IsEmpty());
  }
}

TEST(Dns, WithoutAClusterDomainTheHostsSearchesRemain) {
  NodeInfo node = dns_node();
  node.cluster_domain = "";
  std::vector<ConfigEvent> events;
  EXPECT_THAT(dns_of("dnsPolicy: ClusterFirst", node, events).searches, ElementsAre("example.org", "cluster.local"));
}

TEST(Dns, WithoutClusterDnsThePodFallsBackAndSaysSo) {
  NodeInfo node = dns_node();
  node.cluster_dns.clear();
  std::vector<ConfigEvent> events;
  EXPECT_THAT(dns_of("dnsPolicy: ClusterFirst", node, events).servers, ElementsAre("9.9.9.9"));
  const std::string text =
      "kubelet does not have ClusterDNS IP configured and cannot create Pod using \"ClusterFirst\" policy. Falling "
      "back "
      "to \"Default\" policy.";
  EXPECT_THAT(events,
              ElementsAre(ConfigEvent{ConfigEvent::Target::node, "MissingClusterDNS", text},
                          ConfigEvent{ConfigEvent::Target::pod, "MissingClusterDNS", "pod: \"p_ns(u)\". " + text}));
}

TEST(Dns, WithoutAHostFileTheLocalMachineIsAsked) {
  NodeInfo node = dns_node();
  node.node_ips = {"192.0.2.10", "2001:db8::1"};
  std::vector<ConfigEvent> events;
  const auto dns = dns_of("dnsPolicy: Default", node, events, std::nullopt);
  EXPECT_THAT(dns.servers, ElementsAre("127.0.0.1", "::1"));
  EXPECT_THAT(dns.searches, ElementsAre("."));
  EXPECT_THAT(dns_of("dnsPolicy: ClusterFirst", node, events, std::nullopt).servers, ElementsAre("10.96.0.10"));
}

TEST(Dns, TooManyServersAreCutWithAWarning) {
  std::vector<ConfigEvent> events;
  const auto dns =
      dns_of("dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1, 2.2.2.2, 3.3.3.3, 4.4.4.4]}", dns_node(), events);
  EXPECT_THAT(dns.servers, ElementsAre("1.1.1.1", "2.2.2.2", "3.3.3.3"));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, "DNSConfigForming");
  EXPECT_EQ(events[0].message,
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
            "1.1.1.1 2.2.2.2 3.3.3.3");
}

TEST(Dns, SearchesAreCutByNumberLengthAndLine) {
  const auto searches_of = [](const std::vector<std::string>& all, std::vector<ConfigEvent>& events) {
    std::string list;
    for (const auto& one : all) list += (list.empty() ? "" : ", ") + one;
    return dns_of("dnsPolicy: None, dnsConfig: {searches: [" + list + "]}", dns_node(), events).searches;
  };
  std::vector<std::string> many;
  for (int i = 0; i < 33; ++i) many.push_back("s" + std::to_string(i));
  std::vector<ConfigEvent> events;
  EXPECT_EQ(searches_of(many, events).size(), 32u);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(events[0].message, testing::StartsWith("Search Line limits were exceeded, some search paths have been "
                                                     "omitted, the applied search line is: s0 s1 "));
  events.clear();
  EXPECT_THAT(searches_of({"a", std::string(254, 'x'), "b"}, events), ElementsAre("a", "b"));
  EXPECT_EQ(events.size(), 1u);
  events.clear();
  std::vector<std::string> wide;
  for (char c = 'a'; c < 'a' + 9; ++c) wide.push_back(std::string(250, c));
  EXPECT_EQ(searches_of(wide, events).size(), 8u) << "8 x 250 + 7 blanks fit into 2048, 9 do not";
  EXPECT_EQ(events.size(), 1u);
}

// --- Hosts file

TEST(HostsFile, HoldsAllIpsNamesAndAliases) {
  const auto pod = make_pod("spec: {hostAliases: [{ip: 1.2.3.4, hostnames: [x, yy.z]}]}");
  EXPECT_EQ(make_hosts_file(pod, {"10.0.0.1", "fd00::1"}, "h", "s.ns.svc.cluster.local"),
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
            "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
            "10.0.0.1\th.s.ns.svc.cluster.local\th\nfd00::1\th.s.ns.svc.cluster.local\th\n"
            "\n# Entries added by HostAliases.\n1.2.3.4\tx\tyy.z\n");
}

TEST(HostsFile, OnTheHostNetworkKeepsTheNodesFile) {
  EXPECT_EQ(make_host_network_hosts_file(make_pod("spec: {}"), "127.0.0.1 node\n"),
            "# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n");
}

// --- Ports, sysctls

TEST(PortMappings, DropRepeatsWithinAContainerOnly) {
  const auto pod = make_pod(
      "spec:\n"
      "  initContainers: [{name: i, ports: [{containerPort: 1}]}]\n"
      "  containers:\n"
      "  - {name: a, ports: [{name: web, containerPort: 80}, {name: web, containerPort: 81}, {containerPort: 5, "
      "protocol: UDP}, {containerPort: 5, protocol: UDP}, {containerPort: 5, protocol: UDP, hostIP: '::1'}]}\n"
      "  - {name: b, ports: [{name: web, containerPort: 82, hostPort: 8082, protocol: SCTP}]}\n");
  const std::vector<cri::PortMapping> expected{{cri::Protocol::tcp, 80, 0, ""},
                                               {cri::Protocol::udp, 5, 0, ""},
                                               {cri::Protocol::udp, 5, 0, "::1"},
                                               {cri::Protocol::sctp, 82, 8082, ""}};
  EXPECT_EQ(make_port_mappings(pod), expected);
}

TEST(Sysctls, SlashNamesAreTurnedToDotNames) {
  EXPECT_EQ(normal_sysctl_name("kernel.shm_rmid_forced"), "kernel.shm_rmid_forced");
  EXPECT_EQ(normal_sysctl_name("net/ipv4/conf/eth0.1/forwarding"), "net.ipv4.conf.eth0/1.forwarding");
  EXPECT_EQ(normal_sysctl_name("net.ipv4.conf.eth0/1.forwarding"), "net.ipv4.conf.eth0/1.forwarding");
  EXPECT_EQ(normal_sysctl_name("plain"), "plain");
}

// --- Namespaces

TEST(Namespaces, FollowTheHostFlags) {
  struct Row {
    std::string spec;
    cri::NamespaceMode network, pid, ipc;
  };
  using enum cri::NamespaceMode;
  for (const auto& row : {Row{"", pod, container, pod}, Row{"hostNetwork: true", node, container, pod},
                          Row{"hostPID: true", pod, node, pod}, Row{"hostIPC: true", pod, container, node},
                          Row{"shareProcessNamespace: true", pod, pod, pod}}) {
    SCOPED_TRACE(row.spec);
    const auto options = make_namespace_options(make_pod("spec: {" + row.spec + "}"), std::nullopt);
    ASSERT_TRUE(options.ok());
    EXPECT_EQ(options.value().network, row.network);
    EXPECT_EQ(options.value().pid, row.pid);
    EXPECT_EQ(options.value().ipc, row.ipc);
    EXPECT_EQ(options.value().userns_options->mode, node);
    EXPECT_THAT(options.value().userns_options->uids, IsEmpty());
  }
}

TEST(Namespaces, AUserNamespaceMapsItsRange) {
  const auto pod = make_pod("spec: {hostUsers: false}");
  const auto options = make_namespace_options(pod, UserNamespaceRange{131'072, 65'536});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options.value().userns_options->mode, cri::NamespaceMode::pod);
  EXPECT_THAT(options.value().userns_options->uids, ElementsAre(cri::IdMapping{131'072, 0, 65'536}));
  EXPECT_EQ(options.value().userns_options->gids, options.value().userns_options->uids);
  EXPECT_FALSE(make_namespace_options(pod, std::nullopt).ok());
}

TEST(Namespaces, AUserNamespaceNeedsAHandlerThatOffersIt) {
  const auto pod = make_pod("spec: {hostUsers: false}");
  const std::vector<cri::RuntimeHandler> handlers{{"", false, true}, {"old", false, false}};
  EXPECT_TRUE(check_user_namespace_support(pod, "", handlers).ok());
  EXPECT_EQ(check_user_namespace_support(pod, "old", handlers).error().message(),
            "can't set `spec.hostUsers: false`, RuntimeClass handler \"old\" does not support user namespaces");
  EXPECT_EQ(check_user_namespace_support(pod, "unknown", handlers).error().message(),
            "can't set `spec.hostUsers: false`, RuntimeClass handler \"unknown\" does not support user namespaces: the "
            "handler \"unknown\" is not known");
  EXPECT_EQ(check_user_namespace_support(pod, "any", {}).error().message(),
            "can't set `spec.hostUsers: false`, RuntimeClass handler \"any\" does not support user namespaces");
  EXPECT_EQ(check_user_namespace_support(pod, "", {}).error().message(),
            "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
  EXPECT_TRUE(check_user_namespace_support(make_pod("spec: {hostUsers: true}"), "", {}).ok());
}

TEST(Namespaces, ATargetReplacesOnlyThePidNamespaceOfItsOwn) {
  cri::NamespaceOption options;
  options.pid = cri::NamespaceMode::container;
  EXPECT_EQ(with_target(options, "id").pid, cri::NamespaceMode::target);
  EXPECT_EQ(with_target(options, "id").target_id, "id");
  EXPECT_EQ(with_target(options, ""), options);
  options.pid = cri::NamespaceMode::node;
  EXPECT_EQ(with_target(options, "id"), options);
}

}  // namespace
}  // namespace keelson::agent
