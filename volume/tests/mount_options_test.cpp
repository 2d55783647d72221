// Mount options and groups that persistent volumes bring along.
#include "volume/mount_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "volume/supplemental_group.hpp"

namespace keelson::volume {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

api::core::PersistentVolume pv_with(std::vector<std::string> options) {
  api::core::PersistentVolume pv;
  for (auto& option : options) pv.mutable_spec()->add_mountoptions(std::move(option));
  return pv;
}

void annotate(api::core::PersistentVolume& pv, const std::string& key, const std::string& value) {
  (*pv.mutable_metadata()->mutable_annotations())[key] = value;
}

TEST(MountOptions, AreSortedAndEachOnce) {
  EXPECT_THAT(mount_options(pv_with({"ro", "hard", "ro"}), {"ro", "bind"}), ElementsAre("bind", "hard", "ro"));
  EXPECT_THAT(join_mount_options({"b", ""}, {"a", "b"}), ElementsAre("a", "b"));
}

TEST(MountOptions, TheAnnotationBeatsTheSpec) {
  auto pv = pv_with({"hard"});
  annotate(pv, "volume.beta.kubernetes.io/mount-options", "soft,ro");
  EXPECT_THAT(mount_options(pv, {"bind"}), ElementsAre("bind", "ro", "soft"));
  annotate(pv, "volume.beta.kubernetes.io/mount-options", "");
  EXPECT_THAT(mount_options(pv, {}), IsEmpty());
}

TEST(MountOptions, OfAPvWithoutAnyTheOthersStayAsTheyAre) {
  EXPECT_THAT(mount_options({}, {"ro", "bind"}), ElementsAre("ro", "bind"));
}

TEST(MountOptions, AreForSomeTypesOnly) {
  auto pv = pv_with({"hard"});
  auto* source = pv.mutable_spec()->mutable_persistentvolumesource();
  source->mutable_hostpath();
  EXPECT_EQ(check_mount_options(pv).error().to_string(), "Mount options are not supported for this volume type");
  pv.mutable_spec()->clear_mountoptions();
  EXPECT_TRUE(check_mount_options(pv).ok());
  annotate(pv, "volume.beta.kubernetes.io/mount-options", "hard");
  EXPECT_FALSE(check_mount_options(pv).ok());
  source->clear_hostpath();
  source->mutable_local();
  EXPECT_TRUE(check_mount_options(pv).ok());
  for (const auto set : {+[](api::core::PersistentVolumeSource& s) { s.mutable_nfs(); },
                         +[](api::core::PersistentVolumeSource& s) { s.mutable_iscsi(); },
                         +[](api::core::PersistentVolumeSource& s) { s.mutable_fc(); },
                         +[](api::core::PersistentVolumeSource& s) { s.mutable_csi(); }}) {
    source->Clear();
    set(*source);
    EXPECT_TRUE(check_mount_options(pv).ok());
  }
}

TEST(SupplementalGroup, IsTheNumberOfTheAnnotationUnlessThePodHasIt) {
  struct Row {
    const char* annotation;
    std::optional<std::int64_t> group;
  };
  for (const auto& row :
       {Row{"1234", 1234}, Row{"+7", 7}, Row{"-1", -1}, Row{"", std::nullopt}, Row{"1a", std::nullopt},
        Row{" 1", std::nullopt}, Row{"99999999999999999999", std::nullopt}, Row{"55", std::nullopt}}) {
    api::core::PersistentVolume pv;
    annotate(pv, "pv.beta.kubernetes.io/gid", row.annotation);
    api::core::PodSpec pod;
    pod.mutable_securitycontext()->add_supplementalgroups(55);
    EXPECT_EQ(supplemental_group(pv, pod), row.group) << row.annotation;
  }
  EXPECT_EQ(supplemental_group({}, {}), std::nullopt);
}

}  // namespace
}  // namespace keelson::volume
