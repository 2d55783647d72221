// FlexVolumes: what their drivers are asked, in which order, and what their answers mean.
#include "volume/manager/flex_plugin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "api/json_codec.hpp"
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kOk[] = R"({"status":"Success"})";
constexpr char kUnsupported[] = R"({"status":"Not supported"})";

class FlexTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-flex-XXXXXX";
    top_ = fs::canonical(mkdtemp(name)).string();
    root_ = top_ + "/root";
    drivers_ = top_ + "/exec";
    program_ = drivers_ + "/vendor~disk/disk";
    ASSERT_TRUE(base::make_directories(drivers_ + "/vendor~disk", 0755).ok());
    ASSERT_TRUE(base::write_file(program_, "#!/bin/sh\n", 0755).ok());
    work_.emplace(DiskWork::Pools{pool_, pool_}, mounts_, root_);
    DiskHost host{clock_,
                  *work_,
                  programs_,
                  std::make_shared<const ScsiDevices>(top_ + "/sys", top_ + "/dev"),
                  std::make_shared<FakeLoops>(),
                  VolumeEvent(),
                  [this](std::string ns, std::string name) { return secret(ns + "/" + name); }};
    plugin_.emplace(std::move(host), drivers_ + "/");
    pod_ = make_pod("u1");
    auto& source = *add_volume(*pod_, "data").mutable_flexvolume();
    source.set_driver("vendor/disk");
    source.set_fstype("xfs");
    (*source.mutable_options())["pool"] = "fast";
  }
  ~FlexTest() override {
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
  base::Task<Result<IscsiSecret>> secret(std::string asked) {
    asked_.push_back(std::move(asked));
    IscsiSecret out;
    out["password"] = "secret";
    co_return out;
  }
  void answers(const std::string& command, const std::string& answer, int code = 0) {
    programs_->on(program_ + " " + command, exits(code, answer));
  }
  void attaches(bool does) {
    answers("init", std::string(R"({"status":"Success","capabilities":{"attach":)") + (does ? "true" : "false") + "}}");
  }
  VolumeSpec spec() const {
    VolumeSpec out;
    out.pod = pod_;
    out.outer = "data";
    out.name = "data";
    return out;
  }
  MountOrder order() {
    MountOrder out;
    out.spec = spec();
    auto manner = run(plugin_->manner(spec()));
    KEELSON_CHECK(manner.ok());
    out.manner = *manner;
    out.progress = std::make_shared<VolumeProgress>();
    return out;
  }
  static TearDownOrder of_pod() {
    TearDownOrder out;
    out.uid = "u1";
    out.name = "data";
    return out;
  }
  // What was asked since, without the program's path.
  std::vector<std::string> asked() {
    std::vector<std::string> out;
    for (auto& call : std::exchange(programs_->calls, {})) {
      out.push_back(call.starts_with(program_) ? call.substr(program_.size() + 1) : call);
    }
    return out;
  }
  std::string target() const { return root_ + "/pods/u1/volumes/vendor~disk/data"; }
  std::string place() const { return root_ + "/plugins/kubernetes.io/flexvolume/vendor/disk/mounts/data"; }

  std::string top_;
  std::string root_;
  std::string drivers_;
  std::string program_;
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::BlockingPool pool_{loop_, clock_, 1};
  base::Gate gate_{loop_};
  std::shared_ptr<FakeMounts> mounts_ = std::make_shared<FakeMounts>();
  std::shared_ptr<FakePrograms> programs_ = std::make_shared<FakePrograms>();
  std::optional<DiskWork> work_;
  std::optional<FlexPlugin> plugin_;
  std::vector<std::string> asked_;  // secrets
  std::shared_ptr<api::Pod> pod_;
};

