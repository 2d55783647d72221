// How each type is measured, what counts to a pod's ephemeral storage, limits; and the node's gauge on real files.
#include "volume/manager/volume_usage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/file.hpp"
#include "base/tests/tasks.hpp"
#include "volume/manager/tests/manager_fixture.hpp"
#include "volume/manager/volume_gauge.hpp"
#include "volume/tests/fake_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using Source = api::core::VolumeSource;
using PvSource = api::core::PersistentVolumeSource;

VolumeSpec inline_spec(const std::function<void(Source&)>& make) {
  auto pod = make_pod("u1");
  make(add_volume(*pod, "data"));
  VolumeSpec spec;
  spec.pod = pod;
  spec.outer = "data";
  spec.name = "data";
  return spec;
}

VolumeSpec pv_spec(const std::function<void(PvSource&)>& make, bool block) {
  VolumeSpec spec = inline_spec([](Source& source) { source.mutable_persistentvolumeclaim()->set_claimname("c"); });
  auto pv = std::make_shared<api::core::PersistentVolume>();
  make(*pv->mutable_spec()->mutable_persistentvolumesource());
  spec.pv = pv;
  spec.name = "pv-c";
  spec.block = block;
  return spec;
}

TEST(VolumeMeasure, IsByTheTypeOfAVolumeInThePod) {
  struct Row {
    const char* name;
    std::function<void(Source&)> make;
    Measure expected;
    bool local;
  };
  const Row rows[] = {
      {"unset", [](Source&) {}, Measure::tree, true},
      {"emptyDir", [](Source& s) { s.mutable_emptydir(); }, Measure::tree, true},
      {"emptyDir Memory", [](Source& s) { s.mutable_emptydir()->set_medium("Memory"); }, Measure::tree, false},
      {"emptyDir HugePages", [](Source& s) { s.mutable_emptydir()->set_medium("HugePages"); }, Measure::tree, false},
      {"configMap", [](Source& s) { s.mutable_configmap(); }, Measure::tree, true},
      {"secret", [](Source& s) { s.mutable_secret(); }, Measure::tree, false},
      {"downwardAPI", [](Source& s) { s.mutable_downwardapi(); }, Measure::tree, false},
      {"projected", [](Source& s) { s.mutable_projected(); }, Measure::tree, false},
      {"gitRepo", [](Source& s) { s.mutable_gitrepo(); }, Measure::none, true},
      {"hostPath", [](Source& s) { s.mutable_hostpath(); }, Measure::none, false},
      {"image", [](Source& s) { s.mutable_image(); }, Measure::none, false},
      {"nfs", [](Source& s) { s.mutable_nfs(); }, Measure::file_system, false},
      {"iscsi", [](Source& s) { s.mutable_iscsi(); }, Measure::file_system, false},
      {"fc", [](Source& s) { s.mutable_fc(); }, Measure::none, false},
      {"csi", [](Source& s) { s.mutable_csi(); }, Measure::driver, false},
  };
  for (const Row& row : rows) {
    const VolumeSpec spec = inline_spec(row.make);
    EXPECT_EQ(measure_of(spec), row.expected) << row.name;
    EXPECT_EQ(is_local_ephemeral(spec.volume()), row.local) << row.name;
  }
}

TEST(VolumeMeasure, IsByTheTypeAndModeOfAPersistentVolume) {
  struct Row {
    const char* name;
    std::function<void(PvSource&)> make;
    Measure files;
    Measure block;
  };
  const Row rows[] = {
      {"csi", [](PvSource& s) { s.mutable_csi(); }, Measure::driver, Measure::driver},
      {"local", [](PvSource& s) { s.mutable_local(); }, Measure::file_system, Measure::device},
      {"iscsi", [](PvSource& s) { s.mutable_iscsi(); }, Measure::file_system, Measure::device},
      {"fc", [](PvSource& s) { s.mutable_fc(); }, Measure::none, Measure::device},
      {"nfs", [](PvSource& s) { s.mutable_nfs(); }, Measure::file_system, Measure::none},
      {"hostPath", [](PvSource& s) { s.mutable_hostpath(); }, Measure::none, Measure::none},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(measure_of(pv_spec(row.make, false)), row.files) << row.name;
    EXPECT_EQ(measure_of(pv_spec(row.make, true)), row.block) << row.name;
    EXPECT_FALSE(is_local_ephemeral(pv_spec(row.make, false).volume())) << row.name;
  }
}

