// NFS, local, iSCSI and Fibre Channel volumes as the volume manager has them done, with a mount table, programs, /sys
// and /dev of the test's own.
#include "volume/manager/disk_plugins.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "base/tests/tasks.hpp"
#include "volume/manager/tests/manager_fixture.hpp"
#include "volume/tests/fake_loops.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/fake_programs.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using Outcome = VolumeError::Outcome;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kIqn[] = "iqn.2003-01.io.k8s:disk";

void put(const std::string& path, const std::string& text) {
  ASSERT_TRUE(base::make_directories(path.substr(0, path.rfind('/')), 0755).ok());
  ASSERT_TRUE(base::write_file(path, text, 0644).ok());
}

class DiskPluginsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-disks-XXXXXX";
    top_ = fs::canonical(mkdtemp(name)).string();
    root_ = top_ + "/root";
    fs::create_directories(root_);
    pod_ = make_pod("u1");
    add_volume(*pod_, "data");
    pv_ = std::make_shared<api::core::PersistentVolume>();
    pv_->mutable_metadata()->set_name("pv-1");
    pv_->mutable_metadata()->set_uid("uid-of-pv");
    work_.emplace(DiskWork::Pools{pool_, pool_}, mounts_, root_);
  }
  ~DiskPluginsTest() override {
    KEELSON_CHECK(base::testing::stop_now(loop_, gate_));
    std::error_code ignored;
    fs::remove_all(top_, ignored);
  }

  template <class T>
  T run(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::spawn(gate_, "test", base::internal::keep_result<T>(std::move(task), place));
    KEELSON_CHECK(base::testing::pump_until(loop_, [&] { return place->has_value(); }));
    return std::move(**place);
  }
  DiskHost host() {
    DiskHost out{clock_,
                 *work_,
                 programs_,
                 std::make_shared<const ScsiDevices>(top_ + "/sys", top_ + "/dev"),
                 loops_,
                 [this](const api::Pod&, bool, std::string reason, std::string message) {
                   events_.push_back(reason + ": " + message);
                 },
                 [this](std::string ns, std::string name) { return secret(ns + "/" + name); }};
    out.object_event = [this](const api::Pod&, api::core::ObjectReference object, bool, std::string reason,
                              std::string message) {
      events_.push_back(object.kind() + " " + object.name() + " " + reason + ": " + message);
    };
    return out;
  }
  base::Task<Result<IscsiSecret>> secret(std::string asked) {
    asked_.push_back(std::move(asked));
    co_return secret_;
  }

  api::core::PersistentVolumeSource& source() { return *pv_->mutable_spec()->mutable_persistentvolumesource(); }
  VolumeSpec spec(bool read_only = false) const {
    VolumeSpec out;
    out.pod = pod_;
    out.outer = "data";
    out.name = "pv-1";
    out.pv = pv_;
    out.read_only = read_only;
    out.block = pv_->spec().volumemode() == "Block";
    return out;
  }
  MountOrder order(VolumePlugin& plugin, VolumeSpec spec) {
    EXPECT_TRUE(plugin.serves(spec));
    MountOrder out;
    auto manner = run(plugin.manner(spec));
    KEELSON_CHECK(manner.ok());
    out.manner = *manner;
    out.spec = std::move(spec);
    out.progress = std::make_shared<VolumeProgress>();
    return out;
  }
  static TearDownOrder of_pod(bool block = false, const std::string& place = "") {
    TearDownOrder out;
    out.uid = "u1";
    out.name = "pv-1";
    out.block = block;
    out.place = place;
    return out;
  }
  static DeviceOrder of_node(const MountOrder& order, const std::string& place) {
    DeviceOrder out;
    out.device = order.manner.device;
    out.name = order.spec.name;
    out.block = order.spec.block;
    out.place = place;
    return out;
  }
  std::string pod_dir(const std::string& plugin) const { return root_ + "/pods/u1/volumes/" + plugin + "/pv-1"; }

  // A disk of the fabric.
  void add_fc_disk() {
    put(top_ + "/sys/class/scsi_host/host0/scan", "");
    put(top_ + "/dev/sdb", "");
    put(top_ + "/sys/block/sdb/device/delete", "");
    put(top_ + "/sys/block/sdb/dev", "8:16\n");
    fs::create_directories(top_ + "/dev/disk/by-path");
    fs::create_symlink("../../sdb", top_ + "/dev/disk/by-path/fc-0x500a-lun-2");
    auto& fc = *source().mutable_fc();
    fc.add_targetwwns("500a");
    fc.set_lun(2);
  }
  // A session of the target, which shows its disk.
  void add_iscsi_disk() {
    const std::string session = top_ + "/sys/class/iscsi_host/host2/device/session2";
    put(session + "/iscsi_session/session2/targetname", std::string(kIqn) + "\n");
    const std::string connection = session + "/connection2:0/iscsi_connection/connection2:0/";
    for (const char* kind : {"", "persistent_"}) {
      put(connection + kind + "address", "192.0.2.1\n");
      put(connection + kind + "port", "3260\n");
    }
    put(top_ + "/sys/class/scsi_host/host2/scan", "");
    fs::create_directories(session + "/target2:0:0/2:0:0:3/block/sdb");
    put(top_ + "/dev/sdb", "");
    put(top_ + "/sys/block/sdb/device/delete", "");
    put(top_ + "/sys/block/sdb/dev", "8:16\n");
    fs::create_directories(top_ + "/dev/disk/by-path");
    const std::string link = top_ + "/dev/disk/by-path/ip-192.0.2.1:3260-iscsi-" + kIqn + "-lun-3";
    fs::create_symlink("../../sdb", link);
    programs_->on("iscsiadm -m iface", exits(0, "iface.iscsi_ifacename = default\niface.transport_name = tcp\n"));
    auto& iscsi = *source().mutable_iscsi();
    iscsi.set_targetportal("192.0.2.1:3260");
    iscsi.set_iqn(kIqn);
    iscsi.set_lun(3);
  }

  std::string top_;
  std::string root_;
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::BlockingPool pool_{loop_, clock_, 1};
  base::Gate gate_{loop_};
  std::shared_ptr<FakeMounts> mounts_ = std::make_shared<FakeMounts>();
  std::shared_ptr<FakePrograms> programs_ = std::make_shared<FakePrograms>();
  std::shared_ptr<FakeLoops> loops_ = std::make_shared<FakeLoops>();
  std::optional<DiskWork> work_;
  std::vector<std::string> events_;
  std::vector<std::string> asked_;  // secrets
  Result<IscsiSecret> secret_ = IscsiSecret();
  std::shared_ptr<api::Pod> pod_;
  std::shared_ptr<api::core::PersistentVolume> pv_;
};

