#include "cgroup-manager/names.hpp"

#include <gtest/gtest.h>

namespace keelson::cgroups {
namespace {

constexpr const char* kUid = "0a1b-2c3d";

struct Row {
  QosClass qos;
  std::string cgroupfs, systemd, unit;
};

TEST(CgroupNames, PodsHaveThePathsOfBothDrivers) {
  const std::vector<Row> rows{
      {QosClass::guaranteed, "/kubepods/pod0a1b-2c3d", "/kubepods.slice/kubepods-pod0a1b_2c3d.slice",
       "kubepods-pod0a1b_2c3d.slice"},
      {QosClass::burstable, "/kubepods/burstable/pod0a1b-2c3d",
       "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b_2c3d.slice",
       "kubepods-burstable-pod0a1b_2c3d.slice"},
      {QosClass::best_effort, "/kubepods/besteffort/pod0a1b-2c3d",
       "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0a1b_2c3d.slice",
       "kubepods-besteffort-pod0a1b_2c3d.slice"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.cgroupfs);
    const CgroupName name = pod({}, row.qos, kUid);
    EXPECT_EQ(cgroupfs_path(name), row.cgroupfs);
    EXPECT_EQ(path(Driver::cgroupfs, name), row.cgroupfs);
    EXPECT_EQ(systemd_path(name), row.systemd);
    EXPECT_EQ(path(Driver::systemd, name), row.systemd);
    EXPECT_EQ(systemd_unit(name), row.unit);
    EXPECT_EQ(pod_uid(row.cgroupfs), kUid);
    EXPECT_EQ(pod_uid(row.systemd), kUid);
    EXPECT_EQ(pod_uid(row.unit), kUid);
  }
}

TEST(CgroupNames, GuaranteedPodsHaveNoTier) { EXPECT_EQ(tier({}, QosClass::guaranteed), pods_root({})); }

TEST(CgroupNames, ARootOfTheConfigurationIsPutBeforeAll) {
  const auto root = parse_root("/foo/bar/");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(cgroupfs_path(pods_root(root.value())), "/foo/bar/kubepods");
  EXPECT_EQ(systemd_path(pods_root(root.value())), "/foo.slice/foo-bar.slice/foo-bar-kubepods.slice");
}

TEST(CgroupNames, TheEmptyRootIsTheRoot) {
  for (const char* text : {"", "/", "//"}) {
    const auto root = parse_root(text);
    ASSERT_TRUE(root.ok()) << text;
    EXPECT_TRUE(root.value().empty()) << text;
  }
  EXPECT_EQ(cgroupfs_path({}), "/");
  EXPECT_EQ(systemd_path({}), "/");
  EXPECT_EQ(systemd_unit({}), "-.slice");
}

TEST(CgroupNames, ARootThatCouldNotBeReadBackIsRefused) {
  for (const char* text : {"/a_b", "/a/../b", "/./a"}) {
    const auto root = parse_root(text);
    ASSERT_FALSE(root.ok()) << text;
    EXPECT_EQ(root.error().kind(), ErrorKind::invalid);
    EXPECT_NE(root.error().message().find(text), std::string::npos) << root.error().message();
  }
}

TEST(CgroupNames, WhatIsNoPodHasNoUid) {
  for (const char* path : {"/kubepods", "/kubepods.slice/kubepods-burstable.slice", "/kubepods/pod", "", "/",
                           "/kubepods/burstable/crio-1234"}) {
    EXPECT_EQ(pod_uid(path), std::nullopt) << path;
  }
}

TEST(CgroupNames, EscapingIsUndoneByUnescaping) {
  EXPECT_EQ(escape("pod0a-1b"), "pod0a_1b");
  EXPECT_EQ(unescape(escape("pod0a-1b")), "pod0a-1b");
}

}  // namespace
}  // namespace keelson::cgroups
