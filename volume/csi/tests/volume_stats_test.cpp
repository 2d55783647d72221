// What a driver's statistics become, and what it is asked for.
#include "volume/csi/volume_stats.hpp"

#include "volume/csi/tests/plugin_fixture.hpp"

namespace keelson::volume {
namespace {

namespace pb = ::csi::v1;

TEST(CsiMeasured, IsBytesAndInodesAndWhetherTheVolumeIsWell) {
  CsiStats stats;
  EXPECT_EQ(measured_by_driver(stats), std::nullopt);
  stats.abnormal = true;
  EXPECT_EQ(measured_by_driver(stats), std::nullopt) << "a condition alone is no usage";
  stats.bytes = CsiUsage{60, 100, 40};
  Measured expected;
  expected.figures.available = 60;
  expected.figures.capacity = 100;
  expected.figures.used = 40;
  expected.abnormal = true;
  EXPECT_EQ(measured_by_driver(stats), expected);
  stats.inodes = CsiUsage{6, 10, -1};
  stats.abnormal.reset();
  expected.figures.inodes = 10;
  expected.figures.inodes_free = 6;
  expected.abnormal.reset();
  EXPECT_EQ(measured_by_driver(stats), expected) << "less than nothing is nothing";
}

class CsiGaugeTest : public CsiPluginTest {
 protected:
  void SetUp() override {
    CsiPluginTest::SetUp();
    gauge_.emplace(*plugin_, top_);
    can = {Rpc::GET_VOLUME_STATS};
    auto pod = std::make_shared<api::Pod>();
    pod->mutable_metadata()->set_uid("uid-1");
    pod->mutable_metadata()->set_name("web");
    pod->mutable_metadata()->set_namespace_("team");
    pod->mutable_spec()->add_volumes()->set_name("data");
    auto pv = std::make_shared<api::core::PersistentVolume>();
    pv->mutable_metadata()->set_name("pv-1");
    auto& csi = *pv->mutable_spec()->mutable_persistentvolumesource()->mutable_csi();
    csi.set_driver("disk.example");
    csi.set_volumehandle("vol-1");
    order_.spec.pod = pod;
    order_.spec.outer = "data";
    order_.spec.name = "pv-1";
    order_.spec.pv = pv;
    order_.path = target();
    on_stats_ = [](pb::NodeGetVolumeStatsResponse& response) {
      auto& usage = *response.add_usage();
      usage.set_unit(pb::VolumeUsage::BYTES);
      usage.set_total(100);
      usage.set_used(40);
    };
    rpc_.answer = [this](const Call& call, google::protobuf::MessageLite& response) {
      if (call.name() == "NodeGetVolumeStats" && on_stats_)
        on_stats_(static_cast<pb::NodeGetVolumeStatsResponse&>(response));
      return answer(call, response);
    };
  }

  std::optional<CsiGauge> gauge_;
  MeasureOrder order_;
  std::function<void(pb::NodeGetVolumeStatsResponse&)> on_stats_;
};

TEST_F(CsiGaugeTest, AsksForThePodsMount) {
  const auto measured = run(gauge_->measure(order_));
  ASSERT_TRUE(measured.ok() && measured->has_value());
  EXPECT_EQ((*measured)->figures.capacity, 100);
  EXPECT_EQ((*measured)->figures.used, 40);
  const auto& request = last<pb::NodeGetVolumeStatsRequest>("NodeGetVolumeStats");
  EXPECT_EQ(request.volume_id(), "vol-1");
  EXPECT_EQ(request.volume_path(), target());
}

TEST_F(CsiGaugeTest, AsksForThePodsDeviceFileOfABlockVolume) {
  order_.spec.block = true;
  ASSERT_TRUE(run(gauge_->measure(order_)).ok());
  EXPECT_EQ(last<pb::NodeGetVolumeStatsRequest>("NodeGetVolumeStats").volume_path(),
            top_ + "/plugins/kubernetes.io/csi/volumeDevices/pv-1/dev/uid-1");
}

TEST_F(CsiGaugeTest, HasNothingWhereTheDriverHasNothing) {
  can = {};
  const auto none = run(gauge_->measure(order_));
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
}

TEST_F(CsiGaugeTest, FailsWithTheDriverAndWithoutUsage) {
  on_stats_ = nullptr;
  EXPECT_EQ(run(gauge_->measure(order_)).error().kind(), ErrorKind::unavailable);
  outcomes["NodeGetVolumeStats"] = {5, "no such volume"};
  EXPECT_THAT(run(gauge_->measure(order_)).error().to_string(), ::testing::HasSubstr("no such volume"));
}

}  // namespace
}  // namespace keelson::volume
