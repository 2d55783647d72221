// CSI on a node against a driver that is a process of its own: registration, the life of volumes, and what may go wrong
// on the way. Source: contract 04 §19-§22.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "agent/wiring/csi_service.hpp"
#include "base/file.hpp"
#include "base/tests/tasks.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/csi/driver_process.hpp"
#include "volume/csi/files.hpp"
#include "volume/csi/names.hpp"
#include "volume/csi/paths.hpp"
#include "volume/csi/proto/csi.pb.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;
using agent::CsiNodeObject;
using fakes::CsiDriverProcess;
using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using volume::VolumeError;
using Outcome = volume::VolumeError::Outcome;

const std::string kDriver = CsiDriverProcess::name;

class CsiOnANode : public ::testing::Test {
 protected:
  explicit CsiOnANode(bool mounts = false) {
    char name[] = "/tmp/keelson-csi-node-XXXXXX";
    top_ = mkdtemp(name);
    root_ = top_ + "/kubelet";
    std::vector<std::string> arguments = {"--node-id", "i-7", "--max-volumes", "12", "--topology", "zone.example=a"};
    if (!mounts) arguments.push_back("--no-mounts");
    driver_.emplace(top_ + "/driver", root_ + "/plugins_registry", arguments);
    api::core::Node node;
    node.mutable_metadata()->set_name("node-1");
    EXPECT_TRUE(api_.create(node).ok());
    volume_.name = "pv-1";
    volume_.driver = kDriver;
    volume_.handle = "vol-1";
    volume_.access_modes = {"ReadWriteOnce"};
    pod_.name = "web";
    pod_.ns = "default";
    pod_.uid = "uid-1";
    pod_.service_account = "default";
    k8s::storage::v1::CSIDriver object;
    object.mutable_metadata()->set_name(kDriver);
    object.mutable_spec()->set_attachrequired(false);
    object.mutable_spec()->set_podinfoonmount(true);
    EXPECT_TRUE(api_.create(object).ok());
  }
  ~CsiOnANode() override {
    driver_->kill();
    stop(gate_.stop());
    transport_.close_all();
    base::testing::drain(loop_);
    std::error_code ignored;
    std::filesystem::remove_all(top_, ignored);
  }

  // A busy machine may take its time.
  bool until(const std::function<bool()>& done, std::chrono::seconds limit = 60s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    auto keep_waiting = base::asio::make_work_guard(loop_.context());
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_.context().restart();
      loop_.context().run_one_for(20ms);
    }
    return true;
  }
  void stop(base::Task<void> task) {
    base::Gate own(loop_);
    base::spawn(own, "stop", std::move(task));
    KEELSON_CHECK(until([&] { return own.tasks() == 0; }));
  }
  template <class T>
  T run(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::spawn(gate_, "test", base::internal::keep_result<T>(std::move(task), place));
    KEELSON_CHECK(until([&] { return place->has_value(); }, 150s));
    return std::move(**place);
  }

  void make_service() {
    agent::CsiService::Base base{loop_,   clock_,  random_, pool_,    client_,
                                 tokens_, mounts_, root_,   "node-1", base::Logger()};
    service_.emplace(base);
    service_->start(gate_);
  }
  // Both run and know each other.
  void start() {
    make_service();
    driver_->start();
    ASSERT_TRUE(until([&] { return told("NotifyRegistrationStatus"); })) << log();
    driver_->forget_requests();
  }
  bool told(const std::string& method) {
    for (const std::string& known : driver_->methods()) {
      if (known == method) return true;
    }
    return false;
  }
  std::string log() { return base::read_file(driver_->log()).value_or("no log"); }
  volume::CsiPlugin& plugin() { return service_->plugin(); }
  CsiNodeObject csi_node() { return api_.get<CsiNodeObject>("", "node-1").value_or(CsiNodeObject()); }
  std::string node_ids() {
    const auto node = api_.get<api::core::Node>("", "node-1").value_or(api::core::Node());
    const auto& annotations = node.metadata().annotations();
    const auto found = annotations.find("csi.volume.kubernetes.io/nodeid");
    return found == annotations.end() ? "" : found->second;
  }
  volume::VolumeStatus stage() {
    volume::CsiStage wanted;
    wanted.volume = volume_;
    return run(plugin().stage(wanted));
  }
  volume::CsiPublish wish() {
    volume::CsiPublish wanted;
    wanted.volume = volume_;
    wanted.pod = pod_;
    return wanted;
  }
  volume::VolumeResult<volume::CsiPublished> publish() { return run(plugin().publish(wish())); }
  std::string target() const { return volume::csi_target_path(root_, "uid-1", "pv-1"); }
  std::string volume_dir() const { return volume::csi_volume_dir(root_, "uid-1", "pv-1"); }
  std::string staging() const { return volume::csi_staging_path(root_, kDriver, "vol-1"); }
  static bool exists(const std::string& path) { return base::path_exists(path); }

  std::string top_;
  std::string root_;
  base::Loop loop_;
  base::RealClock clock_{loop_};
  base::Random random_{5};
  base::BlockingPool pool_{loop_, clock_, 4};
  fakes::FakeApi api_{loop_, clock_};
  fakes::FakeApiTransport transport_{api_, clock_, {"admin", {"system:masters"}}};
  kube::Client client_{loop_, clock_, transport_, kube::ClientOptions(), base::Logger()};
  agent::TokenCache tokens_{client_, random_, base::Logger()};
  std::shared_ptr<volume::Mounts> mounts_ = std::make_shared<volume::LinuxMounts>();
  std::optional<CsiDriverProcess> driver_;
  base::Gate gate_{loop_};
  std::optional<agent::CsiService> service_;
  volume::CsiVolume volume_;
  volume::CsiPod pod_;
};

