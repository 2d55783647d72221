// CsiPluginTest: a plugin over a driver of the test's making, an API server in memory, a real directory and a mount
// table in memory.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "api/proto/storage_v1.pb.h"
#include "base/file.hpp"
#include "base/tests/fake_rpc.hpp"
#include "base/tests/tasks.hpp"
#include "volume/csi/files.hpp"
#include "volume/csi/names.hpp"
#include "volume/csi/paths.hpp"
#include "volume/csi/plugin.hpp"
#include "volume/csi/proto/csi.pb.h"
#include "volume/csi/tests/fake_cluster.hpp"
#include "volume/tests/fake_mounts.hpp"

namespace keelson::volume {

class CsiPluginTest : public ::testing::Test {
 protected:
  using Rpc = ::csi::v1::NodeServiceCapability::RPC;
  using Call = base::testing::FakeRpcChannels::Call;
  using Outcome = VolumeError::Outcome;

  void SetUp() override {
    char name[] = "/tmp/keelson-csi-XXXXXX";
    top_ = mkdtemp(name);
    rpc_.answer = [this](const Call& call, google::protobuf::MessageLite& response) { return answer(call, response); };
    ASSERT_TRUE(drivers_.add("disk.example", "/run/disk.sock", {"1.0.0"}).ok());
    volume_.name = "pv-1";
    volume_.driver = "disk.example";
    volume_.handle = "vol-1";
    volume_.fs_type = "ext4";
    volume_.attributes = {{"pool", "fast"}};
    volume_.mount_options = {"noatime", "discard"};
    volume_.access_modes = {"ReadWriteOnce"};
    pod_.name = "web";
    pod_.ns = "team";
    pod_.uid = "uid-1";
    pod_.service_account = "builder";
    attach();
    CsiPlugin::Base base{loop_, clock_, pool_, rpc_, drivers_, cluster_, mounts_, top_, "node-1", log_, &metrics_};
    base.count_again = [this](std::string driver) { return count_again(std::move(driver)); };
    plugin_.emplace(std::move(base));
  }
  ~CsiPluginTest() override {
    KEELSON_CHECK(base::testing::stop_now(loop_, gate_));
    std::error_code ignored;
    std::filesystem::remove_all(top_, ignored);
  }

  base::RpcOutcome answer(const Call& call, google::protobuf::MessageLite& response) {
    story_.push_back(call.name());
    if (call.name() == "NodeGetCapabilities") {
      for (const auto type : can)
        static_cast<::csi::v1::NodeGetCapabilitiesResponse&>(response).add_capabilities()->mutable_rpc()->set_type(
            type);
    }
    if (call.name() == "NodeExpandVolume")
      static_cast<::csi::v1::NodeExpandVolumeResponse&>(response).set_capacity_bytes(4096);
    if (on_call) on_call(call);
    const auto planned = outcomes.find(call.name());
    if (planned == outcomes.end()) return {};
    return planned->second;
  }

  base::Task<void> count_again(std::string driver) {
    counted_again_.push_back(std::move(driver));
    co_return;
  }
  void attach() {
    CsiAttachment attachment;
    attachment.attached = true;
    attachment.metadata = {{"device", "/dev/vdb"}};
    cluster_.attachments[csi_attachment_name("vol-1", "disk.example", "node-1")] = attachment;
  }
  k8s::storage::v1::CSIDriverSpec& object() { return *cluster_.drivers["disk.example"].mutable_spec(); }

  template <class T>
  T run(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::spawn(gate_, "test", base::internal::keep_result<T>(std::move(task), place));
    KEELSON_CHECK(base::testing::pump_until(loop_, [&] { return place->has_value(); }));
    return std::move(**place);
  }
  VolumeStatus stage() {
    CsiStage wanted;
    wanted.volume = volume_;
    wanted.fs_group = fs_group_;
    wanted.selinux_label = selinux_label_;
    return run(plugin_->stage(wanted));
  }
  CsiPublish publish_wish() {
    CsiPublish wanted;
    wanted.volume = volume_;
    wanted.pod = pod_;
    wanted.fs_group = fs_group_;
    wanted.selinux_label = selinux_label_;
    return wanted;
  }
  VolumeResult<CsiPublished> publish() { return run(plugin_->publish(publish_wish())); }

  template <class Message>
  const Message& last(const std::string& name) const {
    for (auto call = rpc_.calls.rbegin(); call != rpc_.calls.rend(); ++call) {
      if (call->name() == name) return static_cast<const Message&>(*call->request);
    }
    ADD_FAILURE() << name << " was never called";
    std::abort();
  }
  std::string staging() const { return csi_staging_path(top_, "disk.example", "vol-1"); }
  std::string staging_dir() const { return csi_staging_dir(top_, "disk.example", "vol-1"); }
  std::string target() const { return csi_target_path(top_, "uid-1", "pv-1"); }
  std::string volume_dir() const { return csi_volume_dir(top_, "uid-1", "pv-1"); }
  static bool exists(const std::string& path) { return base::path_exists(path); }

  std::string top_;
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::BlockingPool pool_{loop_, clock_, 1};
  base::testing::FakeRpcChannels rpc_{clock_};
  base::Gate gate_{loop_};
  std::vector<std::string> story_;
  FakeCsiCluster cluster_{story_};
  CsiDrivers drivers_;
  std::shared_ptr<FakeMounts> mounts_ = std::make_shared<FakeMounts>();
  std::vector<std::string> lines_;
  base::Logger log_{std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                                    [this](std::string_view line) { lines_.emplace_back(line); })};
  VolumeMetrics metrics_;
  std::vector<std::string> counted_again_;  // drivers
  std::optional<CsiPlugin> plugin_;

  CsiVolume volume_;
  CsiPod pod_;
  std::optional<std::int64_t> fs_group_;
  std::string selinux_label_;
  std::vector<Rpc::Type> can;
  std::map<std::string, base::RpcOutcome> outcomes;  // by method
  std::function<void(const Call&)> on_call;
};

}  // namespace keelson::volume