TEST_F(DiskPluginsTest, AnNfsVolumeIsEachPodsOwnMount) {
  NfsPlugin plugin(*work_);
  source().mutable_nfs()->set_server("2001:db8::1");
  source().mutable_nfs()->set_path("/export");
  pv_->mutable_spec()->add_mountoptions("vers=4.1");
  MountOrder wanted = order(plugin, spec(true));
  EXPECT_EQ(wanted.manner.device, "");
  EXPECT_TRUE(wanted.manner.of_server);
  const auto mounted = run(plugin.set_up(wanted));
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_EQ(mounted->path, pod_dir("kubernetes.io~nfs"));
  EXPECT_TRUE(mounted->read_only);
  EXPECT_FALSE(mounted->relabel);
  ASSERT_EQ(mounts_->mounted.size(), 1u);
  EXPECT_EQ(mounts_->mounted[0].source, "[2001:db8::1]:/export");
  EXPECT_THAT(mounts_->mounted[0].options, ElementsAre("ro", "vers=4.1"));
  ASSERT_TRUE(run(plugin.tear_down(of_pod())).ok());
  EXPECT_THAT(mounts_->table, IsEmpty());
  EXPECT_FALSE(fs::exists(mounted->path));
}

TEST_F(DiskPluginsTest, AnNfsMountThatFailsLeavesNothingAndOneThatMayHangIsUncertain) {
  NfsPlugin plugin(*work_);
  source().mutable_nfs()->set_server("server");
  source().mutable_nfs()->set_path("/export");
  mounts_->mount_fails = Error(ErrorKind::unavailable, "mount.nfs: Connection refused");
  EXPECT_EQ(run(plugin.set_up(order(plugin, spec()))).error().outcome, Outcome::final);
  EXPECT_FALSE(fs::exists(pod_dir("kubernetes.io~nfs")));
  mounts_->mount_fails = Error(ErrorKind::deadline_exceeded, "mount did not end");
  EXPECT_EQ(run(plugin.set_up(order(plugin, spec()))).error().outcome, Outcome::uncertain);
  mounts_->mount_fails = {};
  ASSERT_TRUE(run(plugin.set_up(order(plugin, spec()))).ok());
  mounts_->unmount_fails = Error(ErrorKind::unavailable, "target is busy");
  EXPECT_EQ(run(plugin.tear_down(of_pod())).error().outcome, Outcome::uncertain);
}