// --- Registration

TEST_F(CsiOnANode, ADriverIsEnteredWhenItComesAndLeftOutWhenItGoes) {
  make_service();
  driver_->start();
  ASSERT_TRUE(until([&] { return told("NotifyRegistrationStatus"); })) << log();
  EXPECT_THAT(driver_->methods(), ElementsAre("GetInfo", "NodeGetInfo", "NotifyRegistrationStatus"));
  const auto requests = driver_->requests();
  EXPECT_EQ(requests.back()["request"]["plugin_registered"], true);
  for (const json& request : requests) EXPECT_EQ(request["authority"], "localhost");
  const CsiNodeObject entered = csi_node();
  ASSERT_EQ(entered.spec().drivers_size(), 1);
  EXPECT_EQ(entered.spec().drivers(0).name(), kDriver);
  EXPECT_EQ(entered.spec().drivers(0).nodeid(), "i-7");
  EXPECT_EQ(entered.spec().drivers(0).allocatable().count(), 12);
  EXPECT_EQ(node_ids(), "{\"" + kDriver + "\":\"i-7\"}");
  EXPECT_EQ(api_.get<api::core::Node>("", "node-1")->metadata().labels().at("zone.example"), "a");

  driver_->stop();
  ASSERT_TRUE(until([&] { return csi_node().spec().drivers_size() == 0 && node_ids().empty(); }));
  EXPECT_THAT(service_->drivers().names(), IsEmpty());
  EXPECT_EQ(publish().error().outcome, Outcome::transient);
}

TEST_F(CsiOnANode, ADriverThatWasThereFirstIsFound) {
  driver_->start();
  ASSERT_TRUE(until([&] { return exists(root_ + "/plugins_registry/" + kDriver + "-reg.sock"); }));
  make_service();
  ASSERT_TRUE(until([&] { return told("NotifyRegistrationStatus"); })) << log();
  EXPECT_THAT(service_->drivers().names(), ElementsAre(kDriver));
}

