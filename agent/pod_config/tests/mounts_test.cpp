#include "agent/pod_config/mounts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pod_config/tests/pods.hpp"

namespace keelson::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct World {
  NodeInfo node;
  ResolvedVolumes volumes{{"v", {"/host/v", false, true, std::nullopt}},
                          {"ro", {"/host/ro", true, false, std::nullopt}}};
  std::map<int, std::string> sub_paths;
  std::vector<cri::KeyValue> envs{{"DIR", "d"}};
  bool recursive = false;
  bool has_ips = true;
  std::string termination = "/host/term";

  World() { node.root_dir = "/R"; }
  Result<std::vector<cri::Mount>> make(const std::string& container, const std::string& spec = "") const {
    const auto pod = pod_with_container("{name: c, terminationMessagePath: /dev/term, " + container + "}", spec);
    return make_mounts(pod, pod.spec().containers(0),
                       {node, volumes, sub_paths, envs, recursive, has_ips, termination});
  }
  cri::Mount first(const std::string& mount) const {
    const auto mounts = make("volumeMounts: [{" + mount + "}]");
    EXPECT_TRUE(mounts.ok()) << mounts.error().to_string();
    return mounts.ok() ? mounts.value().front() : cri::Mount{};
  }
  std::string error(const std::string& mount) const {
    const auto mounts = make("volumeMounts: [{" + mount + "}]");
    return mounts.ok() ? "" : mounts.error().to_string();
  }
};

std::vector<std::string> targets(const Result<std::vector<cri::Mount>>& mounts) {
  std::vector<std::string> result;
  for (const auto& mount : mounts.value()) result.push_back(mount.container_path + "<" + mount.host_path);
  return result;
}

TEST(Mounts, VolumesComeInSpecOrderThenHostsThenTheTerminationMessage) {
  EXPECT_THAT(targets(World().make("volumeMounts: [{name: ro, mountPath: /z}, {name: v, mountPath: rel}]")),
              ElementsAre("/z</host/ro", "/rel</host/v", "/etc/hosts</R/pods/u/etc-hosts", "/dev/term</host/term"));
}

TEST(Mounts, TheHostsFileIsLeftOutWithoutIpAndWhereTheContainerHasItsOwn) {
  World world;
  world.termination = "";
  EXPECT_THAT(targets(world.make("volumeMounts: [{name: v, mountPath: /etc/hosts}]")),
              ElementsAre("/etc/hosts</host/v"));
  world.has_ips = false;
  EXPECT_THAT(targets(world.make("tty: false")), IsEmpty());
  EXPECT_THAT(targets(world.make("tty: false", "hostNetwork: true")), ElementsAre("/etc/hosts</R/pods/u/etc-hosts"));
}

TEST(Mounts, AreReadOnlyWhenMountOrVolumeIs) {
  EXPECT_FALSE(World().first("name: v, mountPath: /a").readonly);
  EXPECT_TRUE(World().first("name: v, mountPath: /a, readOnly: true").readonly);
  EXPECT_TRUE(World().first("name: ro, mountPath: /a").readonly);
}

TEST(Mounts, PropagationIsTranslated) {
  EXPECT_EQ(World().first("name: v, mountPath: /a").propagation, cri::MountPropagation::priv);
  EXPECT_EQ(World().first("name: v, mountPath: /a, mountPropagation: None").propagation, cri::MountPropagation::priv);
  EXPECT_EQ(World().first("name: v, mountPath: /a, mountPropagation: HostToContainer").propagation,
            cri::MountPropagation::host_to_container);
  EXPECT_EQ(World().first("name: v, mountPath: /a, mountPropagation: Bidirectional").propagation,
            cri::MountPropagation::bidirectional);
  EXPECT_EQ(World().error("name: v, mountPath: /a, mountPropagation: X"), "invalid MountPropagation mode: \"X\"");
}

TEST(Mounts, RecursiveReadOnlyNeedsAReadOnlyPrivateMountAndARuntimeThatCan) {
  World world;
  const std::string base = "name: v, mountPath: /a, recursiveReadOnly: ";
  const std::string unresolved = "failed to resolve recursive read-only mode: ";
  const std::string no = unresolved + "volume \"v\" requested recursive read-only mode, but it is not ";
  EXPECT_FALSE(world.first(base + "IfPossible, readOnly: true").recursive_read_only);
  EXPECT_FALSE(world.first(base + "Disabled").recursive_read_only);
  EXPECT_EQ(world.error(base + "Enabled"), no + "read-only");
  EXPECT_EQ(world.error(base + "Enabled, readOnly: true"), no + "supported by the runtime");
  world.recursive = true;
  EXPECT_TRUE(world.first(base + "IfPossible, readOnly: true").recursive_read_only);
  EXPECT_TRUE(world.first(base + "Enabled, readOnly: true").recursive_read_only);
  EXPECT_EQ(world.error(base + "Enabled, readOnly: true, mountPropagation: Bidirectional"),
            no + "compatible with propagation \"Bidirectional\"");
  EXPECT_EQ(world.error(base + "X, readOnly: true"), unresolved + "unknown recursive read-only mode \"X\"");
}

