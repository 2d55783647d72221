#include "agent/node/addresses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace keelson::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kRouteHead[] = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";

TEST(DefaultRoute, IsTheOneOfTheLowestMetric) {
  const std::string text = std::string(kRouteHead) + "wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\n" +
                           "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\n" +
                           "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
  EXPECT_EQ(default_route_interface(text), "eth0");
  EXPECT_EQ(default_route_interface(kRouteHead), "");
  EXPECT_EQ(default_route_interface(""), "");
  EXPECT_EQ(default_route_interface("garbage\n00000000\n"), "");
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

TEST(NodeIps, FollowTheTable) {
  const std::vector<InterfaceAddress> local = {{"lo", "127.0.0.1"},      {"lo", "::1"},       {"eth0", "192.0.2.10"},
                                               {"eth0", "2001:db8::10"}, {"eth0", "fe80::1"}, {"eth1", "198.51.100.7"}};
  struct Row {
    const char* what;
    std::string configured;
    std::vector<std::string> resolved;
    std::string default_interface;
    std::vector<std::string> expected;  // empty = an error
    std::string error;
  };
  const Row rows[] = {
      {"configured", "198.51.100.7", {"192.0.2.10"}, "eth0", {"198.51.100.7"}, ""},
      {"both families", "2001:db8::10,192.0.2.10", {}, "eth0", {"2001:db8::10", "192.0.2.10"}, ""},
      {"not local", "203.0.113.5", {}, "eth0", {}, "no local interface has this address"},
      {"loopback", "127.0.0.1", {}, "eth0", {}, "not loopback"},
      {"link-local", "fe80::1", {}, "eth0", {}, "link-local"},
      {"no address", "what", {}, "eth0", {}, "--node-ip what"},
      {"by name", "", {"127.0.1.1", "198.51.100.7"}, "eth0", {"198.51.100.7"}, ""},
      {"by name, v4 first", "", {"2001:db8::10", "192.0.2.10"}, "eth0", {"192.0.2.10"}, ""},
      {"by name, v6 wanted", "::", {"192.0.2.10", "2001:db8::10"}, "eth0", {"2001:db8::10"}, ""},
      {"a name of elsewhere", "", {"203.0.113.5"}, "eth1", {"198.51.100.7"}, ""},
      {"default route", "", {}, "eth0", {"192.0.2.10"}, ""},
      {"default route, v6 wanted", "::", {}, "eth0", {"2001:db8::10"}, ""},
      {"no default route", "0.0.0.0", {}, "", {"192.0.2.10"}, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    AddressSettings settings;
    settings.node_name = "n";
    settings.configured = split(row.configured);
    AddressFacts facts;
    facts.local = local;
    facts.resolved = row.resolved;
    facts.default_interface = row.default_interface;
    const auto ips = choose_node_ips(settings, facts);
    if (row.expected.empty()) {
      ASSERT_FALSE(ips.ok());
      EXPECT_THAT(ips.error().to_string(), HasSubstr(row.error));
      continue;
    }
    ASSERT_TRUE(ips.ok()) << ips.error().to_string();
    EXPECT_EQ(*ips, row.expected);
  }
  AddressFacts nothing;
  nothing.local = {{"lo", "127.0.0.1"}};
  EXPECT_FALSE(choose_node_ips({"n", {}, false}, nothing).ok());
}

TEST(NodeIps, AreTheNameWhereThatIsOne) {
  EXPECT_EQ(choose_node_ips({"203.0.113.9", {}, false}, {}).value(), std::vector<std::string>{"203.0.113.9"});
}

TEST(NodeIps, AreOfTheOnlyFamilyThereIs) {
  AddressFacts facts;
  facts.local = {{"eth0", "2001:db8::10"}};
  EXPECT_EQ(choose_node_ips({"n", {}, false}, facts).value(), std::vector<std::string>{"2001:db8::10"});
}

TEST(DefaultRoute, OfVersionSixIsTheOneOfTheLowestMetric) {
  const std::string none(32, '0');
  const std::string text = none + " 00 " + none + " 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth1\n" +
                           none + " 00 " + none + " 00 fe800000000000000000000000000001 00000100 1 0 00000003 eth0\n" +
                           none + " 00 " + none + " 00 " + none + " ffffffff 1 0 00200200 lo\n" +
                           "fe800000000000000000000000000000 40 " + none + " 00 " + none + " 1 1 0 1 eth2\n";
  EXPECT_EQ(default_route_interface_v6(text), "eth0");
  EXPECT_EQ(default_route_interface_v6("garbage\n"), "");
}

// --- status.addresses

struct AddressCase {
  const char* what;
  bool external;
  std::string configured;
  std::string before;      // addresses the Node has
  std::string annotation;  // it has
  std::string after;
  std::string annotation_after;
};

std::string addresses_of(const api::core::Node& node) {
  std::string out;
  for (const auto& address : node.status().addresses()) {
    out += (out.empty() ? "" : ",") + address.type() + "=" + address.address();
  }
  return out;
}

TEST(NodeAddresses, FollowTheTable) {
  constexpr char kAnnotation[] = "alpha.kubernetes.io/provided-node-ip";
  const std::string pair = "192.0.2.10,2001:db8::10";
  const AddressCase cases[] = {
      {"one IP", false, "192.0.2.10", "", "", "InternalIP=192.0.2.10,Hostname=n", ""},
      {"a pair", false, pair, "", "", "InternalIP=192.0.2.10,InternalIP=2001:db8::10,Hostname=n", ""},
      {"none given", false, "", "ExternalIP=1.2.3.4", "", "InternalIP=192.0.2.10,Hostname=n", ""},
      {"a family", false, "::", "", "x", "InternalIP=2001:db8::10,Hostname=n", ""},
      {"the annotation of another time", false, "192.0.2.10", "", "1.1.1.1", "InternalIP=192.0.2.10,Hostname=n", ""},
      {"external, none given", true, "", "", "", "Hostname=n", ""},
      {"external, set by the cloud", true, "", "ExternalIP=1.2.3.4", "9.9.9.9", "ExternalIP=1.2.3.4", ""},
      {"external, one IP", true, "192.0.2.10", "", "", "InternalIP=192.0.2.10,Hostname=n", "192.0.2.10"},
      {"external, a pair, set by the cloud", true, pair, "ExternalIP=1.2.3.4", "", "ExternalIP=1.2.3.4", pair},
      {"external, a family", true, "0.0.0.0", "", "9.9.9.9", "Hostname=n", ""},
  };
  AddressFacts facts;
  facts.local = {{"lo", "127.0.0.1"}, {"eth0", "192.0.2.10"}, {"eth0", "2001:db8::10"}};
  facts.default_interface = "eth0";
  for (const AddressCase& row : cases) {
    SCOPED_TRACE(row.what);
    api::core::Node node;
    if (!row.before.empty()) {
      auto* address = node.mutable_status()->add_addresses();
      address->set_type(row.before.substr(0, row.before.find('=')));
      address->set_address(row.before.substr(row.before.find('=') + 1));
    }
    auto& annotations = *node.mutable_metadata()->mutable_annotations();
    if (!row.annotation.empty()) annotations[kAnnotation] = row.annotation;
    ASSERT_TRUE(set_addresses({"n", split(row.configured), row.external}, facts, node).ok());
    EXPECT_EQ(addresses_of(node), row.after);
    EXPECT_EQ(annotations.contains(kAnnotation) ? annotations[kAnnotation] : "", row.annotation_after);
  }
}

TEST(NodeAddresses, StayWhenAGivenIpIsNotOurs) {
  AddressFacts facts;
  facts.local = {{"eth0", "192.0.2.10"}};
  for (const bool external : {false, true}) {
    api::core::Node node;
    auto* address = node.mutable_status()->add_addresses();
    address->set_type("InternalIP");
    address->set_address("192.0.2.77");
    const std::string before = node.SerializeAsString();
    const Status set = set_addresses({"n", {"192.0.2.10", "2001:db8::1"}, external}, facts, node);
    ASSERT_FALSE(set.ok());
    EXPECT_THAT(set.error().to_string(), HasSubstr("2001:db8::1: no local interface"));
    EXPECT_EQ(node.SerializeAsString(), before);
  }
}

}  // namespace
}  // namespace keelson::agent