TEST_F(CsiOnANode, ADriverThatCannotSayWhoTheNodeIsIsToldAndTriedAgain) {
  driver_->set_faults({{"NodeGetInfo", {{{"code", 13}, {"message", "no metadata"}, {"times", 1}}}}});
  make_service();
  driver_->start();
  ASSERT_TRUE(until([&] { return service_->drivers().find(kDriver).has_value() && driver_->requests().size() >= 6; }))
      << log() << ::testing::PrintToString(driver_->methods());
  const auto requests = driver_->requests();
  EXPECT_THAT(driver_->methods(), ElementsAre("GetInfo", "NodeGetInfo", "NotifyRegistrationStatus", "GetInfo",
                                              "NodeGetInfo", "NotifyRegistrationStatus"));
  EXPECT_EQ(requests[2]["request"]["plugin_registered"], false);
  EXPECT_EQ(requests[2]["request"]["error"],
            "RegisterPlugin error -- plugin registration failed with err: rpc error: code = Internal desc = no "
            "metadata");
  EXPECT_EQ(requests[5]["request"]["plugin_registered"], true);
}

// --- Volumes

TEST_F(CsiOnANode, AVolumesLife) {
  start();
  ASSERT_TRUE(stage().ok());
  const auto published = publish();
  ASSERT_TRUE(published.ok()) << published.error().to_string();
  EXPECT_EQ(published->path, target());
  EXPECT_TRUE(exists(target()));
  EXPECT_TRUE(exists(driver_->content("vol-1")));
  const auto stats = run(plugin().stats(kDriver, "vol-1", target()));
  ASSERT_TRUE(stats.ok()) << stats.error().to_string();
  ASSERT_TRUE(stats->has_value());
  EXPECT_GT((*stats)->bytes->total, 0);
  EXPECT_TRUE((*stats)->inodes.has_value());
  volume::CsiExpand bigger;
  bigger.volume = volume_;
  bigger.volume_path = target();
  bigger.size = 1 << 20;
  const auto expanded = run(plugin().expand(bigger));
  ASSERT_TRUE(expanded.ok()) << expanded.error().to_string();
  EXPECT_EQ(expanded->capacity, 1 << 20);
  ASSERT_TRUE(run(plugin().unpublish("uid-1", "pv-1")).ok());
  ASSERT_TRUE(run(plugin().unstage(kDriver, "vol-1")).ok());
  EXPECT_THAT(driver_->methods(), ElementsAre("NodeStageVolume", "NodePublishVolume", "NodeGetVolumeStats",
                                              "NodeExpandVolume", "NodeUnpublishVolume", "NodeUnstageVolume"));
  EXPECT_FALSE(exists(volume_dir()));
  EXPECT_FALSE(exists(staging()));
  EXPECT_TRUE(exists(driver_->content("vol-1"))) << "the content is the driver's";
  EXPECT_THAT(driver_->methods(true), Contains("NodeGetCapabilities").Times(10));
  for (const json& request : driver_->requests()) EXPECT_EQ(request["authority"], "localhost");
}

TEST_F(CsiOnANode, ABlockVolumesLife) {
  start();
  ASSERT_TRUE(run(plugin().stage_block(volume_)).ok());
  const auto published = run(plugin().publish_block(volume_, pod_));
  ASSERT_TRUE(published.ok()) << published.error().to_string();
  EXPECT_EQ(published->path, std::filesystem::canonical(driver_->content("vol-1") + "/device").string());
  ASSERT_TRUE(run(plugin().unpublish_block("uid-1", "pv-1")).ok());
  const auto unstaged = run(plugin().unstage_block("pv-1"));
  ASSERT_TRUE(unstaged.ok()) << unstaged.error().to_string();
  EXPECT_FALSE(exists(volume::csi_block_paths(root_, "pv-1").volume));
  EXPECT_TRUE(exists(driver_->content("vol-1") + "/device"));
}

// --- What may go wrong

