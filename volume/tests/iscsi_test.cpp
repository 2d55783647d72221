// iSCSI with an iscsiadm and a /sys of our own: logins make sessions and disks appear as the kernel would.
#include "volume/iscsi.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/fake_programs.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr auto kIqn = "iqn.2003-01.io.k8s:e2e.volume-1";
constexpr auto kPortal = "192.0.2.1:3260";
constexpr auto kSecond = "192.0.2.2:3260";

void put(const std::string& path, const std::string& text) {
  ASSERT_TRUE(base::make_directories(path.substr(0, path.rfind('/')), 0755).ok());
  ASSERT_TRUE(base::write_file(path, text, 0644).ok());
}

class Iscsi : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-iscsi-XXXXXX";
    top_ = fs::canonical(mkdtemp(name)).string();
    fs::create_directories(top_ + "/dev/disk/by-path");
    fs::create_directories(top_ + "/sys/block");
    devices_ = ScsiDevices(top_ + "/sys", top_ + "/dev");
    disk_.name = "pv-1";
    disk_.portals = {kPortal};
    disk_.iqn = kIqn;
    disk_.lun = 3;
    programs_.on("iscsiadm -m iface -I default -o show", exits(0,
                                                               "# BEGIN RECORD\niface.iscsi_ifacename = default\n"
                                                               "iface.transport_name = tcp\niface.mtu = 0\n"
                                                               "iface.initiatorname = <empty>\n# END RECORD\n"));
  }
  void TearDown() override { fs::remove_all(top_); }

  // A session of the target by the portal, on SCSI host `host`, which shows its disk once it is asked to scan.
  void session(int host, const std::string& portal, const std::string& disk) {
    const std::string number = std::to_string(host);
    const std::string path = top_ + "/sys/class/iscsi_host/host" + number + "/device/session" + number;
    put(path + "/iscsi_session/session" + number + "/targetname", std::string(kIqn) + "\n");
    const std::string connection = "connection" + number + ":0";
    const std::string at = path + "/" + connection + "/iscsi_connection/" + connection + "/";
    const auto colon = portal.rfind(':');
    for (const char* kind : {"", "persistent_"}) {
      put(at + kind + "address", portal.substr(0, colon) + "\n");
      put(at + kind + "port", portal.substr(colon + 1) + "\n");
    }
    put(top_ + "/sys/class/scsi_host/host" + number + "/scan", "");
    fs::create_directories(path + "/target" + number + ":0:0/" + number + ":0:0:3/block/" + disk);
    put(top_ + "/dev/" + disk, "");
    put(top_ + "/sys/block/" + disk + "/device/delete", "");
    put(top_ + "/sys/block/" + disk + "/dev", "8:" + number + "\n");
    fs::create_symlink("../../" + disk, by_path(portal));
  }
  std::string by_path(const std::string& portal) const {
    return top_ + "/dev/disk/by-path/ip-" + portal + "-iscsi-" + kIqn + "-lun-3";
  }
  void on_login(const std::string& portal, int host, const std::string& disk) {
    programs_.on("iscsiadm -m node -p " + portal + " -T " + kIqn + " -I " + disk_.interface + " --login", exits(0),
                 [=, this] { session(host, portal, disk); });
  }
  void multipath(const std::string& disk) {
    put(top_ + "/dev/dm-0", "");
    put(top_ + "/sys/block/dm-0/slaves/" + disk, "");
    put(top_ + "/sys/block/dm-0/dev", "253:0\n");
  }
  IscsiHost host() { return {top_ + "/root", programs_, devices_, mounts_, limits_}; }
  Result<std::string> attach(IscsiUse use = IscsiUse::file_system) { return attach_iscsi(disk_, use, secret_, host()); }
  std::string global(IscsiUse use = IscsiUse::file_system) const {
    return iscsi_global_dir(top_ + "/root", disk_, use);
  }

  std::string top_;
  ScsiDevices devices_;
  IscsiDisk disk_;
  IscsiSecret secret_;
  IscsiLimits limits_{std::chrono::milliseconds(20), std::chrono::milliseconds(20)};
  FakePrograms programs_;
  FakeMounts mounts_;
};

