// Which page size an emptyDir of huge pages gets.
#include "volume/huge_pages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "volume/local.hpp"
#include "volume/tests/fake_mounts.hpp"

namespace keelson::volume {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void ask(api::core::ResourceRequirements& resources, const std::string& name) {
  (*resources.mutable_requests())[name].set_string("4Mi");
}

std::string size_or_error(const api::core::PodSpec& spec, const std::string& medium) {
  const auto size = huge_page_size(spec, medium);
  return size.ok() ? *size : size.error().to_string();
}

TEST(HugePageSize, ComesFromAnyContainerOrThePodItself) {
  for (const char* where : {"container", "init container", "pod"}) {
    api::core::PodSpec spec;
    spec.add_containers();
    ask(*spec.mutable_containers(0)->mutable_resources(), "memory");
    api::core::ResourceRequirements& resources =
        std::string(where) == "container"        ? *spec.mutable_containers(0)->mutable_resources()
        : std::string(where) == "init container" ? *spec.add_initcontainers()->mutable_resources()
                                                 : *spec.mutable_resources();
    ask(resources, "hugepages-2Mi");
    EXPECT_EQ(size_or_error(spec, "HugePages"), "2Mi") << where;
    EXPECT_EQ(size_or_error(spec, "HugePages-2Mi"), "2Mi") << where;
    EXPECT_EQ(size_or_error(spec, "HugePages-2048Ki"), "2Mi") << where;
    EXPECT_EQ(size_or_error(spec, "HugePages-1Gi"),
              "medium HugePages-1Gi: hugePages storage requested, but there is no resource request for huge pages")
        << where;
  }
}

TEST(HugePageSize, SeveralSizesNeedAMediumThatNamesOne) {
  api::core::PodSpec spec;
  ask(*spec.add_containers()->mutable_resources(), "hugepages-2Mi");
  ask(*spec.add_containers()->mutable_resources(), "hugepages-1Gi");
  EXPECT_EQ(size_or_error(spec, "HugePages"),
            "medium: HugePages can't be used if container requests multiple huge page sizes");
  EXPECT_EQ(size_or_error(spec, "HugePages-1Gi"), "1Gi");
  EXPECT_EQ(size_or_error(spec, "HugePages-2Mi"), "2Mi");
}

TEST(HugePageSize, WithoutARequestThereIsNone) {
  EXPECT_EQ(size_or_error({}, "HugePages"),
            "medium HugePages: hugePages storage requested, but there is no resource request for huge pages");
  EXPECT_THAT(size_or_error({}, "HugePages-big"), HasSubstr("page size of HugePages-big"));
}

TEST(HugePages, AreKnownByTheMedium) {
  for (const char* medium : {"HugePages", "HugePages-2Mi"}) EXPECT_TRUE(is_huge_pages(medium)) << medium;
  for (const char* medium : {"", "Memory", "HugePagesX", "hugepages-2Mi"})
    EXPECT_FALSE(is_huge_pages(medium)) << medium;
}

TEST(HugePages, WhatIsMountedMustHaveTheSize) {
  MountEntry mounted{.path = "/m", .type = "hugetlbfs", .super_options = "rw,pagesize=2M"};
  EXPECT_TRUE(check_huge_pages(mounted, "2Mi").ok());
  EXPECT_EQ(check_huge_pages(mounted, "1Gi").error().to_string(),
            "mounted dir /m pagesize '2Mi' and requested medium size '1Gi' differ");
  mounted.super_options = "rw,pagesize=1024M";
  EXPECT_TRUE(check_huge_pages(mounted, "1Gi").ok());
  mounted.super_options = "rw";
  EXPECT_EQ(check_huge_pages(mounted, "1Gi").error().to_string(), "pageSize for mounted dir /m is not determined");
  mounted.type = "tmpfs";
  EXPECT_EQ(check_huge_pages(mounted, "1Gi").error().to_string(), "a file system of type tmpfs is mounted on /m");
}

class HugePagesVolume : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-huge-XXXXXX";
    options_.root = mkdtemp(name);
    pod_.mutable_metadata()->set_uid("uid-1");
    auto* container = pod_.mutable_spec()->add_containers();
    container->add_volumemounts()->set_name("huge");
    ask(*container->mutable_resources(), "hugepages-2Mi");
    auto* volume = pod_.mutable_spec()->add_volumes();
    volume->set_name("huge");
    volume->mutable_volumesource()->mutable_emptydir()->set_medium("HugePages");
  }
  void TearDown() override { std::filesystem::remove_all(options_.root); }
  std::string failure() {
    const auto result = set_up_volume(pod_, pod_.spec().volumes(0), options_, mounts_);
    return result.ok() ? "" : result.error().to_string();
  }

  LocalVolumeOptions options_;
  api::Pod pod_;
  FakeMounts mounts_;
};

TEST_F(HugePagesVolume, IsMountedOnceAndTakenOffAgain) {
  EXPECT_EQ(failure(), "");
  EXPECT_EQ(failure(), "");
  const std::string directory = options_.root + "/pods/uid-1/volumes/kubernetes.io~empty-dir/huge";
  ASSERT_EQ(mounts_.mounted.size(), 1u);
  EXPECT_EQ(mounts_.mounted[0].source, "nodev");
  EXPECT_EQ(mounts_.mounted[0].target, directory);
  EXPECT_EQ(mounts_.mounted[0].type, "hugetlbfs");
  EXPECT_THAT(mounts_.mounted[0].options, ElementsAre("pagesize=2Mi"));
  ASSERT_TRUE(tear_down(options_.root, "uid-1", mounts_).ok());
  EXPECT_TRUE(mounts_.table.empty());
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(HugePagesVolume, AMountWithOtherPagesIsAnError) {
  EXPECT_EQ(failure(), "");
  pod_.mutable_spec()->mutable_containers(0)->mutable_resources()->mutable_requests()->clear();
  ask(*pod_.mutable_spec()->mutable_containers(0)->mutable_resources(), "hugepages-1Gi");
  EXPECT_THAT(failure(), HasSubstr("pagesize '2Mi' and requested medium size '1Gi' differ"));
  EXPECT_EQ(mounts_.mounted.size(), 1u);
}

TEST_F(HugePagesVolume, AnUnknownMediumIsNamed) {
  pod_.mutable_spec()->mutable_volumes(0)->mutable_volumesource()->mutable_emptydir()->set_medium("Paper");
  EXPECT_EQ(failure(), "unknown storage medium \"Paper\"");
}

}  // namespace
}  // namespace keelson::volume
