#include "agent/images/image_puller.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Puller : public ::testing::Test {
 protected:
  Puller() { limits.qps = 0; }

  void make() { puller = std::make_unique<ImagePuller>(world.loop, world.clock, world.cri, world.events, limits); }
  ImageRequest request(const std::string& image, const std::string& policy = "IfNotPresent") {
    ImageRequest out;
    out.pod = &pod;
    out.field_path = "spec.containers{main}";
    out.image = image;
    out.policy = policy;
    return out;
  }
  ImageOutcome ensure(const std::string& image, const std::string& policy = "IfNotPresent") {
    if (!puller) make();
    return world.run(puller->ensure(request(image, policy)));
  }
  void know(const std::string& name) {
    world.cri.images[name].id = "sha256:" + name;
    world.cri.images[name].size = 99;
  }
  void fail_pulls(const std::string& text, int times = -1) {
    world.cri.inject({"pull_image", "", FakeFault::Kind::fails, Error(ErrorKind::internal, text), times});
  }

  World world;
  api::Pod pod = make_wanted("u1");
  ImagePullLimits limits;
  std::unique_ptr<ImagePuller> puller;
};

TEST_F(Puller, FollowsThePolicy) {
  struct Row {
    const char* policy;
    bool present;
    const char* ref;     // "" = none
    const char* reason;  // of the failure
    int asked;           // image_status before any pull
    int pulled;
  };
  const Row rows[] = {
      {"IfNotPresent", true, "sha256:i:1", "", 1, 0}, {"IfNotPresent", false, "sha256:i:1", "", 2, 1},
      {"Always", true, "sha256:i:1", "", 1, 1},       {"Always", false, "sha256:i:1", "", 1, 1},
      {"Never", true, "sha256:i:1", "", 1, 0},        {"Never", false, "", "ErrImageNeverPull", 1, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.policy) + (row.present ? " present" : " absent"));
    world.cri.images.clear();
    world.cri.forget_calls();
    if (row.present) know("i:1");
    const ImageOutcome outcome = ensure("i:1", row.policy);
    EXPECT_EQ(outcome.image ? outcome.image->ref : "", row.ref);
    EXPECT_EQ(outcome.failure.reason, row.reason);
    EXPECT_EQ(world.cri.count("image_status"), static_cast<std::size_t>(row.asked));
    EXPECT_EQ(world.cri.count("pull_image"), static_cast<std::size_t>(row.pulled));
  }
}

TEST_F(Puller, TellsOfASuccessfulPullWithItsTimes) {
  world.cri.pull_time = 1234ms;
  world.cri.latency = [](const std::string& call) { return call == "pull_image" ? base::Duration(567us) : 0us; };
  ensure("i:1");
  EXPECT_THAT(
      world.events.texts(),
      ElementsAre("N Pulling spec.containers{main}: Pulling image \"i:1\"",
                  "N Pulled spec.containers{main}: Successfully pulled image \"i:1\" in 1.234s (1.234s including "
                  "waiting). Image size: 1234 bytes."));
}

TEST_F(Puller, TellsOfAnImageThatIsThere) {
  know("i:1");
  ensure("i:1");
  EXPECT_THAT(world.events.texts(),
              ElementsAre("N Pulled spec.containers{main}: Container image \"i:1\" already present "
                          "on machine and can be accessed by the pod"));
}

TEST_F(Puller, TellsOfAnImageThatMayNotBePulled) {
  const ImageOutcome outcome = ensure("i:1", "Never");
  EXPECT_EQ(outcome.failure.message, "Container image \"i:1\" is not present with pull policy of Never");
  EXPECT_THAT(world.events.texts(),
              ElementsAre("W ErrImageNeverPull spec.containers{main}: Container image \"i:1\" is not present with pull "
                          "policy of Never"));
}

TEST_F(Puller, AsksForLatestWhereNothingElseIsSaid) {
  ensure("i");
  EXPECT_EQ(world.cri.count("pull_image", "i:latest"), 1u);
  EXPECT_EQ(world.events.texts().front(), "N Pulling spec.containers{main}: Pulling image \"i\"");
}