TEST_F(CsiOnANode, ADriverThatDiesHalfWayIsAskedAgain) {
  start();
  driver_->set_faults({{"NodePublishVolume", {{{"die", true}, {"effect", true}, {"times", 1}}}}});
  const auto first = publish();
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().outcome, Outcome::uncertain) << first.error().to_string();
  EXPECT_TRUE(exists(target())) << "it took effect";
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json")) << "so that it can be taken down";
  ASSERT_TRUE(until([&] { return !driver_->runs(); }));
  const auto second = publish();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().outcome, Outcome::uncertain) << "its socket is there, but nobody listens";
  EXPECT_THAT(second.error().to_string(), HasSubstr("rpc error: code = Unavailable desc = "));
  driver_->set_faults(json::object());
  driver_->forget_requests();
  driver_->start();
  ASSERT_TRUE(until([&] { return told("NotifyRegistrationStatus"); })) << log();
  const auto third = publish();
  ASSERT_TRUE(third.ok()) << third.error().to_string();
  ASSERT_TRUE(run(plugin().unpublish("uid-1", "pv-1")).ok());
  EXPECT_FALSE(exists(volume_dir()));
}

TEST_F(CsiOnANode, AnErrorThatTookEffectAllTheSameIsUncertainOrFinalByItsCode) {
  start();
  driver_->set_faults({{"NodePublishVolume",
                        {{{"effect", true}, {"code", 4}, {"message", "too slow"}, {"times", 1}},
                         {{"effect", true}, {"code", 13}, {"message", "broken"}, {"times", 1}}}}});
  const auto uncertain = publish();
  EXPECT_EQ(uncertain.error().outcome, Outcome::uncertain);
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
  const auto final = publish();
  EXPECT_EQ(final.error().outcome, Outcome::final);
  EXPECT_EQ(final.error().to_string(), "rpc error: code = Internal desc = broken");
  EXPECT_FALSE(exists(volume_dir())) << "the empty directory that the driver made goes, too";
  EXPECT_TRUE(publish().ok());
}

TEST_F(CsiOnANode, ACallThatHangsIsCancelledWithItsTask) {
  start();
  driver_->set_faults({{"NodeStageVolume", {{{"hang", true}}}}});
  base::Gate own(loop_);
  auto place = std::make_shared<std::optional<volume::VolumeStatus>>();
  volume::CsiStage wanted;
  wanted.volume = volume_;
  base::spawn(own, "stage", base::internal::keep_result<volume::VolumeStatus>(plugin().stage(wanted), place));
  ASSERT_TRUE(until([&] { return told("NodeStageVolume"); })) << log();
  const auto begun = std::chrono::steady_clock::now();
  stop(own.stop());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
  EXPECT_FALSE(place->has_value());
  driver_->set_faults(json::object());
  EXPECT_TRUE(stage().ok()) << "the driver serves on";
}

TEST_F(CsiOnANode, ACallEndsAtItsLimit) {
  start();
  driver_->set_faults({{"NodeGetCapabilities", {{{"hang", true}}}}});
  agent::GrpcChannels channels(loop_);
  volume::CsiClient client(channels, clock_, top_ + "/driver/csi.sock", {}, 300ms);
  const auto done = run(client.capabilities());
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().outcome, Outcome::uncertain);
  EXPECT_EQ(done.error().to_string(), "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
}

TEST_F(CsiOnANode, WhereNobodyListensNothingWasSent) {
  agent::GrpcChannels channels(loop_);
  volume::CsiClient client(channels, clock_, top_ + "/none.sock");
  const auto done = run(client.node_info());
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().error.code(), base::RpcOutcome::unreached);
  EXPECT_EQ(done.error().error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(done.error().to_string().find('\n'), std::string::npos);
}

TEST_F(CsiOnANode, ASlowDriverHoldsUpNoOtherVolume) {
  start();
  driver_->set_faults({{"NodePublishVolume", {{{"hang", true}, {"times", 1}}}}});
  base::Gate own(loop_);
  auto place = std::make_shared<std::optional<volume::VolumeResult<volume::CsiPublished>>>();
  base::spawn(own, "publish",
              base::internal::keep_result<volume::VolumeResult<volume::CsiPublished>>(plugin().publish(wish()), place));
  ASSERT_TRUE(until([&] { return told("NodePublishVolume"); })) << log();
  volume_.name = "pv-2";
  volume_.handle = "vol-2";
  EXPECT_TRUE(publish().ok());
  stop(own.stop());
}

