#include "agent/images/image_puller.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/images/tests/started_puller.hpp"
#include "agent/sync/tests/world.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Puller : public ::testing::Test {
 protected:
  Puller() { limits.qps = 0; }

  void make() {
    started.reset();
    started = std::make_unique<StartedPuller>(world, limits, verification);
    puller = &started->puller;
    records = &started->records;
  }
  ImageRequest request(const std::string& image, const std::string& policy = "IfNotPresent") {
    ImageRequest out;
    out.pod = std::make_shared<const api::Pod>(pod);
    out.used_by = "container main";
    out.field_path = "spec.containers{main}";
    out.image = image;
    out.policy = policy;
    return out;
  }
  ImageOutcome ensure(const std::string& image, const std::string& policy = "IfNotPresent") {
    if (puller == nullptr) make();
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
  PullVerification verification;
  std::unique_ptr<StartedPuller> started;
  ImagePuller* puller = nullptr;
  PullRecords* records = nullptr;
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
  pod = make_wanted("u2");
  ImageRequest wanted = request("i:1");
  EXPECT_EQ(world.run(puller->ensure(wanted)).failure.reason, "ErrImagePull");
}

// --- Credentials ---

class PrivatePulls : public Puller {
 protected:
  PrivatePulls() { world.cri.private_images["r.io/app:1"] = {{"right", "p"}}; }

  // The logins of a pull secret.
  PullSecretsPtr secret(const std::string& name, const std::vector<std::pair<std::string, std::string>>& logins) {
    Keyring keyring;
    CredentialOrigin origin;
    origin.secret = ObjectIdentity{"ns", name, "uid-" + name};
    for (const auto& [user, password] : logins) keyring.add(origin, {{"r.io", {user, password, ""}}});
    return std::make_shared<const Result<Keyring>>(keyring);
  }
  ImageOutcome ensure_with(const PullSecretsPtr& secrets, const std::string& policy = "IfNotPresent",
                           const std::string& image = "r.io/app:1") {
    if (puller == nullptr) make();
    ImageRequest wanted = request(image, policy);
    wanted.secrets = secrets;
    return world.run(puller->ensure(wanted));
  }
  void as_pod(const std::string& uid) { pod = make_wanted(uid); }
  // Who the runtime was asked to pull as, in order.
  std::vector<std::string> pulled_as() {
    std::vector<std::string> users;
    for (const auto& call : world.cri.calls()) {
      if (call.name == "pull_image") users.push_back(call.id);
    }
    world.cri.forget_calls();
    return users;
  }
};

TEST_F(PrivatePulls, TryEachCredentialInTurn) {
  const auto secrets = secret("s", {{"wrong", "p"}, {"right", "p"}, {"never-tried", "p"}});
  EXPECT_TRUE(ensure_with(secrets).image);
  EXPECT_THAT(pulled_as(), ElementsAre("wrong", "right"));
  EXPECT_EQ(world.events.texts("Pulling").size(), 1u);
  EXPECT_EQ(world.events.texts("Pulled").size(), 1u);
  EXPECT_THAT(world.events.texts("Failed"), IsEmpty());
  const auto& access = records->pulled().at("sha256:r.io/app:1").access.at("r.io/app");
  ASSERT_EQ(access.secrets.size(), 1u);
  EXPECT_EQ(access.secrets[0].secret.name, "s");
  EXPECT_EQ(access.secrets[0].hash, login_hash({"right", "p", ""})) << "of the one that pulled";
}