TEST_F(Puller, RefusesANameThatIsNone) {
  const ImageOutcome outcome = ensure("Not An Image");
  EXPECT_EQ(outcome.failure.reason, "InvalidImageName");
  EXPECT_EQ(
      outcome.failure.message.rfind("Failed to apply default image tag \"Not An Image\": couldn't parse image name", 0),
      0u);
  ASSERT_EQ(world.events.texts("InspectFailed").size(), 1u);
  EXPECT_THAT(world.cri.calls(), IsEmpty());
}

TEST_F(Puller, TellsOfAFailedInspection) {
  world.cri.inject({"image_status", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "bolt is stuck")});
  const ImageOutcome outcome = ensure("i:1");
  EXPECT_EQ(outcome.failure.reason, "ImageInspectError");
  EXPECT_THAT(world.events.texts(),
              ElementsAre("W InspectFailed spec.containers{main}: Failed to inspect image \"i:1\": bolt is stuck"));
  EXPECT_EQ(world.cri.count("pull_image"), 0u);
}

TEST_F(Puller, NamesTheReasonOfAFailedPull) {
  struct Row {
    const char* error;
    const char* reason;
    const char* message;
  };
  const Row rows[] = {
      {"no such host", "ErrImagePull", "no such host"},
      {"RegistryUnavailable: try later", "RegistryUnavailable",
       "image pull failed for i:1 because the registry is unavailable: RegistryUnavailable: try later"},
      {"SignatureValidationFailed: who?", "SignatureValidationFailed",
       "image pull failed for i:1 because the signature validation failed: SignatureValidationFailed: who?"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.error);
    make();
    world.cri.clear_faults();
    world.events.all.clear();
    fail_pulls(row.error);
    const ImageOutcome outcome = ensure("i:1");
    EXPECT_EQ(outcome.failure.reason, row.reason);
    EXPECT_EQ(outcome.failure.message, row.message);
    EXPECT_THAT(world.events.texts("Failed"),
                ElementsAre(std::string("W Failed spec.containers{main}: Failed to pull image \"i:1\": ") + row.error));
  }
}

TEST_F(Puller, BacksOffTenSecondsDoublingToTheCap) {
  fail_pulls("no such host");
  const base::Duration delays[] = {10s, 20s, 40s, 80s, 160s, 300s, 300s};
  for (const base::Duration delay : delays) {
    SCOPED_TRACE(std::to_string(delay / 1s));
    EXPECT_EQ(ensure("i:1").failure.reason, "ErrImagePull");
    const auto failed_at = world.clock.steady_now();
    world.clock.advance(delay - 2s);
    world.events.all.clear();
    const ImageOutcome waiting = ensure("i:1");
    EXPECT_EQ(waiting.failure.reason, "ImagePullBackOff");
    EXPECT_EQ(waiting.failure.message, "Back-off pulling image \"i:1\": ErrImagePull: no such host");
    ASSERT_TRUE(waiting.retry_at);
    EXPECT_LE(std::chrono::abs(*waiting.retry_at - failed_at - delay), 10ms);
    EXPECT_THAT(world.events.texts(), ElementsAre("N BackOff spec.containers{main}: Back-off pulling image \"i:1\""));
    world.clock.advance(2s);
  }
}

TEST_F(Puller, ForgetsABackOffTenMinutesAfterTheLastFailure) {
  fail_pulls("no such host", 2);
  ensure("i:1");
  world.clock.advance(10s);
  ensure("i:1");
  world.clock.advance(601s);
  puller->forget_old();
  fail_pulls("no such host", 1);
  EXPECT_EQ(ensure("i:1").failure.reason, "ErrImagePull");
  world.clock.advance(10s);
  EXPECT_TRUE(ensure("i:1").image);
}

TEST_F(Puller, ASuccessEndsTheBackOff) {
  fail_pulls("no such host", 1);
  ensure("i:1", "Always");
  world.clock.advance(10s);
  EXPECT_TRUE(ensure("i:1", "Always").image);
  fail_pulls("no such host", 1);
  ensure("i:1", "Always");
  world.clock.advance(10s);
  EXPECT_TRUE(ensure("i:1", "Always").image);
}