TEST_F(DiskPluginsTest, ALocalDirectoryIsBoundForEachPodAndNeedsNothingToGrow) {
  LocalVolumePlugin plugin(host());
  fs::create_directory(top_ + "/disk");
  source().mutable_local()->set_path(top_ + "/disk");
  MountOrder wanted = order(plugin, spec());
  EXPECT_EQ(wanted.manner.device, "kubernetes.io/local-volume/pv-1");
  EXPECT_FALSE(wanted.manner.attachable);
  EXPECT_TRUE(wanted.manner.expands);
  EXPECT_FALSE(wanted.manner.takes_context);
  const auto place = run(plugin.mount_device(wanted));
  ASSERT_TRUE(place.ok());
  EXPECT_THAT(mounts_->table, IsEmpty());
  wanted.place = *place;
  const auto mounted = run(plugin.set_up(wanted));
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_TRUE(mounted->relabel);
  EXPECT_FALSE(mounted->grouped);
  EXPECT_EQ(mounts_->bound[pod_dir("kubernetes.io~local-volume")], top_ + "/disk");
  ExpandOrder larger;
  larger.spec = spec();
  larger.size = 5000;
  EXPECT_EQ(run(plugin.expand(larger)).outcome, ExpandResult::Outcome::done);
  EXPECT_THAT(programs_->calls, IsEmpty());
  // What was found mounted is not looked at any more: who looks at a server that is gone hangs.
  fs::rename(top_ + "/disk", top_ + "/gone");
  EXPECT_FALSE(run(plugin.set_up(wanted)).ok());
  wanted.restored = true;
  EXPECT_TRUE(run(plugin.mount_device(wanted)).ok());
  EXPECT_TRUE(run(plugin.set_up(wanted)).ok());
  fs::rename(top_ + "/gone", top_ + "/disk");
  ASSERT_TRUE(run(plugin.tear_down(of_pod())).ok());
  ASSERT_TRUE(run(plugin.unmount_device(of_node(wanted, *place))).ok());
  EXPECT_TRUE(fs::exists(top_ + "/disk")) << "it is the administrator's";
}

TEST_F(DiskPluginsTest, ALocalVolumeWithoutItsPathFailsAndSaysSoWhenItShouldGrow) {
  LocalVolumePlugin plugin(host());
  source().mutable_local()->set_path(top_ + "/none");
  EXPECT_EQ(run(plugin.mount_device(order(plugin, spec()))).error().outcome, Outcome::final);
  ExpandOrder larger;
  larger.spec = spec();
  const ExpandResult failed = run(plugin.expand(larger));
  EXPECT_EQ(failed.outcome, ExpandResult::Outcome::failed);
  EXPECT_THAT(failed.error->to_string(), HasSubstr(top_ + "/none"));
}

