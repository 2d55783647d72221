#include "volume/local.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "volume/paths.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

using base::is_directory;
using base::path_exists;
using testing::ElementsAre;
using testing::HasSubstr;

std::int64_t own_gid() { return static_cast<std::int64_t>(getegid()); }

class LocalVolumeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-volume-XXXXXX";
    top_ = mkdtemp(name);
    options_ = {.root = top_ + "/root", .node_allocatable_memory = 1 << 30};
    pod_.mutable_metadata()->set_uid("uid-1");
    pod_.mutable_metadata()->set_name("web");
    pod_.mutable_spec()->add_containers()->set_name("main");
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  // Adds a volume that the container mounts.
  api::core::VolumeSource& volume(const std::string& name) {
    auto* mount = pod_.mutable_spec()->mutable_containers(0)->add_volumemounts();
    mount->set_name(name);
    mount->set_mountpath("/" + name);
    auto* added = pod_.mutable_spec()->add_volumes();
    added->set_name(name);
    return *added->mutable_volumesource();
  }
  void host_path(const std::string& name, const std::string& path, const std::string& type) {
    auto* source = volume(name).mutable_hostpath();
    source->set_path(path);
    source->set_type(type);
  }
  // Of each of the pod's volumes: its path, or what was wrong.
  std::map<std::string, Result<HostVolume>> set_up() {
    std::map<std::string, Result<HostVolume>> out;
    for (const auto& volume : pod_.spec().volumes()) {
      out.emplace(volume.name(), set_up_volume(pod_, volume, options_, mounts_));
    }
    return out;
  }
  bool all_set_up() {
    const auto all = set_up();
    return std::all_of(all.begin(), all.end(), [](const auto& entry) { return entry.second.ok(); });
  }
  std::string path_of(const std::string& name) {
    const auto all = set_up();
    return all.at(name).ok() ? all.at(name)->host_path : all.at(name).error().to_string();
  }
  static std::string failure(const Result<HostVolume>& result) { return result.ok() ? "" : result.error().to_string(); }
  Status tear_down() { return volume::tear_down(options_.root, "uid-1", mounts_); }
  std::string in_pod(const std::string& path) const { return options_.root + "/pods/uid-1/" + path; }
  static mode_t mode(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  std::string top_;
  LocalVolumeOptions options_;
  api::Pod pod_;
  FakeMounts mounts_;
};

TEST_F(LocalVolumeTest, MakesAnEmptyDirWithExactModesWhateverTheUmask) {
  volume("data").mutable_emptydir();
  const mode_t old = umask(0077);
  const auto all = set_up();
  umask(old);
  ASSERT_EQ(failure(all.at("data")), "");
  const std::string directory = in_pod("volumes/kubernetes.io~empty-dir/data");
  EXPECT_EQ(*all.at("data"), (HostVolume{.name = "data", .host_path = directory}));
  EXPECT_EQ(mode(directory), 0777u);
  EXPECT_EQ(mode(in_pod("volumes/kubernetes.io~empty-dir")), 0755u);
  EXPECT_EQ(mode(in_pod("volumes")), 0750u);
  EXPECT_EQ(mode(in_pod("plugins/kubernetes.io~empty-dir/data")), 0750u);
  EXPECT_EQ(mode(in_pod("plugins/kubernetes.io~empty-dir/data/ready")), 0644u);
}

TEST_F(LocalVolumeTest, AVolumeWithoutASourceIsAnEmptyDir) {
  volume("data");
  EXPECT_TRUE(is_directory(path_of("data")));
}

TEST_F(LocalVolumeTest, KeepsWhatThePodWroteWhenSetUpAgain) {
  volume("data").mutable_emptydir();
  const std::string directory = path_of("data");
  ASSERT_TRUE(base::write_file(directory + "/kept", "x", 0600).ok());
  ASSERT_EQ(chmod(directory.c_str(), 0700), 0);
  EXPECT_TRUE(all_set_up());
  EXPECT_TRUE(path_exists(directory + "/kept"));
  EXPECT_EQ(mode(directory), 0700u) << "a ready volume is not touched again";
}

TEST_F(LocalVolumeTest, MountsMemoryOnceWithTheSizeRule) {
  auto* source = volume("cache").mutable_emptydir();
  source->set_medium("Memory");
  source->mutable_sizelimit()->set_string("8Mi");
  ASSERT_TRUE(all_set_up());
  ASSERT_TRUE(all_set_up());
  EXPECT_THAT(mounts_.sizes, ElementsAre(8 << 20));
  mounts_.table.clear();  // a reboot: the marker is there, the mount is not
  ASSERT_TRUE(all_set_up());
  EXPECT_THAT(mounts_.sizes, ElementsAre(8 << 20, 8 << 20));
}

