#include "volume/manager/claims.hpp"

#include "volume/manager/tests/manager_fixture.hpp"

namespace keelson::volume {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClaimsTest : public ::testing::Test {
 protected:
  ClaimsTest() { sources_.cluster = &cluster_; }

  Result<VolumeSpec> resolve(const api::PodPtr& pod, const std::string& outer = "data") {
    return base::testing::run_real(loop_, resolve_volume(sources_, pod, outer));
  }
  std::string text(const api::PodPtr& pod) {
    const auto spec = resolve(pod);
    return spec.ok() ? "" : spec.error().to_string();
  }
  api::core::PersistentVolumeClaim& claim() { return cluster_.claims["ns/c"]; }

  base::Loop loop_;
  FakeVolumeCluster cluster_;
  ClaimSources sources_;
};

TEST_F(ClaimsTest, LeadThroughTheClaimToItsVolume) {
  cluster_.bind("c");
  auto pod = make_pod("u1");
  auto& source = *add_volume(*pod, "data").mutable_persistentvolumeclaim();
  source.set_claimname("c");
  source.set_readonly(true);
  const auto spec = resolve(pod);
  ASSERT_TRUE(spec.ok()) << spec.error().to_string();
  EXPECT_EQ(spec->name, "pv-c");
  EXPECT_EQ(spec->outer, "data");
  EXPECT_TRUE(spec->read_only);
  EXPECT_FALSE(spec->block);
  EXPECT_EQ(spec->claim->metadata().name(), "c");
}

TEST_F(ClaimsTest, WhatIsWrongIsSaidAsTheKubeletSaysIt) {
  const auto pod = pod_with_claim("u1", "c");
  EXPECT_EQ(text(pod),
            "error processing PVC ns/c: failed to fetch PVC from API server: persistentvolumeclaims \"c\" "
            "not found");
  cluster_.bind("c");
  claim().mutable_metadata()->mutable_deletiontimestamp();
  EXPECT_EQ(text(pod), "error processing PVC ns/c: PVC is being deleted");
  claim().mutable_metadata()->add_finalizers("kubernetes.io/pvc-protection");
  EXPECT_EQ(text(pod), "");
  claim().mutable_status()->set_phase("Pending");
  EXPECT_EQ(text(pod), "error processing PVC ns/c: PVC is not bound");
  claim().mutable_status()->set_phase("Bound");
  claim().mutable_spec()->clear_volumename();
  EXPECT_THAT(text(pod), HasSubstr("error processing PVC ns/c: PVC has empty"));
  claim().mutable_spec()->set_volumename("pv-x");
  EXPECT_EQ(text(pod),
            "error processing PVC ns/c: failed to fetch PV \"pv-x\" from API server: persistentvolumes "
            "\"pv-x\" not found");
  claim().mutable_spec()->set_volumename("pv-c");
  auto& pv = cluster_.volumes["pv-c"];
  pv.mutable_spec()->mutable_claimref()->set_uid("another");
  EXPECT_THAT(text(pod), HasSubstr("does not point to claim.UID \"uid-of-c\""));
  pv.mutable_spec()->clear_claimref();
  EXPECT_THAT(text(pod), HasSubstr("nil pv.Spec.ClaimRef"));
  pv.mutable_spec()->mutable_claimref()->set_uid("uid-of-c");
  pv.mutable_spec()->clear_volumemode();
  EXPECT_EQ(text(pod), "cannot get volumeMode for volume: pv-c");
  pv.mutable_spec()->set_volumemode("Block");
  EXPECT_EQ(text(pod), "volume data has volumeMode Block, but is specified in volumeMounts");
  sources_.cluster = nullptr;
  EXPECT_THAT(text(pod), HasSubstr("error processing PVC ns/c: no API server"));
}

TEST_F(ClaimsTest, AFilesystemIsNoDevice) {
  cluster_.bind("c");
  auto pod = make_pod("u1");
  add_volume(*pod, "data", true).mutable_persistentvolumeclaim()->set_claimname("c");
  EXPECT_EQ(text(pod), "volume data has volumeMode Filesystem, but is specified in volumeDevices");
  auto plain = make_pod("u1");
  add_volume(*plain, "data", true).mutable_emptydir();
  EXPECT_EQ(text(plain), "volume data has volumeMode Filesystem, but is specified in volumeDevices");
}

TEST_F(ClaimsTest, AGenericEphemeralVolumeIsThePodsOwn) {
  auto pod = make_pod("u1");
  add_volume(*pod, "data").mutable_ephemeral();
  cluster_.bind("pod-u1-data");
  EXPECT_EQ(text(pod), "PVC ns/pod-u1-data was not created for pod ns/pod-u1 (pod is not owner)");
  auto& owner = *cluster_.claims["ns/pod-u1-data"].mutable_metadata()->add_ownerreferences();
  owner.set_uid("u1");
  EXPECT_NE(text(pod), "") << "it must be its controller";
  owner.set_controller(true);
  const auto spec = resolve(pod);
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->name, "pv-pod-u1-data");
  EXPECT_FALSE(spec->read_only);
}

TEST_F(ClaimsTest, CloudTypesBecomeCsi) {
  sources_.migrate_inline = [](const api::core::Volume& volume,
                               const std::string& ns) -> Result<std::optional<api::core::PersistentVolume>> {
    if (!volume.volumesource().has_awselasticblockstore()) return std::optional<api::core::PersistentVolume>();
    api::core::PersistentVolume pv;
    pv.mutable_metadata()->set_name("ebs-of-" + ns);
    pv.mutable_spec()->set_volumemode("Filesystem");
    return std::optional(pv);
  };
  auto pod = make_pod("u1");
  add_volume(*pod, "data").mutable_awselasticblockstore();
  const auto spec = resolve(pod);
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->name, "ebs-of-ns");
  EXPECT_NE(spec->pv, nullptr);
  EXPECT_EQ(spec->claim, nullptr);
}

TEST_F(ClaimsTest, UsedIsWhatSomeContainerNames) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  add_volume(*pod, "image").mutable_image();
  for (const char* name : {"init", "debug", "none"}) pod->mutable_spec()->add_volumes()->set_name(name);
  pod->mutable_spec()->add_initcontainers()->add_volumemounts()->set_name("init");
  pod->mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon()->add_volumemounts()->set_name(
      "debug");
  EXPECT_THAT(used_volumes(pod->spec()), ElementsAre("a", "init", "debug"));
}

}  // namespace
}  // namespace keelson::volume