TEST_F(FlexTest, ADriverThatDoesNotAttachIsAskedToMountAndToUnmount) {
  attaches(false);
  answers("mount", kOk);
  answers("unmount", kOk);
  ASSERT_TRUE(plugin_->serves(spec()));
  MountOrder wanted = order();
  EXPECT_EQ(wanted.manner.device, "");
  EXPECT_EQ(wanted.manner.label, "vendor/disk");
  EXPECT_FALSE(wanted.manner.expands);
  const auto mounted = run(plugin_->set_up(wanted));
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_EQ(mounted->path, target());
  EXPECT_TRUE(mounted->relabel);
  const auto calls = asked();
  ASSERT_EQ(calls.size(), 2u) << "init is asked once";
  EXPECT_EQ(calls[0], "init");
  ASSERT_THAT(calls[1], StartsWith("mount " + target() + " {"));
  const auto options = api::parse_json(calls[1].substr(calls[1].find('{')));
  ASSERT_TRUE(options.ok());
  const auto said = [&](const char* key) { return options->find(key) == nullptr ? "" : options->find(key)->text; };
  EXPECT_EQ(said("kubernetes.io/fsType"), "xfs");
  EXPECT_EQ(said("kubernetes.io/readwrite"), "rw");
  EXPECT_EQ(said("kubernetes.io/pvOrVolumeName"), "data");
  EXPECT_EQ(said("kubernetes.io/pod.uid"), "u1");
  EXPECT_EQ(said("kubernetes.io/pod.name"), "pod-u1");
  EXPECT_EQ(said("kubernetes.io/pod.namespace"), "ns");
  EXPECT_EQ(said("pool"), "fast");
  EXPECT_EQ(options->find("kubernetes.io/fsGroup"), nullptr);
  ASSERT_TRUE(run(plugin_->tear_down(of_pod())).ok());
  EXPECT_THAT(asked(), ElementsAre("unmount " + target()));
  EXPECT_FALSE(fs::exists(target()));
  ASSERT_TRUE(run(plugin_->tear_down(of_pod())).ok()) << "it is gone";
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(FlexTest, ASecretIsPartOfTheOptionsAndOfNothingElse) {
  attaches(false);
  auto& source = *pod_->mutable_spec()->mutable_volumes(0)->mutable_volumesource()->mutable_flexvolume();
  source.mutable_secretref()->set_name("login");
  answers("mount", R"({"status":"Failure","message":"wrong password"})", 1);
  const auto failed = run(plugin_->set_up(order()));
  ASSERT_FALSE(failed.ok());
  // It may have mounted something all the same.
  EXPECT_EQ(failed.error().outcome, Outcome::uncertain);
  EXPECT_EQ(failed.error().to_string(), "mount command failed, status: Failure, reason: wrong password");
  EXPECT_THAT(asked_, ElementsAre("ns/login"));
  EXPECT_THAT(asked().back(), HasSubstr(R"("kubernetes.io/secret/password":"c2VjcmV0")"));
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(FlexTest, ADriverThatAttachesMountsForTheNodeFirst) {
  attaches(true);
  answers("waitforattach", R"({"status":"Success","device":"/dev/xvdf"})");
  answers("mountdevice", kOk);
  answers("mount", kUnsupported);
  answers("unmountdevice", kOk);
  answers("unmount", kUnsupported);
  MountOrder wanted = order();
  EXPECT_EQ(wanted.manner.device, "vendor/disk/data");
  EXPECT_TRUE(wanted.manner.attachable);
  EXPECT_TRUE(wanted.manner.expands);
  EXPECT_EQ(wanted.manner.place, place());
  wanted.device_path = "/dev/given";
  const auto placed = run(plugin_->mount_device(wanted));
  ASSERT_TRUE(placed.ok()) << placed.error().to_string();
  EXPECT_EQ(*placed, place());
  const auto calls = asked();
  ASSERT_EQ(calls.size(), 3u);
  EXPECT_THAT(calls[1], StartsWith("waitforattach /dev/given {"));
  EXPECT_THAT(calls[2], StartsWith("mountdevice " + place() + " /dev/xvdf {"));
  wanted.place = *placed;
  ASSERT_TRUE(run(plugin_->set_up(wanted)).ok());
  EXPECT_EQ(mounts_->bound[target()], place()) << "what it does not do is done by a bind mount";
  const auto found = run(plugin_->found_devices());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().device, "vendor/disk/data");
  EXPECT_EQ(found->front().place, place());
  ASSERT_TRUE(run(plugin_->tear_down(of_pod())).ok());
  EXPECT_THAT(mounts_->unmounted, ElementsAre(target()));
  ASSERT_TRUE(run(plugin_->unmount_device(found->front())).ok());
  EXPECT_FALSE(fs::exists(place()));
}

TEST_F(FlexTest, WhatADriverDoesNotDoItselfIsDoneAsForAnyDisk) {
  attaches(true);
  answers("waitforattach", kUnsupported);
  answers("mountdevice", kUnsupported);
  programs_->on("blkid", exits(0, "TYPE=xfs\n"));
  MountOrder wanted = order();
  wanted.device_path = "/dev/given";
  ASSERT_TRUE(run(plugin_->mount_device(wanted)).ok());
  ASSERT_EQ(mounts_->mounted.size(), 1u);
  EXPECT_EQ(mounts_->mounted[0].source, "/dev/given");
  EXPECT_EQ(mounts_->mounted[0].type, "xfs");
  EXPECT_THAT(mounts_->mounted[0].options, ElementsAre("rw", "defaults"));
}

TEST_F(FlexTest, AVolumeIsGrownByItsDriverOrLikeAnyDisk) {
  attaches(true);
  programs_->on_each(program_ + " expandfs",
                     {exits(0, kOk), exits(0, kUnsupported), exits(1, R"({"status":"Failure","message":"no"})")});
  programs_->on("blockdev", exits(0, "0\n"));
  programs_->on("blkid", exits(0, "TYPE=xfs\n"));
  ExpandOrder larger;
  larger.spec = spec();
  larger.device_path = "/dev/xvdf";
  larger.path = target();
  larger.size = 2000;
  larger.from = 1000;
  EXPECT_EQ(run(plugin_->expand(larger)).outcome, ExpandResult::Outcome::done);
  EXPECT_THAT(asked().back(), ::testing::EndsWith("} /dev/xvdf " + target() + " 2000 1000"));
  EXPECT_EQ(run(plugin_->expand(larger)).outcome, ExpandResult::Outcome::done);
  EXPECT_EQ(asked().back(), "xfs_growfs -d " + target());
  EXPECT_EQ(run(plugin_->expand(larger)).outcome, ExpandResult::Outcome::failed);
}

TEST_F(FlexTest, ADriverThatIsNotThereIsAVolumeThatNobodyServes) {
  fs::remove(program_);
  const auto none = run(plugin_->manner(spec()));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().to_string(),
            "failed to get Plugin from volumeSpec for volume \"data\" err=no volume plugin matched");
  auto& source = *pod_->mutable_spec()->mutable_volumes(0)->mutable_volumesource()->mutable_flexvolume();
  source.set_driver("../../bin/sh");
  EXPECT_FALSE(run(plugin_->manner(spec())).ok()) << "no program of anywhere else";
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(FlexTest, ADriverIsAskedAnewWhenItsFileIsAnother) {
  programs_->on_each(program_ + " init",
                     {exits(0, R"({"status":"Success","capabilities":{"attach":false}})"),
                      exits(0, R"({"status":"Success","capabilities":{"attach":true,"requiresFSResize":false}})")});
  EXPECT_FALSE(order().manner.attachable);
  EXPECT_FALSE(order().manner.attachable);
  EXPECT_EQ(asked().size(), 1u);
  fs::remove(program_);
  ASSERT_TRUE(base::write_file(program_ + ".new", "#!/bin/sh\n:\n", 0755).ok());
  fs::last_write_time(program_ + ".new", fs::file_time_type::clock::now() + std::chrono::hours(1));
  fs::rename(program_ + ".new", program_);
  EXPECT_TRUE(order().manner.attachable);
  EXPECT_FALSE(order().manner.expands);
}

TEST_F(FlexTest, AnAnswerThatIsNoneIsAnError) {
  attaches(false);
  answers("mount", "Segmentation fault", 139);
  const auto failed = run(plugin_->set_up(order()));
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().to_string(), HasSubstr("did not answer with a JSON object: exit status 139"));
}

TEST_F(FlexTest, WhatWasThereBeforeIsTakenOffByItsDriver) {
  attaches(false);
  answers("unmount", kOk);
  EXPECT_TRUE(plugin_->is_called("vendor/disk"));
  EXPECT_FALSE(plugin_->is_called("kubernetes.io/csi"));
  FoundVolume found{.uid = "u1", .plugin = "vendor/disk", .name = "data", .path = target(), .mounted = true};
  ASSERT_TRUE(base::make_directories(target(), 0750).ok());
  const auto manner = run(plugin_->manner_of_found(found));
  ASSERT_TRUE(manner.ok());
  EXPECT_EQ(manner->manner.device, "");
  ASSERT_TRUE(run(plugin_->tear_down(of_pod())).ok());
  EXPECT_FALSE(fs::exists(target()));
  fs::remove(program_);
  ASSERT_TRUE(base::make_directories(target(), 0750).ok());
  EXPECT_FALSE(run(plugin_->manner_of_found(found)).ok());
  EXPECT_EQ(run(plugin_->tear_down(of_pod())).error().outcome, Outcome::uncertain);
  EXPECT_TRUE(fs::exists(target())) << "its driver alone knows what it is";
}

}  // namespace
}  // namespace keelson::volume