TEST(MemoryVolumeSize, TakesTheSmallestBoundThatIsSet) {
  struct Row {
    std::int64_t node, pod, limit, size;
  };
  for (const Row& row :
       {Row{1000, 0, 0, 1000}, Row{1000, 500, 0, 500}, Row{1000, 0, 200, 200}, Row{1000, 500, 200, 200},
        Row{1000, 200, 500, 200}, Row{1000, 5000, 9000, 1000}, Row{0, 0, 0, 0}}) {
    EXPECT_EQ(memory_volume_size(row.node, row.pod, row.limit), row.size)
        << row.node << " " << row.pod << " " << row.limit;
  }
}

TEST_F(LocalVolumeTest, SaysWhatIsWrongWithAVolume) {
  volume("far").mutable_nfs()->set_server("s");
  volume("huge").mutable_emptydir()->set_medium("HugePages-2Mi");
  host_path("host", "/no/such/place", "Directory");
  const auto all = set_up();
  EXPECT_EQ(failure(all.at("far")), "volumes of type nfs are not set up here");
  EXPECT_EQ(all.at("far").error().kind(), ErrorKind::unimplemented);
  EXPECT_THAT(failure(all.at("huge")), HasSubstr("there is no resource request for huge pages"));
  EXPECT_EQ(failure(all.at("host")), "hostPath type check failed: /no/such/place is not a directory");
}

TEST_F(LocalVolumeTest, RefusesNamesThatLeadElsewhere) {
  volume("../../escape").mutable_emptydir();
  EXPECT_THAT(path_of("../../escape"), HasSubstr("not usable as a file name"));
  pod_.mutable_metadata()->set_uid("..");
  EXPECT_FALSE(all_set_up());
  for (const char* uid : {"", ".", "..", "a/b"}) {
    EXPECT_FALSE(volume::tear_down(options_.root, uid, mounts_).ok()) << uid;
    EXPECT_FALSE(remove_pod_dir(options_.root, uid, mounts_).ok()) << uid;
  }
}

TEST_F(LocalVolumeTest, AppliesTheFsGroupToAnEmptyDir) {
  volume("data").mutable_emptydir();
  pod_.mutable_spec()->mutable_securitycontext()->set_fsgroup(geteuid() == 0 ? 2000 : own_gid());
  const std::string directory = path_of("data");
  EXPECT_EQ(mode(directory), 02777u);
  struct stat info {};
  stat(directory.c_str(), &info);
  EXPECT_EQ(info.st_gid, geteuid() == 0 ? 2000u : getegid());
}

TEST_F(LocalVolumeTest, HostPathTypesFollowTheTable) {
  const std::string dir = top_ + "/dir", file = top_ + "/file", sock = top_ + "/sock", absent = top_ + "/absent";
  ASSERT_TRUE(base::make_directories(dir, 0755).ok());
  ASSERT_TRUE(base::write_file(file, "", 0644).ok());
  const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  sock.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::filesystem::create_symlink(dir, top_ + "/link");
  std::filesystem::create_symlink(top_ + "/nowhere", top_ + "/dangling");

  const std::string failed = "hostPath type check failed: ";
  struct Row {
    std::string path, type, error;
  };
  const Row rows[] = {
      {absent, "", ""},
      {dir, "Directory", ""},
      {top_ + "/link", "Directory", ""},
      {file, "Directory", failed + file + " is not a directory"},
      {absent, "Directory", failed + absent + " is not a directory"},
      {top_ + "/dangling", "Directory", failed + top_ + "/dangling is not a directory"},
      {dir, "DirectoryOrCreate", ""},
      {file, "DirectoryOrCreate", failed + file + " is not a directory"},
      {file, "File", ""},
      {dir, "File", failed + dir + " is not a file"},
      {absent, "File", failed + absent + " is not a file"},
      {file, "FileOrCreate", ""},
      {dir, "FileOrCreate", failed + dir + " is not a file"},
      {sock, "Socket", ""},
      {file, "Socket", failed + file + " is not a socket file"},
      {"/dev/null", "CharDevice", ""},
      {file, "CharDevice", failed + file + " is not a character device"},
      {"/dev/null", "BlockDevice", failed + "/dev/null is not a block device"},
      {dir, "Cupboard", "Cupboard is an invalid volume type"},
      {"/a/../b", "", "hostPath /a/../b must not contain '..'"},
      {"", "", "hostPath has no path"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.path + " as " + row.type);
    const Status status = check_host_path(row.path, row.type);
    EXPECT_EQ(status.ok() ? "" : status.error().to_string(), row.error);
  }
}

