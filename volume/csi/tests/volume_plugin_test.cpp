// CSI volumes as the volume manager has them done: from a pod's volume to the calls of its driver, and what comes back.
#include "volume/csi/volume_plugin.hpp"

#include "volume/csi/tests/plugin_fixture.hpp"
#include "volume/tests/fake_loops.hpp"
#include "volume/tests/fake_programs.hpp"

namespace keelson::volume {
namespace {

namespace pb = ::csi::v1;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CsiVolumePluginTest : public CsiPluginTest {
 protected:
  void SetUp() override {
    CsiPluginTest::SetUp();
    work_.emplace(DiskWork::Pools{pool_, pool_}, mounts_, top_);
    DiskHost host{clock_,
                  *work_,
                  std::make_shared<FakePrograms>(),
                  std::make_shared<const ScsiDevices>(top_ + "/sys", top_ + "/dev"),
                  std::make_shared<FakeLoops>(),
                  [this](const api::Pod&, bool, std::string reason, std::string message) {
                    events_.push_back(reason + ": " + message);
                  },
                  nullptr};
    volumes_.emplace(*plugin_, std::move(host));
    pod_object_ = std::make_shared<api::Pod>();
    pod_object_->mutable_metadata()->set_uid("uid-1");
    pod_object_->mutable_metadata()->set_name("web");
    pod_object_->mutable_metadata()->set_namespace_("team");
    pod_object_->mutable_spec()->set_serviceaccountname("builder");
    pod_object_->mutable_spec()->add_volumes()->set_name("data");
    pv_ = std::make_shared<api::core::PersistentVolume>();
    pv_->mutable_metadata()->set_name("pv-1");
    pv_->mutable_spec()->add_accessmodes("ReadWriteOncePod");
    auto& csi = *pv_->mutable_spec()->mutable_persistentvolumesource()->mutable_csi();
    csi.set_driver("disk.example");
    csi.set_volumehandle("vol-1");
    csi.set_fstype("ext4");
  }

  VolumeSpec spec() const {
    VolumeSpec out;
    out.pod = pod_object_;
    out.outer = "data";
    out.name = "pv-1";
    out.pv = pv_;
    out.block = pv_->spec().volumemode() == "Block";
    return out;
  }
  VolumeManner manner() {
    auto made = run(volumes_->manner(spec()));
    KEELSON_CHECK(made.ok());
    return *made;
  }
  MountOrder order() {
    MountOrder out;
    out.spec = spec();
    out.manner = manner();
    out.progress = std::make_shared<VolumeProgress>();
    return out;
  }
  ExpandResult expand(std::int64_t size) {
    ExpandOrder wanted;
    wanted.spec = spec();
    wanted.path = target();
    wanted.size = size;
    return run(volumes_->expand(wanted));
  }

  std::optional<DiskWork> work_;
  std::shared_ptr<api::Pod> pod_object_;
  std::shared_ptr<api::core::PersistentVolume> pv_;
  std::vector<std::string> events_;
  std::optional<CsiVolumePlugin> volumes_;
};

TEST_F(CsiVolumePluginTest, TheDriversObjectSaysHowItsVolumesAreTreated) {
  const VolumeManner plain = manner();
  EXPECT_EQ(plain.device, "kubernetes.io/csi/disk.example^vol-1");
  EXPECT_EQ(plain.label, "kubernetes.io/csi:disk.example");
  EXPECT_TRUE(plain.attachable);
  EXPECT_TRUE(plain.expands);
  EXPECT_FALSE(plain.repeats);
  EXPECT_FALSE(plain.takes_context);
  object().set_attachrequired(false);
  object().set_requiresrepublish(true);
  object().set_selinuxmount(true);
  const VolumeManner told = manner();
  EXPECT_FALSE(told.attachable);
  EXPECT_TRUE(told.repeats);
  EXPECT_TRUE(told.takes_context);
}

TEST_F(CsiVolumePluginTest, AnInlineVolumeHasNoDeviceAndDoesNotGrow) {
  auto& source = *pod_object_->mutable_spec()->mutable_volumes(0)->mutable_volumesource()->mutable_csi();
  source.set_driver("disk.example");
  pv_ = nullptr;
  VolumeSpec inline_spec;
  inline_spec.pod = pod_object_;
  inline_spec.outer = "data";
  inline_spec.name = "data";
  ASSERT_TRUE(volumes_->serves(inline_spec));
  const auto made = run(volumes_->manner(inline_spec));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->device, "");
  EXPECT_FALSE(made->attachable);
  EXPECT_FALSE(made->expands);
  EXPECT_EQ(made->label, "kubernetes.io/csi:disk.example");
}

TEST_F(CsiVolumePluginTest, IsStagedAndPublishedWithTheSELinuxContextOfItsPod) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  object().set_selinuxmount(true);
  MountOrder wanted = order();
  wanted.spec.context = "system_u:object_r:container_file_t:s0:c1,c2";
  ASSERT_TRUE(run(volumes_->mount_device(wanted)).ok());
  const std::string option = "context=\"system_u:object_r:container_file_t:s0:c1,c2\"";
  EXPECT_THAT(last<pb::NodeStageVolumeRequest>("NodeStageVolume").volume_capability().mount().mount_flags(),
              ElementsAre(option));
  const auto mounted = run(volumes_->set_up(wanted));
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_EQ(mounted->path, target());
  EXPECT_FALSE(mounted->relabel);
  EXPECT_THAT(last<pb::NodePublishVolumeRequest>("NodePublishVolume").volume_capability().mount().mount_flags(),
              ElementsAre(option));
  // After a restart the context is known from what lies there.
  const auto devices = run(volumes_->found_devices());
  ASSERT_TRUE(devices.ok());
  ASSERT_EQ(devices->size(), 1u);
  EXPECT_EQ(devices->front().context, wanted.spec.context);
  EXPECT_EQ(devices->front().device, "kubernetes.io/csi/disk.example^vol-1");
  FoundVolume found{.uid = "uid-1", .plugin = "kubernetes.io/csi", .name = "pv-1", .path = volume_dir()};
  const auto taken_up = run(volumes_->manner_of_found(found));
  ASSERT_TRUE(taken_up.ok()) << taken_up.error().to_string();
  EXPECT_EQ(taken_up->context, wanted.spec.context);
  EXPECT_EQ(taken_up->manner.label, "kubernetes.io/csi:disk.example");
}

