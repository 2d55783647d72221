#include "agent/node/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Meminfo, GivesTotalsInBytes) {
  const MemoryInfo info =
      parse_meminfo("MemTotal:       16384 kB\nMemFree: 1 kB\nSwapTotal:  2048 kB\nHugePages_Total: 0\n");
  EXPECT_EQ(info.total, 16384u * 1024);
  EXPECT_EQ(info.swap_total, 2048u * 1024);
}

TEST(Meminfo, LeavesOutWhatItCannotRead) {
  for (const char* text : {"", "MemTotal", "MemTotal: x kB", "\n\n:::\n", "MemTotal:\n"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(parse_meminfo(text).total, 0u);
  }
}

TEST(HugepageSizes, AreNamedAsTheRuntimeNamesThem) {
  struct Row {
    const char* directory;
    const char* size;
  };
  for (const Row& row : {Row{"hugepages-2048kB", "2MB"}, Row{"hugepages-1048576kB", "1GB"},
                         Row{"hugepages-64kB", "64KB"}, Row{"hugepages-1536kB", "1536KB"}, Row{"hugepages-kB", ""},
                         Row{"hugepages-xkB", ""}, Row{"hugepages-2048", ""}, Row{"", ""}, Row{"other", ""}}) {
    SCOPED_TRACE(row.directory);
    EXPECT_EQ(hugepage_size_of(row.directory), row.size);
  }
}

TEST(CpuLists, AreCounted) {
  struct Row {
    const char* text;
    std::uint32_t count;
  };
  for (const Row& row :
       {Row{"0", 1}, Row{"0-3", 4}, Row{"0-3,6\n", 5}, Row{"0-1,4-5,9", 5}, Row{"", 0}, Row{"x", 0}, Row{"3-1", 0}}) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(count_cpu_list(row.text), row.count);
  }
}

TEST(OsImage, IsThePrettyName) {
  EXPECT_EQ(parse_os_image("NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n"),
            "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(parse_os_image("ID=x\n"), "Linux");
}

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

TEST(NodeName, IsTrimmedAndLowerCase) {
  EXPECT_EQ(node_name("  My-Node.Example ").value(), "my-node.example");
  EXPECT_FALSE(node_name("   ").ok());
  EXPECT_TRUE(node_name("").ok());
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
      {"same family twice", "192.0.2.10,198.51.100.7", {}, "eth0", {}, "same family"},
      {"three", "192.0.2.10,2001:db8::10,198.51.100.7", {}, "eth0", {}, "at most one address of each family"},
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
    const auto ips = choose_node_ips(row.configured, row.resolved, local, row.default_interface);
    if (row.expected.empty()) {
      ASSERT_FALSE(ips.ok());
      EXPECT_THAT(ips.error().to_string(), HasSubstr(row.error));
      continue;
    }
    ASSERT_TRUE(ips.ok()) << ips.error().to_string();
    EXPECT_EQ(*ips, row.expected);
  }
  EXPECT_FALSE(choose_node_ips("", {}, {{"lo", "127.0.0.1"}}, "").ok());
}

}  // namespace
}  // namespace keelson::agent