TEST_F(LocalVolumeTest, HostPathMakesWhatItsTypeSays) {
  const mode_t old = umask(0);
  host_path("d", top_ + "/a/b", "DirectoryOrCreate");
  host_path("f", top_ + "/made", "FileOrCreate");
  host_path("g", top_ + "/no/parent", "FileOrCreate");
  const auto all = set_up();
  umask(old);
  ASSERT_EQ(failure(all.at("d")), "");
  EXPECT_EQ(*all.at("d"), (HostVolume{.name = "d", .host_path = top_ + "/a/b", .relabel = false}));
  EXPECT_EQ(failure(all.at("f")), "");
  EXPECT_EQ(mode(top_ + "/a/b"), 0755u);
  EXPECT_EQ(mode(top_ + "/made"), 0644u) << "whatever the umask";
  EXPECT_THAT(failure(all.at("g")), HasSubstr(top_ + "/no/parent"));
  EXPECT_FALSE(path_exists(in_pod("volumes"))) << "hostPath makes nothing under the pod's directory";
}

TEST_F(LocalVolumeTest, TearDownRemovesEmptyDirsAndNothingOfTheHost) {
  ASSERT_TRUE(base::make_directories(top_ + "/host", 0755).ok());
  ASSERT_TRUE(base::write_file(top_ + "/host/precious", "x", 0600).ok());
  volume("data").mutable_emptydir();
  volume("cache").mutable_emptydir()->set_medium("Memory");
  host_path("host", top_ + "/host", "Directory");
  ASSERT_TRUE(all_set_up());
  const std::string data = in_pod("volumes/kubernetes.io~empty-dir/data");
  ASSERT_TRUE(base::make_directories(data + "/deep/er", 0700).ok());
  std::filesystem::create_directory_symlink(top_ + "/host", data + "/link");

  ASSERT_TRUE(tear_down().ok());
  EXPECT_FALSE(path_exists(data));
  EXPECT_TRUE(mounts_.table.empty());
  EXPECT_TRUE(path_exists(top_ + "/host/precious"));
  EXPECT_FALSE(path_exists(in_pod("plugins/kubernetes.io~empty-dir/data")));
  EXPECT_TRUE(path_exists(in_pod("volumes/kubernetes.io~empty-dir"))) << "stays until the pod's directory goes";
  EXPECT_TRUE(tear_down().ok()) << "again is success";

  ASSERT_TRUE(remove_pod_dir(options_.root, "uid-1", mounts_).ok());
  EXPECT_FALSE(path_exists(in_pod("")));
  EXPECT_TRUE(tear_down().ok()) << "so is a pod that never had a directory";
  EXPECT_TRUE(remove_pod_dir(options_.root, "uid-1", mounts_).ok());
}

TEST_F(LocalVolumeTest, TearDownLeavesWhatSomebodyMountedInside) {
  volume("data").mutable_emptydir();
  const std::string data = path_of("data");
  ASSERT_TRUE(base::make_directories(data + "/nfs", 0755).ok());
  ASSERT_TRUE(base::write_file(data + "/nfs/precious", "x", 0600).ok());
  mounts_.table.push_back({data + "/nfs", "nfs"});
  const Status status = tear_down();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().to_string(), HasSubstr(data + "/nfs is still mounted"));
  EXPECT_TRUE(path_exists(data + "/nfs/precious"));
  EXPECT_FALSE(remove_pod_dir(options_.root, "uid-1", mounts_).ok());
  EXPECT_TRUE(path_exists(data + "/nfs/precious"));

  mounts_.table[0] = {data, "ext4"};
  EXPECT_THAT(tear_down().error().to_string(), HasSubstr("type ext4 is mounted on it"));
  EXPECT_EQ(mounts_.table.size(), 1u);
}

TEST_F(LocalVolumeTest, PodDirectoryKeepsVolumeDataOfTypesWeDoNotKnow) {
  const std::string nfs = in_pod("volumes/vendor~flex/share");
  ASSERT_TRUE(base::make_directories(nfs, 0750).ok());
  ASSERT_TRUE(base::write_file(nfs + "/precious", "x", 0600).ok());
  EXPECT_THAT(tear_down().error().to_string(), HasSubstr("its driver has not taken it off"));
  EXPECT_THAT(remove_pod_dir(options_.root, "uid-1", mounts_).error().to_string(), HasSubstr("still holds data"));
  EXPECT_TRUE(path_exists(nfs + "/precious"));

  ASSERT_TRUE(base::write_file(in_pod("volumes/stray"), "x", 0600).ok());
  EXPECT_FALSE(remove_pod_dir(options_.root, "uid-1", mounts_).ok());
  EXPECT_TRUE(path_exists(in_pod("volumes/stray")));
}