TEST_F(Iscsi, LogsInScansForOneLunAndGivesThePath) {
  on_login(kPortal, 2, "sdb");
  const auto device = attach();
  ASSERT_TRUE(device.ok()) << device.error().to_string();
  EXPECT_EQ(*device, by_path(kPortal));
  const std::string db = "iscsiadm -m discoverydb -t sendtargets -p 192.0.2.1:3260 -I default ";
  const std::string node = "iscsiadm -m node -p 192.0.2.1:3260 -T " + std::string(kIqn) + " ";
  EXPECT_THAT(programs_.calls, ElementsAre("iscsiadm -m iface -I default -o show", db + "-o new", db + "--discover",
                                           node + "-I default -o update -n node.session.scan -v manual",
                                           node + "-I default --login", node + "-o update -n node.startup -v manual"));
  EXPECT_EQ(*base::read_file(top_ + "/sys/class/scsi_host/host2/scan"), "0 0 3");
  EXPECT_EQ(global(), top_ + "/root/plugins/kubernetes.io/iscsi/iface-default/192.0.2.1:3260-" + kIqn + "-lun-3");
  EXPECT_EQ(*base::read_file(global() + "/iscsi.json"),
            R"({"VolName":"pv-1","Portals":["192.0.2.1:3260"],"Iqn":"iqn.2003-01.io.k8s:e2e.volume-1","Lun":"3",)"
            R"("InitIface":"default","Iface":"default","InitiatorName":""})"
            "\n");
}

TEST_F(Iscsi, ASessionThatIsThereIsUsed) {
  session(2, kPortal, "sdb");
  EXPECT_EQ(attach().value(), by_path(kPortal));
  EXPECT_EQ(programs_.count("iscsiadm -m node"), 0);
  EXPECT_EQ(programs_.count("iscsiadm -m discoverydb"), 0);
}

TEST_F(Iscsi, AnIpv6PortalIsKnownByItsBrackets) {
  session(2, "2001:db8::1:3260", "sdb");
  disk_.portals = {"[2001:db8::1]:3260"};
  fs::create_symlink("../../sdb", by_path(disk_.portals[0]));
  EXPECT_EQ(attach().value(), by_path("[2001:db8::1]:3260"));
  EXPECT_EQ(programs_.count("iscsiadm -m node"), 0);
}

TEST_F(Iscsi, SecretsGoToIscsiadmAndIntoNoText) {
  disk_.chap_discovery = disk_.chap_session = true;
  secret_ = {{"discovery.sendtargets.auth.username", "du"},
             {"discovery.sendtargets.auth.password", "hush1"},
             {"node.session.auth.username", "nu"},
             {"node.session.auth.password", "hush2"},
             {"other", "x"}};
  const std::string node = "iscsiadm -m node -p 192.0.2.1:3260 -T " + std::string(kIqn) + " -I default ";
  programs_.on(node + "-o update -n node.session.auth.password", exits(7, "", "cannot"));
  const auto device = attach();
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().to_string(),
            "failed to get any path for iscsi disk, last err seen: iscsi: failed to update node.session.auth.password: "
            "exit status 7: cannot");
  EXPECT_THAT(programs_.calls,
              Contains("iscsiadm -m discoverydb -t sendtargets -p 192.0.2.1:3260 -I default -o update -n "
                       "discovery.sendtargets.auth.authmethod -v CHAP"));
  EXPECT_THAT(programs_.calls,
              Contains("iscsiadm -m discoverydb -t sendtargets -p 192.0.2.1:3260 -I default -o update -n "
                       "discovery.sendtargets.auth.password -v hush1"));
  EXPECT_THAT(programs_.calls, Contains(node + "-o update -n node.session.auth.authmethod -v CHAP"));
  EXPECT_THAT(programs_.calls, Contains(node + "-o update -n node.session.auth.password -v hush2"));
  EXPECT_EQ(programs_.count(node + "--login"), 0);
}

