#include "cgroup-manager/layout.hpp"

#include <gtest/gtest.h>

namespace keelson::cgroups {
namespace {

constexpr const char* kMounts =
    "22 1 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"
    "30 22 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "33 30 0:29 / /other/place/memory rw - cgroup cgroup rw,memory\n"
    "34 30 0:29 / /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory\n"
    "35 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd\n"
    "36 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    "garbage\n";

TEST(CgroupLayout, FindsTheHierarchiesOfVersion1) {
  const auto layout = layout_from_mounts(kMounts, "/sys/fs/cgroup", false);
  ASSERT_TRUE(layout.ok()) << layout.error().to_string();
  EXPECT_EQ(layout.value().version, Version::v1);
  const std::map<std::string, std::string> expected{{"cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                                                    {"cpuacct", "/sys/fs/cgroup/cpu,cpuacct"},
                                                    {"cpuset", "/sys/fs/cgroup/cpuset"},
                                                    {"memory", "/other/place/memory"},
                                                    {"name=systemd", "/sys/fs/cgroup/systemd"}};
  EXPECT_EQ(layout.value().controllers, expected);
  EXPECT_EQ(layout.value().unified, "/sys/fs/cgroup/unified") << "this machine is a hybrid";
}

TEST(CgroupLayout, NamesTheControllersThatAreMissing) {
  const auto layout = layout_from_mounts("31 30 0:27 / /cg/cpu rw - cgroup cgroup rw,cpu\n", "/cg", false);
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(layout.error().message(),
            "cgroup v1: no mount of the controllers cpuacct cpuset memory, expected cpu, cpuacct, cpuset and memory "
            "below /cg");
}

TEST(CgroupLayout, Version2NeedsNoMountTable) {
  const auto layout = layout_from_mounts("", "/cg", true);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout.value(), (Layout{Version::v2, "/cg", {}}));
}

TEST(CgroupLayout, AMissingRootIsAnErrorThatNamesIt) {
  const auto layout = find_layout("/nowhere/cgroup");
  ASSERT_FALSE(layout.ok());
  EXPECT_NE(layout.error().message().find("/nowhere/cgroup"), std::string::npos);
}

}  // namespace
}  // namespace keelson::cgroups