TEST(VolumeClaimRef, IsOfAClaimAndOfAGenericEphemeralVolume) {
  const VolumeSpec claimed = pv_spec([](PvSource& s) { s.mutable_csi(); }, false);
  EXPECT_EQ(claim_ref(*claimed.pod, claimed.volume()), (ClaimRef{"ns", "c"}));
  const VolumeSpec generic = inline_spec([](Source& s) { s.mutable_ephemeral(); });
  EXPECT_EQ(claim_ref(*generic.pod, generic.volume()), (ClaimRef{"ns", "pod-u1-data"}));
  const VolumeSpec empty = inline_spec([](Source& s) { s.mutable_emptydir(); });
  EXPECT_EQ(claim_ref(*empty.pod, empty.volume()), std::nullopt);
}

PodUsage usage_of(const std::map<std::string, std::int64_t>& used) {
  PodUsage out;
  for (const auto& [name, bytes] : used) {
    VolumeUsage volume;
    volume.name = name;
    volume.measured.figures.used = bytes;
    out.volumes.push_back(std::move(volume));
  }
  return out;
}

TEST(SizeLimit, IsExceededByMoreThanItAndByNoOtherVolume) {
  constexpr std::int64_t kMi = 1 << 20;
  struct Row {
    const char* name;
    const char* limit;  // empty: none
    const char* medium;
    std::int64_t used;
    std::string message;
  };
  const auto message = [](const std::string& limit) {
    return "Usage of EmptyDir volume \"data\" exceeds the limit \"" + limit + "\". ";
  };
  const Row rows[] = {
      {"less", "1Mi", "", kMi - 1, ""},
      {"as much", "1Mi", "", kMi, ""},
      {"more", "1Mi", "", kMi + 1, message("1Mi")},
      {"in memory", "1Mi", "Memory", kMi + 1, message("1Mi")},
      {"written otherwise", "1024Ki", "", kMi + 1, message("1Mi")},
      {"a fraction of a byte", "1500m", "", 2, message("1500m")},
      {"zero is no limit", "0", "", kMi, ""},
      {"nor is less", "-1", "", kMi, ""},
      {"none", "", "", kMi, ""},
  };
  for (const Row& row : rows) {
    const VolumeSpec spec = inline_spec([&row](Source& source) {
      source.mutable_emptydir()->set_medium(row.medium);
      if (*row.limit != '\0') source.mutable_emptydir()->mutable_sizelimit()->set_string(row.limit);
    });
    EXPECT_EQ(exceeded_size_limit(*spec.pod, usage_of({{"data", row.used}})).value_or(""), row.message) << row.name;
    EXPECT_EQ(exceeded_size_limit(*spec.pod, usage_of({{"other", row.used}})), std::nullopt) << row.name;
  }
}

TEST(SizeLimit, TheFirstInThePodIsTold) {
  auto pod = make_pod("u1");
  for (const char* name : {"small", "b", "a"})
    add_volume(*pod, name).mutable_emptydir()->mutable_sizelimit()->set_string("1k");
  const PodUsage usage = usage_of({{"a", 2000}, {"b", 2000}, {"small", 10}});
  EXPECT_EQ(exceeded_size_limit(*pod, usage), "Usage of EmptyDir volume \"b\" exceeds the limit \"1k\". ");
}

