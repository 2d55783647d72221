#include "volume/csi/volume.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/proto/storage_v1.pb.h"
#include "base/sha256.hpp"
#include "volume/csi/names.hpp"

namespace keelson::volume {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

api::core::PersistentVolume pv() {
  api::core::PersistentVolume out;
  out.mutable_metadata()->set_name("pv-1");
  auto& source = *out.mutable_spec()->mutable_persistentvolumesource()->mutable_csi();
  source.set_driver("disk.example");
  source.set_volumehandle("vol-1");
  source.set_fstype("xfs");
  source.set_readonly(true);
  (*source.mutable_volumeattributes())["pool"] = "fast";
  source.mutable_nodestagesecretref()->set_name("stage");
  source.mutable_nodestagesecretref()->set_namespace_("ns");
  source.mutable_nodeexpandsecretref()->set_name("grow");
  for (const char* option : {"noatime", "discard"}) out.mutable_spec()->add_mountoptions(option);
  out.mutable_spec()->add_accessmodes("ReadWriteOncePod");
  return out;
}

TEST(CsiVolume, OfAPersistentVolumeTakesTheClaimsReadOnly) {
  const auto volume = csi_volume(pv(), false);
  ASSERT_TRUE(volume.ok());
  EXPECT_EQ(volume->name, "pv-1");
  EXPECT_EQ(volume->handle, "vol-1");
  EXPECT_FALSE(volume->read_only) << "the PV's own readOnly does not count";
  EXPECT_THAT(volume->mount_options, ElementsAre("noatime", "discard"));
  EXPECT_EQ(volume->stage_secret, (CsiSecretRef{"ns", "stage"}));
  EXPECT_EQ(volume->publish_secret, std::nullopt);
  EXPECT_EQ(volume->expand_secret, (CsiSecretRef{"", "grow"}));
  EXPECT_EQ(csi_access_mode_of(*volume), "ReadWriteOncePod");
  EXPECT_TRUE(csi_volume(pv(), true)->read_only);
}

TEST(CsiVolume, InlineHasAHandleOfItsOwn) {
  api::Pod pod;
  pod.mutable_metadata()->set_uid("uid-1");
  pod.mutable_metadata()->set_namespace_("team");
  api::core::Volume inline_volume;
  inline_volume.set_name("scratch");
  auto& source = *inline_volume.mutable_volumesource()->mutable_csi();
  source.set_driver("disk.example");
  source.set_readonly(true);
  source.mutable_nodepublishsecretref()->set_name("login");
  const auto volume = csi_volume(pod, inline_volume);
  ASSERT_TRUE(volume.ok());
  EXPECT_TRUE(volume->inline_volume);
  EXPECT_EQ(volume->handle, "csi-" + base::sha256_hex("uid-1scratch"));
  EXPECT_EQ(volume->publish_secret, (CsiSecretRef{"team", "login"}));
  EXPECT_TRUE(volume->read_only);
  EXPECT_EQ(csi_access_mode_of(*volume), "ReadWriteOnce");
}

TEST(CsiVolume, NeedsADriverAndAHandle) {
  api::core::PersistentVolume none;
  none.mutable_spec()->mutable_persistentvolumesource()->mutable_nfs();
  EXPECT_FALSE(csi_volume(none, false).ok());
  auto without = pv();
  without.mutable_spec()->mutable_persistentvolumesource()->mutable_csi()->clear_volumehandle();
  EXPECT_FALSE(csi_volume(without, false).ok());
}

TEST(CsiTraits, WithoutAnObjectAreTheDefaults) {
  const CsiTraits traits = csi_traits(nullptr);
  EXPECT_FALSE(traits.known);
  EXPECT_TRUE(traits.attach_required);
  EXPECT_FALSE(traits.pod_info_on_mount);
  EXPECT_EQ(traits.fs_group_policy, "ReadWriteOnceWithFSType");
  EXPECT_THAT(traits.lifecycle_modes, ElementsAre("Persistent"));
}

TEST(CsiTraits, AreReadFromTheObject) {
  k8s::storage::v1::CSIDriver object;
  auto& spec = *object.mutable_spec();
  spec.set_attachrequired(false);
  spec.set_podinfoonmount(true);
  spec.add_volumelifecyclemodes("Ephemeral");
  spec.set_fsgrouppolicy("File");
  spec.add_tokenrequests()->set_audience("vault");
  spec.add_tokenrequests()->set_expirationseconds(600);
  spec.set_requiresrepublish(true);
  spec.set_serviceaccounttokeninsecrets(true);
  spec.set_nodeallocatableupdateperiodseconds(60);
  const CsiTraits traits = csi_traits(&object);
  EXPECT_TRUE(traits.known);
  EXPECT_FALSE(traits.attach_required);
  EXPECT_THAT(traits.lifecycle_modes, ElementsAre("Ephemeral"));
  ASSERT_EQ(traits.token_requests.size(), 2u);
  EXPECT_EQ(traits.token_requests[0], (CsiTraits::TokenRequest{"vault", std::nullopt}));
  EXPECT_EQ(traits.token_requests[1], (CsiTraits::TokenRequest{"", 600}));
  EXPECT_TRUE(traits.requires_republish);
  EXPECT_TRUE(traits.tokens_in_secrets);
  EXPECT_EQ(traits.allocatable_update_seconds, 60);
}

TEST(CsiTraits, SayWhetherAnInlineVolumeMayBeOfTheDriver) {
  CsiVolume persistent;
  persistent.driver = "disk.example";
  CsiVolume ephemeral = persistent;
  ephemeral.inline_volume = true;
  CsiTraits traits;
  EXPECT_TRUE(check_lifecycle_mode(persistent, traits).ok());
  EXPECT_EQ(check_lifecycle_mode(ephemeral, traits).error().to_string(),
            "volume mode \"Ephemeral\" not supported by driver disk.example (no CSIDriver object)");
  traits.known = true;
  EXPECT_EQ(check_lifecycle_mode(ephemeral, traits).error().to_string(),
            "volume mode \"Ephemeral\" not supported by driver disk.example (only supports [\"Persistent\"])");
  traits.lifecycle_modes = {"Persistent", "Ephemeral"};
  EXPECT_TRUE(check_lifecycle_mode(ephemeral, traits).ok());
}

TEST(CsiTraits, SayWhetherTheAgentAppliesFsGroup) {
  struct Row {
    const char* what;
    const char* policy;
    const char* fs_type;
    bool inline_volume;
    std::vector<std::string> modes;
    bool read_only;
    std::optional<std::int64_t> group;
    bool wanted;
  };
  const std::vector<Row> rows = {
      {"no group", "File", "ext4", false, {"ReadWriteOnce"}, false, std::nullopt, false},
      {"read-only", "File", "ext4", false, {"ReadWriteOnce"}, true, 5, false},
      {"None", "None", "ext4", false, {"ReadWriteOnce"}, false, 5, false},
      {"File, whatever the type", "File", "", false, {"ReadWriteMany"}, false, 5, true},
      {"default, RWO", "ReadWriteOnceWithFSType", "ext4", false, {"ReadOnlyMany", "ReadWriteOnce"}, false, 5, true},
      {"default, RWOP", "ReadWriteOnceWithFSType", "ext4", false, {"ReadWriteOncePod"}, false, 5, true},
      {"default, RWX", "ReadWriteOnceWithFSType", "ext4", false, {"ReadWriteMany"}, false, 5, false},
      {"default, no type", "ReadWriteOnceWithFSType", "", false, {"ReadWriteOnce"}, false, 5, false},
      {"default, inline", "ReadWriteOnceWithFSType", "ext4", true, {}, false, 5, true},
  };
  for (const Row& row : rows) {
    CsiVolume volume;
    volume.fs_type = row.fs_type;
    volume.inline_volume = row.inline_volume;
    volume.access_modes = row.modes;
    volume.read_only = row.read_only;
    CsiTraits traits;
    traits.fs_group_policy = row.policy;
    EXPECT_EQ(wants_fs_group(volume, traits, row.group), row.wanted) << row.what;
  }
}

TEST(CsiVolumeContext, HoldsThePodWhenTheDriverWantsIt) {
  CsiVolume volume;
  volume.attributes = {{"pool", "fast"}, {"csi.storage.k8s.io/pod.name", "a lie"}};
  const CsiPod pod{"web", "team", "uid-1", "builder"};
  CsiTraits traits;
  EXPECT_EQ(csi_volume_context(volume, pod, traits), volume.attributes);
  traits.pod_info_on_mount = true;
  EXPECT_THAT(csi_volume_context(volume, pod, traits),
              ElementsAre(Pair("csi.storage.k8s.io/ephemeral", "false"), Pair("csi.storage.k8s.io/pod.name", "web"),
                          Pair("csi.storage.k8s.io/pod.namespace", "team"), Pair("csi.storage.k8s.io/pod.uid", "uid-1"),
                          Pair("csi.storage.k8s.io/serviceAccount.name", "builder"), Pair("pool", "fast")));
  volume.inline_volume = true;
  EXPECT_EQ(csi_volume_context(volume, pod, traits)["csi.storage.k8s.io/ephemeral"], "true");
}

TEST(CsiTokens, AreJsonByAudience) {
  EXPECT_EQ(csi_tokens_json({{"vault", {"t2", "2026-01-01T01:00:00Z"}}, {"", {"t1", "2026-01-01T00:00:00Z"}}}),
            "{\"\":{\"token\":\"t1\",\"expirationTimestamp\":\"2026-01-01T00:00:00Z\"},"
            "\"vault\":{\"token\":\"t2\",\"expirationTimestamp\":\"2026-01-01T01:00:00Z\"}}");
}

}  // namespace
}  // namespace keelson::volume
