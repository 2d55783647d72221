// Which SELinux context a volume is mounted with, and what becomes of one that is mounted with another (contract 04
// §12).
#include "volume/manager/selinux.hpp"

#include <filesystem>

#include "base/file.hpp"
#include "volume/manager/tests/manager_fixture.hpp"

namespace keelson::volume {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFiles[] = "system_u:object_r:container_file_t:s0";

void set_level(api::core::SELinuxOptions& options, const std::string& level) { options.set_level(level); }

SELinuxHost host() {
  SELinuxHost out;
  out.enabled = true;
  out.file_context = kFiles;
  return out;
}

// Of a claim for one pod alone.
VolumeSpec spec_of(std::shared_ptr<api::Pod> pod, const std::string& access = "ReadWriteOncePod") {
  auto pv = std::make_shared<api::core::PersistentVolume>();
  pv->mutable_spec()->add_accessmodes(access);
  VolumeSpec spec;
  spec.pod = std::move(pod);
  spec.outer = "data";
  spec.pv = pv;
  return spec;
}

std::shared_ptr<api::Pod> pod_with_level(const std::string& uid, const std::string& level) {
  auto pod = pod_with_claim(uid, "c");
  set_level(*pod->mutable_spec()->mutable_securitycontext()->mutable_selinuxoptions(), level);
  return pod;
}

TEST(SELinuxContext, IsMadeOfTheHostsAndWhatTheContainersAskFor) {
  struct Row {
    const char* user;
    const char* type;
    const char* level;
    const char* context;
  };
  const Row rows[] = {
      {"", "", "s0:c1,c2", "system_u:object_r:container_file_t:s0:c1,c2"},
      {"user_u", "spc_t", "s0:c1,c2", "user_u:object_r:container_file_t:s0:c1,c2"},
      {"user_u", "", "", ""},
      {"", "", "", ""},
  };
  for (const Row& row : rows) {
    api::core::SELinuxOptions options;
    options.set_user(row.user);
    options.set_type(row.type);
    options.set_level(row.level);
    EXPECT_EQ(context_of(options, kFiles), row.context) << row.level << row.user;
  }
  api::core::SELinuxOptions options;
  options.set_level("s0:c1");
  EXPECT_EQ(context_of(options, ""), "") << "a host that does not say";
}

TEST(SELinuxContext, IsOfVolumesForOnePodOnHostsWithSELinux) {
  const auto pod = pod_with_level("u", "s0:c1,c2");
  const std::string label = std::string(kFiles) + ":c1,c2";
  EXPECT_EQ(mount_context(spec_of(pod), host()).value(), label);
  EXPECT_EQ(mount_context(spec_of(pod), SELinuxHost()).value(), "");
  EXPECT_EQ(mount_context(spec_of(pod, "ReadWriteMany"), host()).value(), "");
  SELinuxHost all = host();
  all.all_access_modes = true;
  EXPECT_EQ(mount_context(spec_of(pod, "ReadWriteMany"), all).value(), label);
  VolumeSpec in_pod = spec_of(pod);
  in_pod.pv = nullptr;
  EXPECT_EQ(mount_context(in_pod, host()).value(), "");
  VolumeSpec device = spec_of(pod);
  device.block = true;
  EXPECT_EQ(mount_context(device, host()).value(), "");
  pod->mutable_spec()->mutable_securitycontext()->set_selinuxchangepolicy("Recursive");
  EXPECT_EQ(mount_context(spec_of(pod), host()).value(), "");
}

TEST(SELinuxContext, MustBeOneForAllContainersThatMountTheVolume) {
  const auto pod = pod_with_level("u", "s0:c1");
  auto& second = *pod->mutable_spec()->add_containers();
  set_level(*second.mutable_securitycontext()->mutable_selinuxoptions(), "s0:c2");
  EXPECT_TRUE(mount_context(spec_of(pod), host()).ok()) << "it does not mount the volume";
  second.add_volumemounts()->set_name("data");
  const auto context = mount_context(spec_of(pod), host());
  ASSERT_FALSE(context.ok());
  EXPECT_THAT(context.error().to_string(), HasSubstr("container_file_t:s0:c1\", \"system_u"));
}

TEST(SELinuxContext, OfAMountStandsInItsOptions) {
  EXPECT_EQ(context_in("rw,context=\"u:r:t:s0:c1,c2\",seclabel"), "u:r:t:s0:c1,c2");
  EXPECT_EQ(context_in("context=u:r:t:s0,rw"), "u:r:t:s0");
  EXPECT_EQ(context_in("rw,fscontext=u:r:f:s0,rootcontext=u:r:x:s0"), "");
  EXPECT_EQ(context_in("rw,fscontext=u:r:f:s0,context=u:r:t:s0"), "u:r:t:s0");
  EXPECT_EQ(context_in("context=\"u:r"), "u:r");
  EXPECT_EQ(context_in("context="), "");
  EXPECT_EQ(context_in(""), "");
}

TEST(SELinuxContext, IsTheSameHoweverItsCategoriesAreWritten) {
  EXPECT_TRUE(same_context("u:r:t:s0:c20,c5", "u:r:t:s0:c5,c20"));
  EXPECT_TRUE(same_context("u:r:t:s0:c1,c2,c3", "u:r:t:s0:c1.c3"));
  EXPECT_TRUE(same_context("", ""));
  EXPECT_TRUE(same_context("odd", "odd"));
  EXPECT_FALSE(same_context("u:r:t:s0:c1", "u:r:t:s0:c1,c2"));
  EXPECT_FALSE(same_context("u:r:t:s0:c1", "u:r:t:s1:c1"));
  EXPECT_FALSE(same_context("u:r:t:s0", ""));
  EXPECT_FALSE(same_context("u:r:t:s0:cx", "u:r:t:s0:c1"));
  EXPECT_FALSE(same_context("u:r:t:s0-s0:c0.c1023", "u:r:t:s0:c0.c1023"));
}

TEST(SELinuxContext, TheHostSaysByItsPolicysFiles) {
  char name[] = "/tmp/keelson-selinux-XXXXXX";
  const std::string top = mkdtemp(name);
  EXPECT_FALSE(read_selinux(top, top + "/none").enabled);
  std::filesystem::create_directories(top + "/strict/contexts");
  ASSERT_TRUE(
      base::write_file(top + "/config", "# SELINUXTYPE=none\nSELINUX=enforcing\nSELINUXTYPE=strict\n", 0644).ok());
  ASSERT_TRUE(base::write_file(top + "/strict/contexts/lxc_contexts",
                               "process = \"system_u:system_r:container_t:s0\"\ncontent = \"x\"\nfile = \"" +
                                   std::string(kFiles) + "\"\n",
                               0644)
                  .ok());
  const SELinuxHost found = read_selinux(top, top);
  EXPECT_TRUE(found.enabled);
  EXPECT_EQ(found.file_context, kFiles);
  std::filesystem::remove_all(top);
}

class ContextTest : public ManagerTest {
 protected:
  void SetUp() override {
    manner_.device = "test/disk";
    manner_.takes_context = true;
    selinux_ = host();
    begin();
    cluster_.bind("c", "ReadWriteOncePod");
  }
};

TEST_F(ContextTest, IsWhatTheDeviceAndThePodsMountAreMadeWith) {
  ASSERT_TRUE((*mount(pod_with_level("u1", "s0:c1")))->ok());
  EXPECT_EQ(plugin_->orders.back().spec.context, std::string(kFiles) + ":c1");
}

TEST_F(ContextTest, TheOldOneGoesWithTheVolumeBeforeAnotherPodGetsIt) {
  ASSERT_TRUE((*mount(pod_with_level("u1", "s0:c1")))->ok());
  told();
  plugin_->hang("unmount pv-c for u1");
  (void)unmount("u1");
  const auto second = mount(pod_with_level("u2", "s0:c2"));
  clock_.advance(1s);
  EXPECT_FALSE(second->has_value());
  plugin_->release();
  clock_.advance(1s);
  ASSERT_TRUE(second->has_value());
  EXPECT_TRUE((*second)->ok());
  std::vector<std::string> story = told();
  std::erase_if(story, [](const std::string& call) { return call.ends_with("u1"); });
  EXPECT_THAT(story, ElementsAre("unstage pv-c", "stage pv-c", "mount pv-c for u2"));
}

TEST_F(ContextTest, TheSameOneStays) {
  ASSERT_TRUE((*mount(pod_with_level("u1", "s0:c1")))->ok());
  plugin_->hang("unmount pv-c for u1");
  (void)unmount("u1");
  const auto second = mount(pod_with_level("u2", "s0:c1"));
  plugin_->release();
  clock_.advance(1s);
  ASSERT_TRUE(second->has_value());
  EXPECT_TRUE((*second)->ok());
  std::vector<std::string> story = told();
  std::erase_if(story, [](const std::string& call) { return call.ends_with("u1"); });
  EXPECT_THAT(story, ElementsAre("stage pv-c", "mount pv-c for u2")) << "staged once";
}

TEST_F(ContextTest, WhereManyPodsMayUseAVolumeTheOtherLabelWaitsForTheLast) {
  end();
  selinux_.all_access_modes = true;
  begin();
  cluster_.bind("c", "ReadWriteMany");
  cluster_.volumes["pv-c"].mutable_spec()->clear_accessmodes();
  cluster_.volumes["pv-c"].mutable_spec()->add_accessmodes("ReadWriteMany");
  ASSERT_TRUE((*mount(pod_with_level("u1", "s0:c1")))->ok());
  const auto other = mount(pod_with_level("u2", "s0:c2"));
  clock_.advance(5s);
  EXPECT_FALSE(other->has_value());
  EXPECT_THAT(waits_["u2"], HasSubstr("under another SELinux label"));
  EXPECT_THAT(events_, IsEmpty());
  ASSERT_TRUE((*unmount("u1"))->ok());
  settle();
  ASSERT_TRUE(other->has_value());
  EXPECT_TRUE((*other)->ok());
}

TEST_F(ContextTest, ContainersThatDoNotAgreeKeepThePodWaiting) {
  const auto pod = pod_with_level("u1", "s0:c1");
  auto& second = *pod->mutable_spec()->add_containers();
  second.set_name("second");
  second.add_volumemounts()->set_name("data");
  set_level(*second.mutable_securitycontext()->mutable_selinuxoptions(), "s0:c2");
  const auto mounted = mount(pod);
  ASSERT_TRUE(mounted->has_value());
  ASSERT_FALSE((*mounted)->ok());
  EXPECT_THAT((*mounted)->error().to_string(), HasSubstr("several SELinux labels"));
}

}  // namespace
}  // namespace keelson::volume