TEST_F(CsiVolumePluginTest, ExpandsAtThePodsMount) {
  can = {Rpc::EXPAND_VOLUME};
  EXPECT_EQ(expand(5000).outcome, ExpandResult::Outcome::done);
  const auto& request = last<pb::NodeExpandVolumeRequest>("NodeExpandVolume");
  EXPECT_EQ(request.volume_path(), target());
  EXPECT_EQ(request.capacity_range().required_bytes(), 5000);
  EXPECT_EQ(request.volume_capability().access_mode().mode(), pb::VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
}

TEST_F(CsiVolumePluginTest, TellsWhyItDidNotExpand) {
  const ExpandResult unsupported = expand(5000);
  EXPECT_EQ(unsupported.outcome, ExpandResult::Outcome::unsupported);
  EXPECT_EQ(unsupported.error->to_string(),
            "Expander.NodeExpand found CSI plugin kubernetes.io/csi/disk.example to not support node expansion");
  can = {Rpc::EXPAND_VOLUME};
  outcomes["NodeExpandVolume"] = {9, "in use"};
  const ExpandResult in_use = expand(5000);
  EXPECT_EQ(in_use.outcome, ExpandResult::Outcome::in_use);
  EXPECT_THAT(in_use.error->to_string(), HasSubstr("in use"));
  drivers_.remove("disk.example");
  EXPECT_EQ(expand(5000).outcome, ExpandResult::Outcome::uncertain) << "it may come back";
}

TEST_F(CsiVolumePluginTest, ABlockVolumeIsExpandedByItsDevice) {
  can = {Rpc::EXPAND_VOLUME, Rpc::STAGE_UNSTAGE_VOLUME};
  pv_->mutable_spec()->set_volumemode("Block");
  const std::string device = top_ + "/device";
  ASSERT_TRUE(base::write_file(device, "", 0600).ok());
  on_call = [&](const Call& call) {
    if (call.name() != "NodePublishVolume") return;
    const auto& request = static_cast<const pb::NodePublishVolumeRequest&>(*call.request);
    std::filesystem::create_symlink(device, request.target_path());
  };
  ASSERT_TRUE(run(volumes_->mount_device(order())).ok());
  const auto mounted = run(volumes_->set_up(order()));
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_TRUE(mounted->block);
  EXPECT_THAT(events_, Contains(HasSubstr("SuccessfulMountVolume: MapVolume.MapPodDevice succeeded")));
  EXPECT_EQ(expand(5000).outcome, ExpandResult::Outcome::done);
  const auto& request = last<pb::NodeExpandVolumeRequest>("NodeExpandVolume");
  EXPECT_EQ(request.volume_path(), device);
  EXPECT_EQ(request.staging_target_path(), csi_block_paths(top_, "pv-1").staging);
  EXPECT_TRUE(request.volume_capability().has_block());
  TearDownOrder gone;
  gone.uid = "uid-1";
  gone.name = "pv-1";
  gone.block = true;
  ASSERT_TRUE(run(volumes_->tear_down(gone)).ok());
  EXPECT_THAT(story_, Contains("NodeUnpublishVolume"));
}

TEST_F(CsiVolumePluginTest, AFailedPublishLeavesNothingAndSaysWhatItMeans) {
  outcomes["NodePublishVolume"] = {13, "no"};
  const auto failed = run(volumes_->set_up(order()));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().outcome, VolumeError::Outcome::final);
  EXPECT_FALSE(exists(volume_dir()));
  outcomes["NodePublishVolume"] = {4, "late"};
  EXPECT_EQ(run(volumes_->set_up(order())).error().outcome, VolumeError::Outcome::uncertain);
  EXPECT_TRUE(exists(volume_dir()));
  outcomes.clear();
  TearDownOrder gone;
  gone.uid = "uid-1";
  gone.name = "pv-1";
  ASSERT_TRUE(run(volumes_->tear_down(gone)).ok());
  EXPECT_FALSE(exists(volume_dir()));
}

TEST_F(CsiVolumePluginTest, OnlyVolumesOfTheClusterFillANode) {
  object().set_nodeallocatableupdateperiodseconds(60);
  auto& attachment = cluster_.attachments.begin()->second;
  attachment.attached = false;
  attachment.attach_error_code = 8;
  EXPECT_TRUE(run(volumes_->is_node_full(order())));
}

}  // namespace
}  // namespace keelson::volume