TEST_F(Iscsi, AFailedStepTakesItsRecordBack) {
  programs_.on("iscsiadm -m discoverydb -t sendtargets -p 192.0.2.1:3260 -I default --discover",
               exits(21, "", "iscsiadm: No portals found"));
  EXPECT_EQ(attach().error().to_string(),
            "failed to get any path for iscsi disk, last err seen: iscsi: failed to sendtargets to portal "
            "192.0.2.1:3260: exit status 21: iscsiadm: No portals found");
  EXPECT_EQ(programs_.calls.back(), "iscsiadm -m discoverydb -t sendtargets -p 192.0.2.1:3260 -I default -o delete");

  FakePrograms login;
  login.on("iscsiadm -m iface", exits(0, "iface.transport_name = tcp\n"));
  const std::string node = "iscsiadm -m node -p 192.0.2.1:3260 -T " + std::string(kIqn) + " -I default ";
  login.on(node + "--login", exits(8, "", "timeout"));
  const IscsiHost other{top_ + "/root", login, devices_, mounts_, limits_};
  EXPECT_FALSE(attach_iscsi(disk_, IscsiUse::file_system, {}, other).ok());
  EXPECT_EQ(login.calls.back(), node + "-o delete");
}

TEST_F(Iscsi, ADiskThatDoesNotAppearIsWaitedForAndNamed) {
  on_login(kPortal, 2, "sdb");
  disk_.lun = 4;
  EXPECT_THAT(attach().error().to_string(), HasSubstr("Timed out waiting for device at path " + top_ +
                                                      "/dev/disk/by-path/ip-192.0.2.1:3260-iscsi-" + kIqn + "-lun-4"));
}

TEST_F(Iscsi, SeveralPortalsGiveTheirMultipathDevice) {
  disk_.portals = {kPortal, kSecond};
  on_login(kPortal, 2, "sdb");
  on_login(kSecond, 3, "sdc");
  multipath("sdc");
  EXPECT_EQ(attach().value(), top_ + "/dev/dm-0");
  EXPECT_EQ(programs_.count("iscsiadm -m discoverydb"), 4);
}

TEST_F(Iscsi, TwoPathsOfThreeWillDoAfterTwoRoundsAndOneAfterFive) {
  disk_.portals = {kPortal, kSecond, "192.0.2.3:3260"};
  on_login(kPortal, 2, "sdb");
  on_login(kSecond, 3, "sdc");
  const std::string third = "iscsiadm -m discoverydb -t sendtargets -p 192.0.2.3:3260 -I default --discover";
  programs_.on(third, exits(1));
  EXPECT_EQ(attach().value(), by_path(kPortal)) << "no multipath device has come";
  EXPECT_EQ(programs_.count(third), 2);

  FakePrograms one;
  one.on("iscsiadm -m iface", exits(0, "iface.transport_name = tcp\n"));
  one.on("iscsiadm -m discoverydb -t sendtargets -p 192.0.2.3:3260 -I default --discover", exits(1));
  disk_.portals = {kPortal, "192.0.2.3:3260"};
  const IscsiHost other{top_ + "/root", one, devices_, mounts_, limits_};
  EXPECT_EQ(attach_iscsi(disk_, IscsiUse::file_system, {}, other).value(), by_path(kPortal));
  EXPECT_EQ(one.count(third), 5);
}

TEST_F(Iscsi, AnInitiatorNameOfItsOwnMeansAnInterfaceOfItsOwn) {
  api::core::ISCSIPersistentVolumeSource source;
  source.set_targetportal("192.0.2.1");
  source.set_iqn(kIqn);
  source.set_lun(3);
  source.set_initiatorname("iqn.2020.example:node");
  disk_ = iscsi_disk("pv-1", source);
  EXPECT_THAT(disk_.portals, ElementsAre(kPortal));
  EXPECT_EQ(disk_.interface, "192.0.2.1:3260:pv-1");
  EXPECT_EQ(disk_.init_interface, "default");
  on_login(kPortal, 2, "sdb");
  ASSERT_TRUE(attach().ok());
  const std::string iface = "iscsiadm -m iface -I 192.0.2.1:3260:pv-1 -o ";
  EXPECT_THAT(programs_.calls, Contains(iface + "new"));
  EXPECT_THAT(programs_.calls, Contains(iface + "update -n iface.initiatorname -v iqn.2020.example:node"));
  EXPECT_THAT(programs_.calls, Contains(iface + "update -n iface.transport_name -v tcp"));
  EXPECT_EQ(programs_.count(iface + "update -n iface.iscsi_ifacename"), 0);

  ASSERT_TRUE(detach_iscsi(global(), host()).ok());
  EXPECT_EQ(programs_.calls.back(), iface + "delete");
}