TEST_F(LocalVolumeTest, MemoryIsARealTmpfsAndGoesAgain) {
  auto* source = volume("cache").mutable_emptydir();
  source->set_medium("Memory");
  source->mutable_sizelimit()->set_string("1Mi");
  in_own_mount_namespace([&] {
    LinuxMounts mounts;
    const auto result = set_up_volume(pod_, pod_.spec().volumes(0), options_, mounts);
    if (!result.ok()) return 1;
    const std::string& path = result->host_path;
    auto found = mounts.at_or_below(path);
    if (!found.ok() || *found != std::vector<MountPoint>{{path, "tmpfs"}}) return 2;
    if (mode(path) != 01777) return 3;
    if (base::write_file(path + "/big", std::string(2 << 20, 'x'), 0600).ok()) return 4;
    if (!volume::tear_down(options_.root, "uid-1", mounts).ok() || path_exists(path)) return 5;
    return mounts.at_or_below(options_.root)->empty() ? 0 : 6;
  });
}

TEST_F(LocalVolumeTest, TheRootIsMadeSharedOnce) {
  ASSERT_TRUE(base::make_directories(options_.root, 0750).ok());
  in_own_mount_namespace([&] {
    LinuxMounts mounts;
    if (!make_shared(options_.root).ok()) return 1;
    if (!is_on_shared_mount(*base::read_file("/proc/self/mountinfo"), options_.root)) return 2;
    if (!make_shared(options_.root).ok() || mounts.at_or_below(options_.root)->size() != 1) return 3;
    return mounts.unmount(options_.root).ok() ? 0 : 4;
  });
}

TEST_F(LocalVolumeTest, ARealBindMountInsideAnEmptyDirSurvives) {
  volume("data").mutable_emptydir();
  const std::string data = path_of("data");
  ASSERT_TRUE(base::make_directories(data + "/bound", 0755).ok());
  ASSERT_TRUE(base::make_directories(top_ + "/host", 0755).ok());
  ASSERT_TRUE(base::write_file(top_ + "/host/precious", "x", 0600).ok());
  in_own_mount_namespace([&] {
    LinuxMounts mounts;
    if (mount((top_ + "/host").c_str(), (data + "/bound").c_str(), nullptr, MS_BIND, nullptr) != 0) return 1;
    if (volume::tear_down(options_.root, "uid-1", mounts).ok()) return 2;
    if (remove_pod_dir(options_.root, "uid-1", mounts).ok()) return 3;
    FakeMounts blind;  // even with a mount table that does not show it
    if (volume::tear_down(options_.root, "uid-1", blind).ok()) return 4;
    if (remove_pod_dir(options_.root, "uid-1", blind).ok()) return 5;
    return path_exists(top_ + "/host/precious") ? 0 : 6;
  });
  EXPECT_TRUE(path_exists(top_ + "/host/precious"));
}

// Names and modes of a recorded kubelet pod with the volumes that are done here.
TEST_F(LocalVolumeTest, MatchesTheRecordedTreeOfAKubelet) {
  if (geteuid() != 0) GTEST_SKIP() << "fsGroup 2000 needs root";
  std::ifstream file(KEELSON_SOURCE_DIR "/tests/golden/data/pods/volumes.json");
  ASSERT_TRUE(file.good());
  const auto recorded = nlohmann::json::parse(file);
  volume("e").mutable_emptydir();
  pod_.mutable_spec()->mutable_securitycontext()->set_fsgroup(2000);
  const mode_t old = umask(0022);
  ASSERT_TRUE(all_set_up());
  umask(old);
  int compared = 0;
  for (const auto& entry : recorded["pod_dir"]) {
    const std::string path = entry["path"];
    if (!path_exists(in_pod(path))) continue;
    SCOPED_TRACE(path);
    struct stat info {};
    ASSERT_EQ(lstat(in_pod(path).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, std::stoul(entry["mode"].get<std::string>().substr(2), nullptr, 8));
    EXPECT_EQ(info.st_gid, entry["gid"].get<gid_t>());
    ++compared;
  }
  EXPECT_EQ(compared, 7) << "volumes, its plugin, e; plugins, its plugin, e, ready";
}

}  // namespace
}  // namespace keelson::volume