TEST_F(PrivatePulls, JoinTheErrorsOfAllCredentials) {
  const auto outcome = ensure_with(secret("s", {{"a", "p"}, {"b", "p"}}));
  EXPECT_EQ(outcome.failure.reason, "ErrImagePull");
  EXPECT_EQ(outcome.failure.message,
            "[pull access denied for r.io/app:1 as a, pull access denied for r.io/app:1 as b]");
  EXPECT_THAT(pulled_as(), ElementsAre("a", "b"));
  world.clock.advance(10s);
  EXPECT_EQ(ensure_with(secret("s", {{"a", "1"}, {"a", "2"}})).failure.message,
            "pull access denied for r.io/app:1 as a")
      << "equal ones are one";
  world.clock.advance(20s);
  EXPECT_EQ(ensure_with(nullptr).failure.message, "pull access denied for r.io/app:1, no credentials");
}

TEST_F(PrivatePulls, TakeARequestOutOfTheBucketForEachCredential) {
  limits.qps = 1;
  limits.burst = 2;
  const auto outcome = ensure_with(secret("s", {{"a", "p"}, {"b", "p"}, {"right", "p"}}));
  EXPECT_EQ(outcome.failure.message,
            "[pull access denied for r.io/app:1 as a, pull access denied for r.io/app:1 as b, pull QPS exceeded]");
  EXPECT_THAT(pulled_as(), ElementsAre("a", "b"));
}

TEST_F(PrivatePulls, AreAnonymousWhereNothingFits) {
  EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}}), "IfNotPresent", "s.io/app:1").image);
  EXPECT_THAT(pulled_as(), ElementsAre(""));
  EXPECT_TRUE(records->pulled().at("sha256:s.io/app:1").access.at("s.io/app").everybody);
}

TEST_F(PrivatePulls, AreNotTriedWithASecretThatCannotBeRead) {
  const auto bad = std::make_shared<const Result<Keyring>>(Error(ErrorKind::invalid, "pull secret ns/s: broken"));
  const auto outcome = ensure_with(bad);
  EXPECT_EQ(outcome.failure.reason, "ErrImagePull");
  EXPECT_EQ(outcome.failure.message, "pull secret ns/s: broken");
  EXPECT_THAT(world.events.texts(), ElementsAre("W Failed spec.containers{main}: Failed to pull image \"r.io/app:1\": "
                                                "pull secret ns/s: broken"));
  EXPECT_THAT(pulled_as(), IsEmpty());
  EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}})).image) << "no back-off: nothing was asked of the registry";
}

TEST_F(PrivatePulls, KeepAnImageFromPodsThatCannotShowCredentials) {
  EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}})).image);
  pulled_as();
  world.events.all.clear();

  EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}})).image);
  EXPECT_THAT(pulled_as(), IsEmpty()) << "the same secret: as it was";
  EXPECT_EQ(world.events.texts("Pulled").size(), 1u);

  as_pod("u2");
  EXPECT_TRUE(ensure_with(secret("copy", {{"right", "p"}})).image);
  EXPECT_THAT(pulled_as(), IsEmpty()) << "another secret with the same login";

  as_pod("u3");
  const auto outcome = ensure_with(nullptr);
  EXPECT_EQ(outcome.failure.reason, "ErrImagePull");
  EXPECT_THAT(pulled_as(), ElementsAre("")) << "none: it must pull, and cannot";
  as_pod("u4");
  EXPECT_FALSE(ensure_with(secret("t", {{"wrong", "p"}})).image);
  EXPECT_THAT(pulled_as(), ElementsAre("wrong"));

  world.events.all.clear();
  EXPECT_EQ(ensure_with(secret("t", {{"wrong", "p"}}), "Never").failure.reason, "ErrImageNeverPull");
  EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}}), "Never").image);
  EXPECT_THAT(pulled_as(), IsEmpty());

  as_pod("u5");
  world.cri.private_images["r.io/app:1"]["second"] = "p";
  EXPECT_TRUE(ensure_with(secret("t", {{"second", "p"}})).image);
  EXPECT_THAT(pulled_as(), ElementsAre("second")) << "a login of its own: pulled again, and known from now on";
  EXPECT_TRUE(ensure_with(secret("t", {{"second", "p"}})).image);
  EXPECT_THAT(pulled_as(), IsEmpty());
}