TEST_F(DiskPluginsTest, FilesOfALocalVolumeAreGivenToThePodsGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "groups are given by root only";
  LocalVolumePlugin plugin(host());
  fs::create_directory(top_ + "/disk");
  source().mutable_local()->set_path(top_ + "/disk");
  pod_->mutable_spec()->mutable_securitycontext()->set_fsgroup(3000);
  MountOrder wanted = order(plugin, spec());
  EXPECT_TRUE(run(plugin.set_up(wanted))->grouped);
}

TEST_F(DiskPluginsTest, AFibreChannelDiskIsMountedForTheNodeThenForThePod) {
  FcPlugin plugin(host());
  add_fc_disk();
  source().mutable_fc()->set_fstype("xfs");
  programs_->on("blkid", exits(0, "TYPE=xfs\n"));
  MountOrder wanted = order(plugin, spec());
  EXPECT_EQ(wanted.manner.device, "kubernetes.io/fc/[500a]:2");
  EXPECT_TRUE(wanted.manner.attachable);
  EXPECT_TRUE(wanted.manner.takes_context);
  EXPECT_FALSE(wanted.manner.expands) << "nobody grows it but its administrator";
  wanted.spec.context = "u:r:t:s0:c1,c2";
  const auto place = run(plugin.mount_device(wanted));
  ASSERT_TRUE(place.ok()) << place.error().to_string();
  EXPECT_EQ(*place, wanted.manner.place);
  ASSERT_EQ(mounts_->mounted.size(), 1u);
  EXPECT_EQ(mounts_->mounted[0].type, "xfs");
  EXPECT_THAT(mounts_->mounted[0].options, Contains("context=\"u:r:t:s0:c1,c2\""));
  wanted.place = *place;
  const auto mounted = run(plugin.set_up(wanted));
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_FALSE(mounted->relabel) << "it has one context for all";
  EXPECT_THAT(mounts_->bind_options[pod_dir("kubernetes.io~fc")], IsEmpty());
  const auto found = run(plugin.found_devices());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().device, wanted.manner.device);
  EXPECT_EQ(found->front().place, *place);
  EXPECT_EQ(found->front().context, "") << "it has none in the table";
  mounts_->details[*place].super_options = "rw,seclabel,context=\"u:r:t:s0:c1,c2\",nouuid";
  EXPECT_EQ(run(plugin.found_devices())->front().context, "u:r:t:s0:c1,c2");
  ASSERT_TRUE(run(plugin.tear_down(of_pod())).ok());
  ASSERT_TRUE(run(plugin.unmount_device(of_node(wanted, *place))).ok());
  EXPECT_THAT(mounts_->table, IsEmpty());
  EXPECT_EQ(*base::read_file(top_ + "/sys/block/sdb/device/delete"), "1");
}

TEST_F(DiskPluginsTest, ADiskWithAnotherFileSystemIsToldOfAtItsPersistentVolume) {
  FcPlugin plugin(host());
  add_fc_disk();
  programs_->on("blkid", exits(0, "TYPE=xfs\n"));
  mounts_->mount_fails = Error(ErrorKind::unavailable, "wrong fs type");
  const auto failed = run(plugin.mount_device(order(plugin, spec())));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().outcome, Outcome::final);
  EXPECT_THAT(events_, ElementsAre("PersistentVolume pv-1 FailedMountOnFilesystemMismatch: MountVolume failed for "
                                   "volume \"pv-1\" wrong fs type"));
}

TEST_F(DiskPluginsTest, AFibreChannelDiskThatIsNotThereFailsAndANameThatIsNoneToo) {
  FcPlugin plugin(host());
  source().mutable_fc()->add_targetwwns("500b");
  source().mutable_fc()->set_lun(1);
  fs::create_directories(top_ + "/sys/class/scsi_host");
  const auto failed = run(plugin.mount_device(order(plugin, spec())));
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().to_string(), HasSubstr("no fc disk found"));
  source().mutable_fc()->clear_targetwwns();
  EXPECT_FALSE(run(plugin.manner(spec())).ok());
}