TEST_F(Iscsi, TheDiskIsMountedOnceAndTheWayBackLogsOut) {
  on_login(kPortal, 2, "sdb");
  programs_.on("blkid", exits(2));
  const auto device = attach();
  ASSERT_TRUE(device.ok());
  EXPECT_FALSE(mount_iscsi_device(disk_, *device, "xfs", {"noatime"}, host()).failure);
  EXPECT_FALSE(mount_iscsi_device(disk_, *device, "xfs", {"noatime"}, host()).formatted) << "it is mounted already";
  ASSERT_EQ(mounts_.mounted.size(), 1u);
  EXPECT_EQ(mounts_.mounted[0].target, global());
  EXPECT_EQ(programs_.count("mkfs.xfs -f " + *device), 1);

  programs_.calls.clear();
  ASSERT_TRUE(detach_iscsi(global(), host()).ok());
  EXPECT_THAT(mounts_.table, IsEmpty());
  EXPECT_EQ(*base::read_file(top_ + "/sys/block/sdb/device/delete"), "1");
  const std::string node = "iscsiadm -m node -p 192.0.2.1:3260 -T " + std::string(kIqn) + " ";
  EXPECT_THAT(programs_.calls, ElementsAre(node + "--logout -I default", node + "-o delete -I default"));
  EXPECT_FALSE(fs::exists(global()));
  EXPECT_TRUE(detach_iscsi(global(), host()).ok()) << "a second time is success";
}

TEST_F(Iscsi, AnotherVolumeOfTheTargetKeepsTheSession) {
  session(2, kPortal, "sdb");
  ASSERT_TRUE(attach().ok());
  auto other = disk_;
  other.lun = 7;
  for (const IscsiUse use : {IscsiUse::file_system, IscsiUse::block}) {
    const std::string directory = iscsi_global_dir(top_ + "/root", other, use);
    fs::create_directories(directory);
    programs_.calls.clear();
    ASSERT_TRUE(attach().ok());
    ASSERT_TRUE(detach_iscsi(global(), host()).ok());
    EXPECT_EQ(programs_.count("iscsiadm -m node"), 0);
    fs::remove_all(directory);
  }
  ASSERT_TRUE(attach().ok());
  ASSERT_TRUE(detach_iscsi(global(), host()).ok());
  EXPECT_EQ(programs_.count("iscsiadm -m node"), 2);
}

TEST_F(Iscsi, ADiskThatIsMountedElsewhereIsNotTakenOut) {
  session(2, kPortal, "sdb");
  ASSERT_TRUE(attach().ok());
  mounts_.table = {{"/pod", "ext4"}};
  mounts_.details["/pod"] = {.device = "8:2"};
  EXPECT_EQ(detach_iscsi(global(), host()).error().to_string(),
            "the device " + top_ + "/dev/sdb is still mounted at /pod");
  EXPECT_EQ(*base::read_file(top_ + "/sys/block/sdb/device/delete"), "");
  EXPECT_EQ(programs_.count("iscsiadm -m node"), 0);
}

TEST_F(Iscsi, MultipathDevicesAreFlushedBeforeTheirDisksGo) {
  session(2, kPortal, "sdb");
  session(3, kSecond, "sdc");
  multipath("sdb");
  put(top_ + "/sys/block/dm-0/slaves/sdc", "");
  ASSERT_TRUE(attach().ok());
  ASSERT_TRUE(detach_iscsi(global(), host()).ok());
  EXPECT_EQ(programs_.count("multipath -f " + top_ + "/dev/dm-0"), 1);
  for (const char* disk : {"sdb", "sdc"}) {
    EXPECT_EQ(*base::read_file(top_ + "/sys/block/" + disk + "/device/delete"), "1") << disk;
  }
}