TEST(Mounts, SubPathsAreAskedForAndThenUsed) {
  World world;
  const std::string mounts =
      "volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b, subPath: x/y}, {name: v, mountPath: /c, "
      "subPathExpr: $(DIR)/z}]";
  const auto pod = pod_with_container("{name: c, " + mounts + "}");
  const auto requests = sub_path_requests(pod, pod.spec().containers(0), world.envs, world.volumes, world.node);
  ASSERT_TRUE(requests.ok());
  EXPECT_THAT(requests.value(),
              ElementsAre(SubPathRequest{1, "v", "c", "/host/v", "x/y", "/R/pods/u/volume-subpaths/v/c/1", "v"},
                          SubPathRequest{2, "v", "c", "/host/v", "d/z", "/R/pods/u/volume-subpaths/v/c/2", "v"}));
  for (const auto& request : requests.value()) world.sub_paths[request.index] = request.target;
  world.has_ips = false;
  world.termination = "";
  EXPECT_THAT(targets(world.make(mounts)),
              ElementsAre("/a</host/v", "/b</R/pods/u/volume-subpaths/v/c/1", "/c</R/pods/u/volume-subpaths/v/c/2"));
}

TEST(Mounts, SubPathsMustStayWithinTheVolume) {
  EXPECT_EQ(World().error("name: v, mountPath: /a, subPath: /x"), "error SubPath `/x` must not be an absolute path");
  EXPECT_EQ(World().error("name: v, mountPath: /a, subPath: x/../../y"),
            "unable to provision SubPath `x/../../y`: must not contain '..'");
  EXPECT_EQ(World().error("name: v, mountPath: /a, subPathExpr: $(NONE)"), "missing value for NONE");
  EXPECT_EQ(World().error("name: v, mountPath: /a, subPath: a..b"), "sub-path `a..b` of volume \"v\" was not prepared");
}

TEST(Mounts, AMissingVolumeIsAnError) {
  EXPECT_EQ(World().error("name: x, mountPath: /a"), "cannot find volume \"x\" to mount into container \"c\"");
}

TEST(Mounts, ImageVolumesCarryTheImage) {
  World world;
  cri::ImageSpec image;
  image.image = "sha256:1";
  image.user_specified_image = "reg/img:1";
  world.volumes["img"] = {"", false, false, image};
  const auto mount = world.first("name: img, mountPath: /i, subPath: a/b");
  EXPECT_EQ(mount.host_path, "");
  EXPECT_EQ(mount.container_path, "/i");
  EXPECT_EQ(mount.image->image, "sha256:1");
  EXPECT_EQ(mount.image->user_specified_image, "reg/img:1");
  EXPECT_EQ(mount.image_sub_path, "a/b");
  EXPECT_TRUE(mount.readonly);
}

TEST(Mounts, AreRelabelledOnlyWhereSelinuxIsOn) {
  World world;
  EXPECT_FALSE(world.first("name: v, mountPath: /a").selinux_relabel);
  world.node.selinux = true;
  const auto mounts = world.make("volumeMounts: [{name: v, mountPath: /a}, {name: ro, mountPath: /b}]");
  std::vector<bool> relabelled;
  for (const auto& mount : mounts.value()) relabelled.push_back(mount.selinux_relabel);
  EXPECT_THAT(relabelled, ElementsAre(true, false, true, true));
}

TEST(Mounts, TheTerminationMessagePathIsMadeAbsolute) {
  World world;
  world.has_ips = false;
  const auto pod = pod_with_container("{name: c, terminationMessagePath: dev/term}");
  const auto mounts = make_mounts(pod, pod.spec().containers(0),
                                  {world.node, world.volumes, world.sub_paths, world.envs, false, false, "/host/term"});
  EXPECT_THAT(targets(mounts), ElementsAre("/dev/term</host/term"));
}

TEST(BlockDevices, HavePermissionsByTheVolume) {
  const auto container =
      make_container("{name: c, volumeDevices: [{name: a, devicePath: /dev/xa}, {name: b, devicePath: /dev/xb}]}");
  const auto devices = make_block_devices(container, {{"a", {"/host/a", false}}, {"b", {"/host/b", true}}});
  ASSERT_TRUE(devices.ok());
  EXPECT_THAT(devices.value(),
              ElementsAre(cri::Device{"/dev/xa", "/host/a", "mrw"}, cri::Device{"/dev/xb", "/host/b", "r"}));
  EXPECT_EQ(make_block_devices(container, {}).error().message(),
            "cannot find volume \"a\" to pass into container \"c\"");
  EXPECT_EQ(make_block_devices(make_container("{name: c, volumeDevices: [{name: a, devicePath: xa}]}"),
                               {{"a", {"/host/a", false}}})
                .error()
                .message(),
            "error DevicePath `xa` must be an absolute path");
}

}  // namespace
}  // namespace keelson::agent