TEST_F(PrivatePulls, LeaveAnImageToAllOnceItWasPulledByTheNode) {
  world.image_files.files["/root/config.json"] = R"({"auths":{"r.io":{"username":"right","password":"p"}}})";
  EXPECT_TRUE(ensure_with(nullptr).image);
  EXPECT_THAT(pulled_as(), ElementsAre("right"));
  as_pod("u2");
  EXPECT_TRUE(ensure_with(nullptr).image);
  EXPECT_THAT(pulled_as(), IsEmpty());
}

TEST_F(PrivatePulls, FollowTheVerificationPolicy) {
  struct Row {
    VerificationPolicy policy;
    bool private_image, preloaded_image;  // whether a pod without credentials may use what is there
  };
  const Row rows[] = {{VerificationPolicy::off, true, true},
                      {VerificationPolicy::never, true, true},
                      {VerificationPolicy::never_preloaded, false, true},
                      {VerificationPolicy::never_allowlisted, false, false},
                      {VerificationPolicy::always, false, false}};
  for (const Row& row : rows) {
    SCOPED_TRACE(static_cast<int>(row.policy));
    verification.policy = row.policy;
    world.image_files.files.clear();
    world.cri.images.clear();
    know("r.io/app:2");
    make();
    EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}})).image);
    EXPECT_EQ(ensure_with(nullptr, "Never").image.has_value(), row.private_image);
    EXPECT_EQ(ensure_with(nullptr, "Never", "r.io/app:2").image.has_value(), row.preloaded_image);
  }
  verification.allowlist = {"r.io/*"};
  verification.policy = VerificationPolicy::never_allowlisted;
  make();
  EXPECT_TRUE(ensure_with(nullptr, "Never").image);
}

TEST_F(PrivatePulls, SayLessWithTheFeatureGateOff) {
  verification.policy = VerificationPolicy::off;
  know("i:1");
  ensure("i:1");
  EXPECT_THAT(world.events.texts(),
              ElementsAre("N Pulled spec.containers{main}: Container image \"i:1\" already present "
                          "on machine"));
}

TEST_F(PrivatePulls, DoNotBeginUnannounced) {
  world.image_files.write_fails = Error(ErrorKind::exhausted, "no space left on device");
  const auto outcome = ensure_with(nullptr);
  EXPECT_EQ(outcome.failure.reason, "ErrImagePull");
  EXPECT_EQ(outcome.failure.message,
            "Failed to record image pull intent for container image \"r.io/app:1\": no space left on device");
  EXPECT_THAT(pulled_as(), IsEmpty());
}

TEST_F(PrivatePulls, OfAnEarlierAgentStayPrivate) {
  EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}})).image);
  ASSERT_TRUE(world.until([&] { return records->settled(); }, 1min));
  make();  // the next agent on this disk
  as_pod("u2");
  EXPECT_FALSE(ensure_with(nullptr).image);
  EXPECT_TRUE(ensure_with(secret("s", {{"right", "p"}})).image);
}

class ManyPulls : public Puller {
 protected:
  ~ManyPulls() override { close(); }

  base::Task<void> one(std::string image) {
    auto outcome = co_await puller->ensure(request(image));
    outcomes[image] = std::move(outcome);
  }
  void begin(int count) {
    if (puller == nullptr) make();
    for (int i = 0; i < count; ++i) {
      const std::string image = "i" + std::to_string(i) + ":1";
      base::spawn(*workers, image, one(image));
    }
  }
  void close() { world.run(workers->stop()); }