TEST_F(Iscsi, WithoutItsFileTheDirectorysNameSaysWhatToLogOutOf) {
  const std::string directory =
      top_ + "/root/plugins/kubernetes.io/iscsi/iface-eth1/198.51.100.7:3261-iqn.2017-05.com.example:test-lun-0";
  fs::create_directories(directory);
  ASSERT_TRUE(detach_iscsi(directory, host()).ok());
  EXPECT_THAT(programs_.calls,
              ElementsAre("iscsiadm -m node -p 198.51.100.7:3261 -T iqn.2017-05.com.example:test --logout -I eth1",
                          "iscsiadm -m node -p 198.51.100.7:3261 -T iqn.2017-05.com.example:test -o delete -I eth1"));
}

TEST_F(Iscsi, ASessionThatIsGoneIsNoErrorAndAFailedLogoutKeepsTheDirectory) {
  ASSERT_TRUE(base::make_directories(global(), 0750).ok());
  programs_.on_each("iscsiadm -m node -p 192.0.2.1:3260 -T " + std::string(kIqn) + " --logout",
                    {exits(8, "", "timeout"), exits(21)});
  EXPECT_THAT(detach_iscsi(global(), host()).error().to_string(), HasSubstr("exit status 8: timeout"));
  EXPECT_TRUE(fs::exists(global()));
  EXPECT_TRUE(detach_iscsi(global(), host()).ok());
  EXPECT_FALSE(fs::exists(global()));
}

TEST_F(Iscsi, DataUnderTheMountStays) {
  put(global() + "/precious", "x");
  EXPECT_THAT(detach_iscsi(global(), host()).error().to_string(), HasSubstr("still holds data"));
  EXPECT_TRUE(fs::exists(global() + "/precious"));
  EXPECT_THAT(detach_iscsi(top_, host()).error().to_string(), HasSubstr("malformatted mnt path"));
}

TEST_F(Iscsi, ABlockVolumeWaitsForItsPods) {
  session(2, kPortal, "sdb");
  ASSERT_TRUE(attach(IscsiUse::block).ok());
  const std::string directory = global(IscsiUse::block);
  EXPECT_THAT(directory, HasSubstr("/plugins/kubernetes.io/iscsi/volumeDevices/iface-default/"));
  mounts_.table = {{directory + "/uid-1", "devtmpfs"}};
  EXPECT_THAT(detach_iscsi_block(directory, host()).error().to_string(), HasSubstr("still mapped"));
  mounts_.table.clear();
  EXPECT_TRUE(detach_iscsi_block(directory, host()).ok());
  EXPECT_FALSE(fs::exists(directory));
}

TEST(IscsiNames, AreReadBack) {
  const auto disk = parse_iscsi_global_dir("/r/iface-192.0.2.1:3260:pv/[2001:db8::1]:3260-iqn.2003-01.io-k8s:a-lun-12");
  ASSERT_TRUE(disk);
  EXPECT_THAT(disk->portals, ElementsAre("[2001:db8::1]:3260"));
  EXPECT_EQ(disk->iqn, "iqn.2003-01.io-k8s:a");
  EXPECT_EQ(disk->lun, 12);
  EXPECT_EQ(disk->interface, "192.0.2.1:3260:pv");
  for (const char* path : {"", "/r/x", "/r/p-iqn.a:b", "/r/p-iqn.a:b-lun-x", "/r/-lun-1-iqn.a"}) {
    EXPECT_FALSE(parse_iscsi_global_dir(path)) << path;
  }
}

TEST(IscsiFile, IsReadAsTheKubeletWritesIt) {
  const auto disk = parse_iscsi_json(
      R"({"VolName":"v","Portals":["p:1","p:2"],"Iqn":"iqn.x","Lun":"5","InitIface":"default","Iface":"p:1:v",)"
      R"("InitiatorName":"iqn.i","MetricsProvider":null})");
  ASSERT_TRUE(disk.ok());
  EXPECT_EQ(disk->lun, 5);
  EXPECT_THAT(disk->portals, ElementsAre("p:1", "p:2"));
  EXPECT_EQ(parse_iscsi_json(iscsi_json(*disk)).value(), *disk);
  for (const char* text : {"", "{}", "[]", "{\"Iqn\":1}", R"({"Portals":["p"],"Iqn":"i","Lun":"x"})"}) {
    EXPECT_FALSE(parse_iscsi_json(text).ok()) << text;
  }
}

}  // namespace
}  // namespace keelson::volume
