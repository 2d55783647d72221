// When volumes are measured, what is kept of it, and that none waits for another.
#include "volume/manager/usage_meter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/tests/tasks.hpp"
#include "volume/manager/tests/manager_fixture.hpp"

namespace keelson::volume {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Answer = Result<std::optional<Measured>>;

constexpr base::Duration kPeriod = 1min;

Measured used(std::int64_t bytes) {
  Measured out;
  out.figures.used = bytes;
  out.figures.inodes_used = bytes / 10;
  return out;
}

// Answers by "UID/VOL"; a volume that is not named uses a byte.
class FakeGauge final : public VolumeGauge {
 public:
  FakeGauge(base::Loop& loop, base::Clock& clock) : clock_(clock), go_(loop) {}

  base::Task<Answer> measure(MeasureOrder order) override {
    const std::string key = order.spec.pod->metadata().uid() + "/" + order.spec.outer;
    times[key].push_back(clock_.steady_now());
    orders.insert_or_assign(key, order);
    while (hanging.count(key) > 0) co_await go_.wait();
    const auto planned = answers.find(key);
    if (planned != answers.end()) co_return planned->second;
    co_return std::optional<Measured>(used(1));
  }
  void release() {
    hanging.clear();
    go_.notify();
  }
  std::size_t calls(const std::string& key) const {
    const auto found = times.find(key);
    return found == times.end() ? 0 : found->second.size();
  }

  std::map<std::string, std::vector<base::SteadyTime>> times;
  std::map<std::string, MeasureOrder> orders;  // the last of each
  std::map<std::string, Answer> answers;
  std::set<std::string> hanging;

 private:
  base::Clock& clock_;
  base::Notification go_;
};

class UsageMeterTest : public ::testing::Test {
 protected:
  ~UsageMeterTest() override {
    if (meter_) stop();
  }