TEST(PodsLocalUsage, IsTheSumOfItsLocalVolumes) {
  PodUsage usage = usage_of({{"a", 100}, {"b", 20}, {"claim", 3}});
  usage.volumes[0].local_ephemeral = true;
  usage.volumes[0].measured.figures.inodes_used = 5;
  usage.volumes[1].local_ephemeral = true;
  usage.volumes[1].measured.figures.inodes_used = 6;
  EXPECT_EQ(local_usage(usage), (LocalUsage{120, 11}));
  EXPECT_EQ(local_usage(PodUsage()), LocalUsage());
}

// --- The node's gauge ---

class FakeDriver final : public VolumeGauge {
 public:
  base::Task<Result<std::optional<Measured>>> measure(MeasureOrder order) override {
    asked.push_back(order.path);
    std::optional<Measured> out(std::in_place);
    out->abnormal = true;
    co_return out;
  }
  std::vector<std::string> asked;
};

class NodeGaugeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-gauge-XXXXXX";
    top_ = mkdtemp(name);
    ASSERT_TRUE(base::write_file(top_ + "/file", std::string(100'000, 'x'), 0600).ok());
  }
  ~NodeGaugeTest() override { fs::remove_all(top_); }

  Result<std::optional<Measured>> measure(VolumeSpec spec, const std::string& path) {
    order_.spec = std::move(spec);
    order_.path = path;
    return base::testing::run_real(loop_, gauge_.measure(order_));
  }

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::BlockingPool trees_{loop_, clock_, 1};
  base::BlockingPool looks_{loop_, clock_, 1};
  DiskWork work_{{trees_, looks_}, std::make_shared<FakeMounts>(), "/root"};
  FakeDriver driver_;
  NodeGauge gauge_{work_, &driver_};
  MeasureOrder order_;
  std::string top_;
};

TEST_F(NodeGaugeTest, MeasuresEachTypeInItsWay) {
  const auto tree = measure(inline_spec([](Source& s) { s.mutable_emptydir(); }), top_);
  ASSERT_TRUE(tree.ok() && tree->has_value());
  EXPECT_EQ((*tree)->figures.inodes_used, 2);
  EXPECT_GE((*tree)->figures.used, 100'000);

  const auto system = measure(inline_spec([](Source& s) { s.mutable_nfs(); }), top_);
  ASSERT_TRUE(system.ok() && system->has_value());
  EXPECT_EQ((*system)->figures.capacity, (*tree)->figures.capacity);
  EXPECT_GT((*system)->figures.inodes_used, 2);

  const auto device = measure(pv_spec([](PvSource& s) { s.mutable_local(); }, true), top_ + "/file");
  ASSERT_TRUE(device.ok() && device->has_value());
  EXPECT_EQ((*device)->figures.capacity, 100'000);

  const auto driver = measure(pv_spec([](PvSource& s) { s.mutable_csi(); }, false), "/pods/u1/mount");
  ASSERT_TRUE(driver.ok() && driver->has_value());
  EXPECT_EQ((*driver)->abnormal, true);
  EXPECT_EQ(driver_.asked, std::vector<std::string>{"/pods/u1/mount"});
}

TEST_F(NodeGaugeTest, HasNothingOfWhatCannotBeMeasured) {
  const auto host = measure(inline_spec([](Source& s) { s.mutable_hostpath(); }), "/");
  ASSERT_TRUE(host.ok());
  EXPECT_FALSE(host->has_value());
  NodeGauge without(work_, nullptr);
  order_.spec = pv_spec([](PvSource& s) { s.mutable_csi(); }, false);
  const auto driver = base::testing::run_real(loop_, without.measure(order_));
  ASSERT_TRUE(driver.ok());
  EXPECT_FALSE(driver->has_value());
}

TEST_F(NodeGaugeTest, FailsByPathAndIsStopped) {
  const auto missing = measure(inline_spec([](Source& s) { s.mutable_emptydir(); }), top_ + "/none");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind(), ErrorKind::not_found);
  EXPECT_TRUE(*order_.stop) << "nobody waits for a walk that failed or is late";
  const auto stopped = measure(inline_spec([](Source& s) { s.mutable_emptydir(); }), top_);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace keelson::volume
