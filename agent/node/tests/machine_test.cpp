#include "agent/node/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace keelson::agent {
namespace {

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

TEST(NodeName, IsTrimmedAndLowerCase) {
  EXPECT_EQ(node_name("  My-Node.Example ").value(), "my-node.example");
  EXPECT_FALSE(node_name("   ").ok());
  EXPECT_TRUE(node_name("").ok());
}

TEST(HugepageBytes, ComeFromTheName) {
  EXPECT_EQ(hugepage_bytes_of("hugepages-2048kB"), 2048u * 1024);
  EXPECT_EQ(hugepage_bytes_of("hugepages-1048576kB"), 1u << 30);
  EXPECT_EQ(hugepage_bytes_of("hugepages-xkB"), 0u);
}

TEST(OnlineCpus, AreThoseOfNumaNodesElseAll) {
  struct Row {
    const char* what;
    std::vector<std::string> nodes;
    const char* online;
    std::uint32_t count;
  };
  for (const Row& row :
       {Row{"two nodes", {"0-1", "2-3"}, "0-3", 4}, Row{"one CPU offline", {"0-3"}, "0,2-3", 3},
        Row{"no nodes", {}, "0-7", 8}, Row{"memory-only nodes", {"\n", ""}, "0-1", 2},
        Row{"nodes share CPUs", {"0-1", "1-2"}, "0-2", 3}, Row{"no list of online ones", {"0-1"}, "", 2},
        Row{"nothing readable", {}, "", 0}, Row{"absurd", {"0-4294967295"}, "0", 1}}) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ(count_online_cpus(row.nodes, row.online), row.count);
  }
}

TEST(Architecture, IsNamedAsGoDoes) {
  EXPECT_EQ(go_architecture("x86_64"), "amd64");
  EXPECT_EQ(go_architecture("aarch64"), "arm64");
  EXPECT_EQ(go_architecture("riscv64"), "riscv64");
}

class MachineFiles : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ + path).substr(0, (root_ + path).rfind('/')));
    std::ofstream(root_ + path) << text;
  }
  std::string root_ = ::testing::TempDir() + "machine-" + std::to_string(::getpid());
};

// The order of the runtime's limits is that in which the kernel lists its sizes.
TEST_F(MachineFiles, ListPageSizesInTheDirectorysOrder) {
  const std::string folder = "/sys/kernel/mm/hugepages/";
  for (const char* name : {"hugepages-1048576kB", "hugepages-2048kB", "hugepages-64kB", "hugepages-32768kB"}) {
    write(folder + name + "/nr_hugepages", "0\n");
  }
  std::vector<std::string> wanted;
  for (const auto& entry : std::filesystem::directory_iterator(root_ + folder)) {
    wanted.push_back(hugepage_size_of(entry.path().filename().string()));
  }
  EXPECT_EQ(read_machine(root_).hugepage_sizes, wanted);
}

TEST_F(MachineFiles, GiveTheMachine) {
  write("/proc/meminfo", "MemTotal: 1024 kB\nSwapTotal: 512 kB\n");
  write("/sys/devices/system/cpu/online", "0-3\n");
  write("/sys/devices/system/node/node0/cpulist", "0-1\n");
  write("/sys/devices/system/node/node1/cpulist", "2\n");
  write("/sys/devices/system/node/possible", "0-1\n");
  write("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "16\n");
  write("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
  write("/sys/class/dmi/id/product_uuid", "UUID-1\n");
  write("/etc/machine-id", "machine-1\n");
  write("/usr/lib/os-release", "PRETTY_NAME=\"Test OS\"\n");
  write("/proc/sys/kernel/random/boot_id", "boot-1\n");
  const Machine machine = read_machine(root_);
  EXPECT_EQ(machine.cpus, 3u);
  EXPECT_EQ(machine.memory_bytes, 1024u * 1024);
  EXPECT_EQ(machine.swap_bytes, 512u * 1024);
  ASSERT_EQ(machine.hugepages.size(), 2u);
  std::uint64_t bytes = 0;
  for (const auto& pool : machine.hugepages) bytes += pool.page_bytes * pool.pages;
  EXPECT_EQ(bytes, 32u << 20);
  EXPECT_EQ(machine.system_uuid, "UUID-1");
  EXPECT_EQ(machine.machine_id, "machine-1");
  EXPECT_EQ(machine.boot_id, "boot-1");
  EXPECT_FALSE(machine.architecture.empty());
}

TEST_F(MachineFiles, HaveSecondChoices) {
  write("/proc/device-tree/vm,uuid", std::string("vm-1\0", 5));
  write("/var/lib/dbus/machine-id", "dbus-1\n");
  Machine machine = read_machine(root_);
  EXPECT_EQ(machine.system_uuid, "vm-1");
  EXPECT_EQ(machine.machine_id, "dbus-1");
  EXPECT_EQ(machine.os_image, "Linux");
  write("/proc/device-tree/system-id", "system-1");
  write("/etc/machine-id", "etc-1");
  machine = read_machine(root_);
  EXPECT_EQ(machine.system_uuid, "system-1");
  EXPECT_EQ(machine.machine_id, "etc-1");
  std::filesystem::remove_all(root_ + "/proc/device-tree");
  EXPECT_EQ(read_machine(root_).system_uuid, "etc-1");
}

TEST(FilesystemBytes, SayWhichPathIsMissing) {
  EXPECT_GT(filesystem_bytes("/").value_or(0), 0u);
  const auto missing = filesystem_bytes("/no/such/path");
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().to_string(), HasSubstr("/no/such/path"));
}

}  // namespace
}  // namespace keelson::agent