  std::unique_ptr<base::Gate> workers = std::make_unique<base::Gate>(world.loop);
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

TEST_F(ManyPulls, ComeInTheOrderInWhichTheyWereAskedFor) {
  world.cri.pull_time = 10s;
  begin(4);
  world.clock.advance(1min);
  std::vector<std::string> order;
  for (const auto& call : world.cri.calls()) {
    if (call.name == "pull_image") order.push_back(call.about);
  }
  EXPECT_THAT(order, ElementsAre("i0:1", "i1:1", "i2:1", "i3:1"));
}

TEST_F(ManyPulls, DoNotDelayWhatIsThere) {
  world.cri.inject({"pull_image", "", FakeFault::Kind::hangs});
  begin(3);
  know("there:1");
  world.clock.advance(1s);
  const auto before = world.clock.steady_now();
  EXPECT_TRUE(ensure("there:1").image);
  EXPECT_EQ(ensure("not-there:1", "Never").failure.reason, "ErrImageNeverPull");
  EXPECT_LT(world.clock.steady_now() - before, 100ms);
  EXPECT_EQ(puller->queued(), 2u);
}

TEST_F(ManyPulls, CanBeWatched) {
  world.cri.pull_time = 10s;
  begin(3);
  world.clock.advance(5s);
  const auto states = [&] {
    std::vector<std::string> out;
    for (const auto& entry : puller->progress()) {
      out.push_back(
          entry.image + " " + std::string(to_string(entry.state)) + " " +
          base::format_duration(std::chrono::round<std::chrono::seconds>(world.clock.steady_now() - entry.since)));
    }
    return out;
  };
  EXPECT_THAT(states(), ElementsAre("i0:1 pulling 5s", "i1:1 queued 5s", "i2:1 queued 5s"));
  EXPECT_EQ(puller->progress()[0].pod, "ns/pod-u1");
  EXPECT_EQ(puller->progress()[0].pod_uid, "u1");
  EXPECT_EQ(puller->progress()[0].used_by, "container main");
  world.clock.advance(8s);
  EXPECT_THAT(states(), ElementsAre("i2:1 queued 13s", "i1:1 pulling 3s"));
  workers->cancel("i1:1");
  world.clock.advance(1s);
  EXPECT_THAT(states(), ElementsAre("i2:1 pulling 1s"));
  world.clock.advance(1min);
  EXPECT_THAT(states(), IsEmpty());
}

// Of the one that the runtime was asked for, nobody knows what came: it must not pass for an image that anybody may
// use.
TEST_F(ManyPulls, ThatAreGivenUpLeaveAnIntentOnlyIfTheyHadBegun) {
  world.cri.inject({"pull_image", "i0", FakeFault::Kind::hangs, Error(ErrorKind::internal, "x"), 1});
  begin(2);
  world.clock.advance(1s);
  EXPECT_EQ(world.image_files.files.size(), 2u);
  workers->cancel("i1:1");
  workers->cancel("i0:1");
  world.clock.advance(1s);
  ASSERT_EQ(world.image_files.files.size(), 1u);
  EXPECT_THAT(world.image_files.files.begin()->second, ::testing::HasSubstr("\"i0:1\""));
  // That another is refused it says nothing of the first.
  world.cri.inject({"pull_image", "i0", FakeFault::Kind::fails, Error(ErrorKind::permission_denied, "401"), 1});
  begin(1);
  world.clock.advance(1s);
  workers->cancel("i0:1");
  world.clock.advance(1min);
  ASSERT_EQ(world.image_files.files.size(), 1u);
  begin(1);
  world.clock.advance(1min);
  ASSERT_EQ(world.image_files.files.size(), 1u);
  EXPECT_THAT(world.image_files.files.begin()->first, ::testing::HasSubstr("/pulled/")) << "another pull settles it";
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
  workers->cancel("i1:1");  // from the queue
  workers->cancel("i0:1");  // from the middle of its pull
  world.clock.advance(5s);
  EXPECT_EQ(puller->pulling(), 0u);
  EXPECT_EQ(puller->queued(), 0u);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_TRUE(outcomes.at("i2:1").image);
}

}  // namespace
}  // namespace keelson::agent