// --- With real mounts

class CsiMountsOnANode : public CsiOnANode {
 protected:
  CsiMountsOnANode() : CsiOnANode(true) {}
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may mount";
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      GTEST_SKIP() << "no mount namespace is to be had here";
  }
  bool mounted(const std::string& path) { return volume::is_mounted(path, *mounts_).value_or(false); }
};

TEST_F(CsiMountsOnANode, AVolumeIsMountedAndLeavesTheMountTableAsItWas) {
  start();
  const auto before = base::read_file("/proc/self/mountinfo").value();
  ASSERT_TRUE(stage().ok());
  EXPECT_TRUE(mounted(staging()));
  ASSERT_TRUE(publish().ok());
  EXPECT_TRUE(mounted(target()));
  ASSERT_TRUE(base::write_file(target() + "/file", "kept", 0644).ok());
  EXPECT_EQ(base::read_file(driver_->content("vol-1") + "/file").value_or(""), "kept");

  const auto refused = run(plugin().unstage(kDriver, "vol-1"));
  ASSERT_FALSE(refused.ok()) << "a pod has it yet";
  EXPECT_THAT(refused.error().to_string(), HasSubstr("is still mounted by other references [" + target() + "]"));

  ASSERT_TRUE(run(plugin().unpublish("uid-1", "pv-1")).ok());
  const auto unstaged = run(plugin().unstage(kDriver, "vol-1"));
  ASSERT_TRUE(unstaged.ok()) << unstaged.error().to_string();
  EXPECT_EQ(base::read_file("/proc/self/mountinfo").value(), before);
  EXPECT_EQ(base::read_file(driver_->content("vol-1") + "/file").value_or(""), "kept") << "nothing of the user's goes";
}

TEST_F(CsiMountsOnANode, AFinalErrorAfterTheEffectRemovesNothingThatIsMounted) {
  start();
  driver_->set_faults({{"NodePublishVolume", {{{"effect", true}, {"code", 13}, {"message", "broken"}, {"times", 1}}}}});
  ASSERT_TRUE(base::make_directories(driver_->content("vol-1"), 0755).ok());
  ASSERT_TRUE(base::write_file(driver_->content("vol-1") + "/file", "kept", 0644).ok());
  ASSERT_TRUE(stage().ok());
  EXPECT_EQ(publish().error().outcome, Outcome::final);
  EXPECT_TRUE(mounted(target()));
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
  EXPECT_TRUE(run(plugin().unpublish("uid-1", "pv-1")).ok());
  EXPECT_FALSE(exists(volume_dir()));
  EXPECT_EQ(base::read_file(driver_->content("vol-1") + "/file").value_or(""), "kept");
}

TEST_F(CsiMountsOnANode, AReadOnlyVolumeAndABlockDevice) {
  start();
  volume_.read_only = true;
  ASSERT_TRUE(stage().ok());
  ASSERT_TRUE(publish().ok());
  EXPECT_FALSE(base::write_file(target() + "/file", "x", 0644).ok());
  ASSERT_TRUE(run(plugin().unpublish("uid-1", "pv-1")).ok());
  ASSERT_TRUE(run(plugin().unstage(kDriver, "vol-1")).ok());
  volume_.name = "pv-2";
  volume_.handle = "vol-2";
  volume_.read_only = false;
  ASSERT_TRUE(run(plugin().stage_block(volume_)).ok());
  const auto published = run(plugin().publish_block(volume_, pod_));
  ASSERT_TRUE(published.ok()) << published.error().to_string();
  EXPECT_TRUE(mounted(published->path));
  ASSERT_TRUE(run(plugin().unpublish_block("uid-1", "pv-2")).ok());
  const auto unstaged = run(plugin().unstage_block("pv-2"));
  ASSERT_TRUE(unstaged.ok()) << unstaged.error().to_string();
}

}  // namespace
}  // namespace keelson