TEST_F(DiskPluginsTest, AnIscsiDiskIsAttachedByItsSecretAndDetachedByItsPlace) {
  IscsiPlugin plugin(host());
  add_iscsi_disk();
  source().mutable_iscsi()->mutable_secretref()->set_name("chap");
  source().mutable_iscsi()->mutable_secretref()->set_namespace_("storage");
  programs_->on("blkid", exits(0, "TYPE=ext4\n"));
  MountOrder wanted = order(plugin, spec());
  EXPECT_EQ(wanted.manner.device, std::string("kubernetes.io/iscsi/192.0.2.1:3260:") + kIqn + ":3");
  EXPECT_EQ(wanted.manner.serial, kIqn);
  EXPECT_TRUE(wanted.manner.takes_context);
  secret_ = Error(ErrorKind::unavailable, "no API server");
  EXPECT_EQ(run(plugin.mount_device(wanted)).error().outcome, Outcome::transient);
  EXPECT_THAT(asked_, ElementsAre("storage/chap"));
  secret_ = IscsiSecret();
  const auto place = run(plugin.mount_device(wanted));
  ASSERT_TRUE(place.ok()) << place.error().to_string();
  EXPECT_EQ(*place, wanted.manner.place);
  wanted.place = *place;
  ASSERT_TRUE(run(plugin.set_up(wanted)).ok());
  const auto found = run(plugin.found_devices());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().device, wanted.manner.device);
  ASSERT_TRUE(run(plugin.tear_down(of_pod())).ok());
  ASSERT_TRUE(run(plugin.unmount_device(of_node(wanted, *place))).ok());
  EXPECT_THAT(mounts_->table, IsEmpty());
  EXPECT_GE(programs_->count("iscsiadm -m node"), 1) << "it is logged out";
}

TEST_F(DiskPluginsTest, AnIscsiDiskThatCannotBeMountedMayBeLoggedIn) {
  IscsiPlugin plugin(host());
  add_iscsi_disk();
  programs_->on("blkid", exits(0, "TYPE=ext4\n"));
  mounts_->mount_fails = Error(ErrorKind::unavailable, "bad superblock");
  EXPECT_EQ(run(plugin.mount_device(order(plugin, spec()))).error().outcome, Outcome::uncertain);
  DeviceOrder nowhere;
  nowhere.device = "kubernetes.io/iscsi/x";
  EXPECT_EQ(run(plugin.unmount_device(nowhere)).error().outcome, Outcome::uncertain);
}

TEST_F(DiskPluginsTest, ABlockDeviceIsMappedForThePodWithItsTwoEvents) {
  FcPlugin plugin(host());
  add_fc_disk();
  pv_->mutable_spec()->set_volumemode("Block");
  MountOrder wanted = order(plugin, spec());
  const auto place = run(plugin.mount_device(wanted));
  ASSERT_TRUE(place.ok()) << place.error().to_string();
  EXPECT_THAT(mounts_->mounted, IsEmpty());
  wanted.place = *place;
  const auto mapped = run(plugin.set_up(wanted));
  ASSERT_TRUE(mapped.ok()) << mapped.error().to_string();
  EXPECT_TRUE(mapped->block);
  EXPECT_EQ(mapped->path, root_ + "/pods/u1/volumeDevices/kubernetes.io~fc/pv-1");
  EXPECT_THAT(events_, ElementsAre(HasSubstr("globalMapPath \"" + *place + "\""),
                                   HasSubstr("volumeMapPath \"" + root_ + "/pods/u1/volumeDevices/")));
  EXPECT_THAT(loops_->attached, ElementsAre(*place + "/u1"));
  ASSERT_TRUE(run(plugin.tear_down(of_pod(true, *place))).ok());
  EXPECT_THAT(loops_->attached, IsEmpty());
  EXPECT_FALSE(fs::exists(fs::symlink_status(mapped->path)));
}

}  // namespace
}  // namespace keelson::volume