  void start(base::Duration period = kPeriod) {
    UsageMeter::Base base{loop_, clock_, random_, gauge_, {}, period, log_};
    base.each_mounted = [this](const VolumeManager::SeeMounted& see) {
      for (const auto& [key, spec] : mounted_) see(spec.outer, spec, volumes_[key]);
    };
    meter_.emplace(std::move(base));
    meter_->start();
    clock_.advance(1ms);
  }
  void stop() {
    gauge_.release();
    base::Gate ending(loop_);
    base::spawn(ending, "stop", meter_->stop());
    base::testing::drain(loop_);
    KEELSON_CHECK(base::testing::stop_now(loop_, ending));
    meter_.reset();
  }
  // An emptyDir, unless `make` says otherwise.
  void mount(const std::string& uid, const std::string& name,
             const std::function<void(api::core::VolumeSource&)>& make = {}) {
    auto pod = make_pod(uid);
    auto& source = add_volume(*pod, name);
    if (make) make(source);
    VolumeSpec& spec = mounted_[uid + "/" + name];
    spec.pod = pod;
    spec.outer = name;
    spec.name = name;
    volumes_[uid + "/" + name].path = "/pods/" + uid + "/" + name;
  }
  std::vector<std::string> names(const std::string& uid) const {
    std::vector<std::string> out;
    const auto usage = meter_->usage(uid);
    if (usage) {
      for (const auto& volume : usage->volumes) out.push_back(volume.name);
    }
    return out;
  }
  std::int64_t bytes(const std::string& uid) const {
    const auto usage = meter_->usage(uid);
    return usage ? usage->volumes.front().measured.figures.used : -1;
  }

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::Random random_{1};
  std::vector<std::string> lines_;
  base::Logger log_{std::make_shared<base::LogSink>(base::LogFormat::text, 4,
                                                    [this](std::string_view line) { lines_.emplace_back(line); })};
  FakeGauge gauge_{loop_, clock_};
  std::map<std::string, VolumeSpec> mounted_;
  std::map<std::string, MountedVolume> volumes_;
  std::optional<UsageMeter> meter_;
};

TEST_F(UsageMeterTest, MeasuresEachVolumeEveryOneToTwoPeriods) {
  for (const char* uid : {"u1", "u2", "u3"}) mount(uid, "data");
  start();
  clock_.advance(100 * kPeriod);
  std::set<base::Duration> different;
  for (const auto& [key, times] : gauge_.times) {
    EXPECT_GE(times.size(), 50u) << key;
    for (std::size_t i = 1; i < times.size(); ++i) {
      const base::Duration between = times[i] - times[i - 1];
      EXPECT_GE(between, kPeriod) << key;
      EXPECT_LE(between, 2 * kPeriod) << key;
      different.insert(between);
    }
  }
  EXPECT_GT(different.size(), 100u) << "pods are measured together when there is no jitter";
}

TEST_F(UsageMeterTest, VolumesOfOnePodAreDueTogether) {
  mount("u1", "a");
  mount("u1", "b");
  start();
  clock_.advance(20 * kPeriod);
  EXPECT_EQ(gauge_.times["u1/a"], gauge_.times["u1/b"]);
  EXPECT_GE(gauge_.calls("u1/a"), 10u);
}

TEST_F(UsageMeterTest, APeriodOfZeroOrLessMeasuresNothing) {
  mount("u1", "data");
  for (const base::Duration period : {base::Duration(0), base::Duration(-1s)}) {
    start(period);
    clock_.advance(1h);
    EXPECT_THAT(gauge_.times, IsEmpty());
    EXPECT_FALSE(meter_->usage("u1"));
    stop();
  }
}

TEST_F(UsageMeterTest, AnEndlessPeriodIsNoTrouble) {
  mount("u1", "data");
  start(base::Duration::max());
  clock_.advance(24h);
  EXPECT_EQ(gauge_.calls("u1/data"), 1u);
}

TEST_F(UsageMeterTest, KeepsWhatTheSummaryNeeds) {
  mount("u1", "cache");
  mount("u1", "claimed", [](auto& source) { source.mutable_csi()->set_driver("disk.example"); });
  auto pv = std::make_shared<api::core::PersistentVolume>();
  pv->mutable_spec()->mutable_persistentvolumesource()->mutable_csi()->set_driver("disk.example");
  mount("u1", "data", [](auto& source) { source.mutable_persistentvolumeclaim()->set_claimname("c"); });
  mounted_["u1/data"].pv = pv;
  mounted_["u1/data"].name = "pv-c";
  gauge_.answers.insert_or_assign("u1/cache", Answer(std::optional<Measured>(used(70))));
  Measured ill = used(500);
  ill.abnormal = true;
  gauge_.answers.insert_or_assign("u1/data", Answer(std::optional<Measured>(ill)));
  start();
  const base::SystemTime begun = clock_.now();
  const auto usage = meter_->usage("u1");
  ASSERT_TRUE(usage);
  ASSERT_THAT(names("u1"), ElementsAre("cache", "claimed", "data"));
  EXPECT_EQ(usage->volumes[0].measured, used(70));
  EXPECT_EQ(usage->volumes[0].claim, std::nullopt);
  EXPECT_LE(begun - usage->volumes[0].time, 1ms);
  EXPECT_EQ(usage->volumes[2].claim, (ClaimRef{"ns", "c"}));
  EXPECT_EQ(usage->volumes[2].measured.abnormal, true);
  EXPECT_EQ(local_usage(*usage), (LocalUsage{70, 7})) << "the claim and the driver's volume are not local";
  EXPECT_EQ(gauge_.orders.at("u1/data").path, "/pods/u1/data");
}

TEST_F(UsageMeterTest, OneThatHangsKeepsNobodyFromBeingMeasured) {
  for (const char* name : {"data", "other"}) mount("u1", name);
  mount("u2", "data");
  gauge_.hanging = {"u1/data"};
  start();
  clock_.advance(10 * kPeriod);
  EXPECT_EQ(gauge_.calls("u1/data"), 1u) << "it is begun once";
  EXPECT_GE(gauge_.calls("u1/other"), 5u);
  EXPECT_GE(gauge_.calls("u2/data"), 5u);
  EXPECT_THAT(names("u1"), ElementsAre("other"));
  // It rests a period at least after it has come back.
  const base::SteadyTime back = clock_.steady_now();
  gauge_.release();
  clock_.advance(4 * kPeriod);
  EXPECT_THAT(names("u1"), ElementsAre("data", "other"));
  ASSERT_GE(gauge_.calls("u1/data"), 2u);
  EXPECT_GE(gauge_.times["u1/data"][1] - back, kPeriod);
}

TEST_F(UsageMeterTest, FindsWhatIsMountedLaterWithinAPeriod) {
  mount("u1", "first");
  start();
  clock_.advance(10s);
  mount("u1", "second");
  mount("u2", "data");
  clock_.advance(kPeriod);
  EXPECT_THAT(names("u1"), ElementsAre("first", "second"));
  EXPECT_THAT(names("u2"), ElementsAre("data"));
}

TEST_F(UsageMeterTest, ForgetsPodsAndVolumesThatAreGoneAndEndsTheirWalks) {
  mount("u1", "data");
  mount("u2", "left");
  mount("u2", "gone");
  start();
  gauge_.hanging = {"u1/data"};
  clock_.advance(2 * kPeriod);
  EXPECT_EQ(gauge_.calls("u1/data"), 2u);
  EXPECT_THAT(names("u1"), ElementsAre("data")) << "what was known before still is";
  EXPECT_FALSE(*gauge_.orders.at("u1/data").stop);
  mounted_.erase("u1/data");
  mounted_.erase("u2/gone");
  clock_.advance(kPeriod);
  EXPECT_FALSE(meter_->usage("u1"));
  EXPECT_TRUE(*gauge_.orders.at("u1/data").stop);
  EXPECT_THAT(names("u2"), ElementsAre("left"));
  // What comes too late is for nobody.
  gauge_.release();
  clock_.advance(1ms);
  EXPECT_FALSE(meter_->usage("u1"));
}

TEST_F(UsageMeterTest, ForgetsAPodWhoseVolumesAreAboutToGo) {
  mount("u1", "data");
  mount("u2", "data");
  gauge_.hanging = {"u1/data"};
  start();
  meter_->forget("u1");
  meter_->forget("never seen");
  EXPECT_TRUE(*gauge_.orders.at("u1/data").stop);
  EXPECT_FALSE(meter_->usage("u1"));
  EXPECT_TRUE(meter_->usage("u2"));
  EXPECT_FALSE(*gauge_.orders.at("u2/data").stop);
}

TEST_F(UsageMeterTest, StoppingEndsTheWalks) {
  mount("u1", "data");
  gauge_.hanging = {"u1/data"};
  start();
  const auto flag = gauge_.orders.at("u1/data").stop;
  stop();
  EXPECT_TRUE(*flag);
}

TEST_F(UsageMeterTest, HasNothingOfAVolumeThatHasNoFigures) {
  mount("u1", "data");
  gauge_.answers.insert_or_assign("u1/data", Answer(std::optional<Measured>()));
  start();
  EXPECT_FALSE(meter_->usage("u1"));
  EXPECT_THAT(lines_, IsEmpty()) << "which is no failure";
}

TEST_F(UsageMeterTest, DoesNotAskForHostPaths) {
  mount("u1", "host", [](auto& source) { source.mutable_hostpath()->set_path("/"); });
  start();
  EXPECT_THAT(gauge_.times, IsEmpty());
}

TEST_F(UsageMeterTest, AFailureTakesTheFiguresAndLatenessLeavesThem) {
  struct Row {
    ErrorKind kind;
    bool stays;
  };
  mount("u1", "data");
  start();
  for (const Row& row : {Row{ErrorKind::deadline_exceeded, true}, Row{ErrorKind::exhausted, true},
                         Row{ErrorKind::cancelled, true}, Row{ErrorKind::not_found, false},
                         Row{ErrorKind::unavailable, false}, Row{ErrorKind::permission_denied, false}}) {
    gauge_.answers.insert_or_assign("u1/data", Answer(std::optional<Measured>(used(9))));
    clock_.advance(3 * kPeriod);
    ASSERT_EQ(bytes("u1"), 9) << to_string(row.kind);
    gauge_.answers.insert_or_assign("u1/data", Answer(Error(row.kind, "statfs said no")));
    lines_.clear();
    clock_.advance(3 * kPeriod);
    EXPECT_EQ(bytes("u1"), row.stays ? 9 : -1) << to_string(row.kind);
    ASSERT_FALSE(lines_.empty()) << to_string(row.kind);
    EXPECT_THAT(lines_.front(), HasSubstr("statfs said no"));
    EXPECT_THAT(lines_.front(), HasSubstr("data of pod u1"));
  }
}

// --- What the meter looks at ---

class EachMountedTest : public ManagerTest {
 protected:
  std::vector<std::string> seen() {
    std::vector<std::string> out;
    manager_->each_mounted([&out](const std::string& outer, const VolumeSpec& spec, const MountedVolume& volume) {
      out.push_back(outer + " = " + spec.name + " at " + volume.path);
    });
    return out;
  }
};

TEST_F(EachMountedTest, ShowsWhatIsMountedByItsNameInThePod) {
  EXPECT_THAT(seen(), IsEmpty());
  cluster_.bind("c");
  ASSERT_TRUE((*mount(pod_with_claim("u1", "c")))->ok());
  auto pod = make_pod("u2");
  add_volume(*pod, "a");
  add_volume(*pod, "b");
  plugin_->hang("mount b for u2");
  (void)mount(pod);
  EXPECT_THAT(seen(), UnorderedElementsAre("data = pv-c at /pods/u1/pv-c", "a = a at /pods/u2/a"));
  plugin_->release();
  settle();
  EXPECT_EQ(seen().size(), 3u);
  ASSERT_TRUE((*unmount("u1"))->ok());
  EXPECT_THAT(seen(), UnorderedElementsAre("a = a at /pods/u2/a", "b = b at /pods/u2/b"));
}

TEST_F(EachMountedTest, ShowsNothingOfAPodThatIsBeingUnmounted) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  ASSERT_TRUE((*mount(pod))->ok());
  plugin_->hang("unmount a for u1");
  const auto unmounted = unmount("u1");
  EXPECT_FALSE(unmounted->has_value());
  EXPECT_THAT(seen(), IsEmpty());
  plugin_->release();
  settle();
  EXPECT_TRUE(unmounted->has_value());
}

}  // namespace
}  // namespace keelson::volume