TEST_F(Puller, BacksOffPerPodAndImage) {
  fail_pulls("no such host");
  ensure("i:1");
  EXPECT_EQ(ensure("j:1").failure.reason, "ErrImagePull");
  api::Pod other = make_wanted("u2");
  ImageRequest wanted = request("i:1");
  wanted.pod = &other;
  EXPECT_EQ(world.run(puller->ensure(wanted)).failure.reason, "ErrImagePull");
}

class ManyPulls : public Puller {
 protected:
  ManyPulls() : gate(std::make_unique<base::Gate>(world.loop)) {}
  ~ManyPulls() override { close(); }

  base::Task<void> one(std::string image) {
    auto outcome = co_await puller->ensure(request(image));
    outcomes[image] = std::move(outcome);
  }
  void begin(int count) {
    if (!puller) make();
    for (int i = 0; i < count; ++i) {
      const std::string image = "i" + std::to_string(i) + ":1";
      base::spawn(*gate, image, one(image));
    }
  }
  void close() {
    if (gate) world.run(gate->stop());
    gate.reset();
  }

  std::unique_ptr<base::Gate> gate;
  std::map<std::string, ImageOutcome> outcomes;
};

TEST_F(ManyPulls, GoOneAfterAnotherByDefault) {
  world.cri.pull_time = 10s;
  begin(3);
  world.clock.advance(1s);
  EXPECT_EQ(puller->pulling(), 1u);
  EXPECT_EQ(puller->queued(), 2u);
  world.clock.advance(1min);
  EXPECT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(world.cri.most_pulls_at_once(), 1u);
  EXPECT_EQ(
      world.events.texts("Pulled").back(),
      "N Pulled spec.containers{main}: Successfully pulled image \"i2:1\" in 10.001s (30.003s including waiting). "
      "Image size: 1234 bytes.");
}

TEST_F(ManyPulls, GoSideBySideUnderTheirCap) {
  limits.parallel = 2;
  world.cri.pull_time = 10s;
  begin(5);
  world.clock.advance(1min);
  EXPECT_EQ(outcomes.size(), 5u);
  EXPECT_EQ(world.cri.most_pulls_at_once(), 2u);
}

TEST_F(ManyPulls, GoAllAtOnceWithoutACap) {
  limits.parallel = SIZE_MAX;
  begin(20);
  world.clock.advance(3s);
  EXPECT_EQ(outcomes.size(), 20u);
  EXPECT_EQ(world.cri.most_pulls_at_once(), 20u);
}

TEST_F(ManyPulls, AreRefusedWhenTheBucketIsEmpty) {
  limits.parallel = SIZE_MAX;
  limits.qps = 1;
  limits.burst = 2;
  begin(3);
  world.clock.advance(5s);
  int refused = 0;
  for (const auto& [image, outcome] : outcomes) {
    if (outcome.image) continue;
    ++refused;
    EXPECT_EQ(outcome.failure.reason, "ErrImagePull");
    EXPECT_EQ(outcome.failure.message, "pull QPS exceeded");
  }
  EXPECT_EQ(refused, 1);
  ASSERT_EQ(world.events.texts("Failed").size(), 1u);
  EXPECT_EQ(world.cri.count("pull_image"), 2u);
  // The bucket fills again, one a second.
  world.clock.advance(10s);
  EXPECT_TRUE(ensure("k:1").image);
}

TEST_F(ManyPulls, ACancelledOneGivesItsPlaceToTheNext) {
  world.cri.inject({"pull_image", "i0", FakeFault::Kind::hangs});
  begin(3);
  world.clock.advance(1min);
  EXPECT_EQ(outcomes.size(), 0u);
  gate->cancel("i1:1");  // from the queue
  gate->cancel("i0:1");  // from the middle of its pull
  world.clock.advance(5s);
  EXPECT_EQ(puller->pulling(), 0u);
  EXPECT_EQ(puller->queued(), 0u);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_TRUE(outcomes.at("i2:1").image);
}

}  // namespace
}  // namespace keelson::agent
