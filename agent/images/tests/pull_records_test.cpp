#include "agent/images/pull_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "agent/sync/tests/world.hpp"
#include "base/file.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kPulling[] = "/root/image_manager/pulling/";
constexpr char kPulled[] = "/root/image_manager/pulled/";

Credential of_secret(const std::string& name, const std::string& hash = "hash") {
  Credential credential;
  credential.hash = hash;
  credential.origin.secret = ObjectIdentity{"ns", name, "uid-" + name};
  return credential;
}

class Records : public ::testing::Test {
 protected:
  ~Records() override { end(); }

  // An agent starts on what is on the disk.
  void begin() {
    end();
    gate = std::make_unique<base::Gate>(world.loop);
    records = std::make_unique<PullRecords>(world.loop, world.clock, disk, "/root", verification, base::Logger());
    records->start(*gate, world.cri);
  }
  // It ends, or is killed: nothing more is written.
  void end() {
    if (gate) world.run(gate->stop());
    gate.reset();
    records.reset();
  }
  void settle() {
    ASSERT_TRUE(world.until([&] { return records->settled(); }, 1min));
  }
  Verdict ask(const std::string& image, const std::string& ref) { return world.run(records->ask(image, ref)); }
  PullRecords::Intent intend(const std::string& image) {
    auto intent = world.run(records->intend(image));
    KEELSON_CHECK(intent.ok());
    return std::move(*intent);
  }
  void pull(const std::string& image, const std::string& ref, const Credential* credential) {
    intend(image).pulled(ref, credential);
    settle();
  }
  bool has_intent(const std::string& image) const { return disk.files.count(kPulling + record_file_name(image)) > 0; }
  bool has_record(const std::string& ref) const { return disk.files.count(kPulled + record_file_name(ref)) > 0; }
  void know(const std::string& tag, const std::string& id) {
    world.cri.images[tag].id = id;
    world.cri.images[tag].repo_tags = {tag};
    world.cri.images[tag].size = 1;
  }

  World world;
  MemoryImageFiles disk;
  PullVerification verification;
  std::unique_ptr<base::Gate> gate;
  std::unique_ptr<PullRecords> records;
};

TEST_F(Records, LeaveAnImageThatWasThereBeforeToEverybody) {
  begin();
  EXPECT_EQ(ask("app", "id"), Verdict::open);
  EXPECT_THAT(disk.files, IsEmpty());
}

TEST_F(Records, AnnounceAPullAndThenTellWhoDidIt) {
  begin();
  {
    auto intent = intend("app");
    EXPECT_TRUE(has_intent("app"));
    EXPECT_EQ(records->intents_on_disk(), 1u);
    EXPECT_EQ(disk.files.at(kPulling + record_file_name("app")), pull_intent_json("app"));
    const Credential credential = of_secret("s");
    intent.pulled("id", &credential);
  }
  settle();
  EXPECT_FALSE(has_intent("app"));
  EXPECT_EQ(ask("app", "id"), Verdict::by_name);
  EXPECT_TRUE(records->admits("app", "id", {of_secret("s")}));
  EXPECT_FALSE(records->admits("app", "id", {of_secret("other", "else")}));
  EXPECT_FALSE(records->admits("app", "id", {}));
  EXPECT_EQ(ask("other/name", "id"), Verdict::closed) << "the same image under a name that nobody has pulled";
  EXPECT_EQ(ask("preloaded", "other"), Verdict::open);
  EXPECT_EQ(records->intents_on_disk(), 0u);
  EXPECT_EQ(
      records->checks(),
      (base::CountsBy<1>{{{"credentialPolicyAllowed"}, 1}, {{"credentialRecordFound"}, 1}, {{"mustAuthenticate"}, 3}}));
  const std::string record = kPulled + record_file_name("id");
  EXPECT_EQ(parse_pulled_record(disk.files.at(record)).value(), records->pulled().at("id"));
  // First the record, then the intent goes.
  EXPECT_THAT(std::vector<std::string>(disk.log.end() - 3, disk.log.end()),
              ElementsAre("write " + std::string(kPulling) + record_file_name("app"), "write " + record,
                          "remove " + std::string(kPulling) + record_file_name("app")));
}

TEST_F(Records, TakeBackAnIntentWhosePullHasFailed) {
  begin();
  { const auto intent = intend("app"); }
  settle();
  EXPECT_THAT(disk.files, IsEmpty());
  EXPECT_EQ(ask("app", "id"), Verdict::open);
}

TEST_F(Records, KeepTheIntentAsLongAsOneOfSeveralPullsIsUnderWay) {
  begin();
  auto first = intend("app");
  {
    const auto second = intend("app");
    EXPECT_EQ(std::count(disk.log.begin(), disk.log.end(), "write " + std::string(kPulling) + record_file_name("app")),
              1);
  }
  settle();
  EXPECT_TRUE(has_intent("app"));
  first.pulled("id", nullptr);
  settle();
  EXPECT_FALSE(has_intent("app"));
  EXPECT_EQ(ask("app", "id"), Verdict::open) << "pulled without credentials";
}

TEST_F(Records, TreatAnImageThatIsBeingPulledAsOurs) {
  begin();
  const auto intent = intend("app");
  EXPECT_EQ(ask("app", "id"), Verdict::closed);
  EXPECT_EQ(ask("other", "id2"), Verdict::open);
}

TEST_F(Records, SurviveARestart) {
  begin();
  const Credential credential = of_secret("s");
  pull("app", "id", &credential);
  const auto before = records->pulled();
  begin();
  EXPECT_EQ(ask("app", "id"), Verdict::by_name);
  ASSERT_EQ(records->pulled().size(), 1u);
  EXPECT_EQ(records->pulled().at("id").access, before.at("id").access);
}

TEST_F(Records, MakeARecordThatLetsNobodyInOfAPullThatWasCutOff) {
  struct Row {
    const char* intent;
    const char* tag;  // of what the runtime has after all
  };
  const Row rows[] = {{"docker.io/library/app:1", "docker.io/library/app:1"},
                      {"app:1", "docker.io/library/app:1"},
                      {"app", "docker.io/library/app:latest"},
                      {"r.io/app:1", "r.io/app:1"}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.intent);
    disk.files.clear();
    world.cri.images.clear();
    begin();
    auto intent = std::make_unique<PullRecords::Intent>(intend(row.intent));
    // Killed here: the destructor's work is never written.
    const auto on_disk = disk.files;
    intent.reset();
    end();
    disk.files = on_disk;
    know(row.tag, "id");
    begin();
    ASSERT_TRUE(world.until([&] { return has_record("id") && !has_intent(row.intent); }, 1min));
    EXPECT_THAT(records->pulled().at("id").access, IsEmpty());
    EXPECT_EQ(ask(row.intent, "id"), Verdict::closed);
  }
}

TEST_F(Records, KeepAnIntentWhoseImageIsNotThereYet) {
  disk.files[kPulling + record_file_name("app")] = pull_intent_json("app");
  know("docker.io/library/other:1", "id");
  begin();
  EXPECT_EQ(ask("app", "id2"), Verdict::closed);
  world.clock.advance(1min);
  EXPECT_TRUE(has_intent("app"));
  EXPECT_THAT(records->pulled(), IsEmpty());
  // The next pull of it settles the matter.
  pull("app", "id2", nullptr);
  EXPECT_FALSE(has_intent("app"));
  EXPECT_EQ(ask("app", "id2"), Verdict::open);
}

TEST_F(Records, AskARuntimeThatIsAwayAgain) {
  disk.files[kPulling + record_file_name("app")] = pull_intent_json("app");
  know("docker.io/library/app:latest", "id");
  world.cri.go_away();
  begin();
  world.clock.advance(10s);
  EXPECT_EQ(ask("app", "id"), Verdict::closed) << "the intent alone says so";
  EXPECT_FALSE(has_record("id"));
  world.cri.come_back();
  EXPECT_TRUE(world.until([&] { return has_record("id") && !has_intent("app"); }, 2min));
}

TEST_F(Records, TakeAFileThatCannotBeReadForARecordThatLetsNobodyIn) {
  const std::string good = pulled_record_json({world.clock.now(), "id", {{"r.io/app", {true, {}, {}}}}});
  struct Row {
    const char* what;
    std::string name, content;
  };
  const Row rows[] = {{"cut off", record_file_name("id"), good.substr(0, 50)},
                      {"empty", record_file_name("id"), ""},
                      {"another image's", record_file_name("id"),
                       pulled_record_json({world.clock.now(), "other", {{"r.io/app", {true, {}, {}}}}})}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    disk.files.clear();
    disk.files[kPulled + row.name] = row.content;
    begin();
    EXPECT_EQ(ask("r.io/app", "id"), Verdict::closed);
    EXPECT_EQ(ask("r.io/app", "unheard-of"), Verdict::open) << "the others are as they were";
    pull("r.io/app", "id", nullptr);
    EXPECT_EQ(ask("r.io/app", "id"), Verdict::open);
    begin();
    EXPECT_EQ(ask("r.io/app", "id"), Verdict::open) << "the file is whole again";
  }
  disk.files.clear();
  disk.files[kPulling + record_file_name("r.io/app")] = "{";
  disk.files[kPulling + record_file_name("r.io/app") + ".tmp"] = "{";
  disk.files[kPulled + std::string("README")] = "not ours";
  begin();
  EXPECT_EQ(ask("r.io/app", "id"), Verdict::closed);
  EXPECT_EQ(ask("r.io/other", "id"), Verdict::open);
}

TEST_F(Records, AskForCredentialsWhileTheDiskCannotBeRead) {
  disk.files[kPulled + record_file_name("id")] =
      pulled_record_json({world.clock.now(), "id", {{"r.io/app", {true, {}, {}}}}});
  disk.read_fails = Error(ErrorKind::unavailable, "input/output error");
  begin();
  EXPECT_EQ(ask("r.io/app", "id"), Verdict::closed);
  EXPECT_EQ(ask("r.io/preloaded", "id2"), Verdict::closed);
  disk.read_fails.reset();
  world.clock.advance(2s);
  EXPECT_EQ(ask("r.io/app", "id"), Verdict::open);
  EXPECT_EQ(ask("r.io/preloaded", "id2"), Verdict::open);
}

TEST_F(Records, DoNotLetAPullBeginThatCannotBeAnnounced) {
  begin();
  disk.write_fails = Error(ErrorKind::exhausted, "no space left on device");
  const auto intent = world.run(records->intend("app"));
  ASSERT_FALSE(intent.ok());
  EXPECT_EQ(intent.error().message(), "no space left on device");
  disk.write_fails.reset();
  world.clock.advance(1min);
  EXPECT_TRUE(records->settled());
  pull("app", "id", nullptr);
  EXPECT_TRUE(has_record("id"));
}

TEST_F(Records, KeepTheIntentUntilTheRecordCouldBeWritten) {
  begin();
  auto intent = intend("app");
  disk.write_fails = Error(ErrorKind::exhausted, "no space left on device");
  const Credential credential = of_secret("s");
  intent.pulled("id", &credential);
  world.clock.advance(30s);
  EXPECT_TRUE(has_intent("app"));
  EXPECT_FALSE(has_record("id"));
  EXPECT_EQ(ask("app", "id"), Verdict::by_name) << "memory is what counts";
  disk.write_fails.reset();
  world.clock.advance(11s);
  EXPECT_TRUE(has_record("id"));
  EXPECT_FALSE(has_intent("app"));
}

TEST_F(Records, RememberASecretThatWasLetInByItsLogin) {
  begin();
  const Credential credential = of_secret("s");
  pull("app", "id", &credential);
  EXPECT_TRUE(records->admits("app", "id", {of_secret("copy")}));
  settle();
  EXPECT_TRUE(records->admits("app", "id", {of_secret("copy", "changed")})) << "now known by its own name";
  begin();
  EXPECT_EQ(ask("app", "id"), Verdict::by_name);
  EXPECT_EQ(records->pulled().at("id").access.at("docker.io/library/app").secrets.size(), 2u);
}

TEST_F(Records, ForgetImagesThatAreGone) {
  begin();
  pull("a", "ida", nullptr);
  pull("b", "idb", nullptr);
  world.clock.advance(10s);
  const base::SystemTime begun = world.clock.now();
  pull("c", "idc", nullptr);  // while the garbage was collected
  records->keep_only({"ida"}, begun);
  settle();
  EXPECT_TRUE(has_record("ida"));
  EXPECT_FALSE(has_record("idb"));
  EXPECT_TRUE(has_record("idc"));
}

TEST_F(Records, AreNotKeptWithTheGateOff) {
  verification.policy = VerificationPolicy::off;
  disk.files[kPulled + record_file_name("id")] = pulled_record_json({world.clock.now(), "id", {}});
  begin();
  EXPECT_FALSE(records->enabled());
  EXPECT_EQ(ask("app", "id"), Verdict::open);
  intend("app").pulled("id", nullptr);
  EXPECT_THAT(disk.log, IsEmpty());
}

// --- On a real disk ---

TEST(DiskImageFiles, WritesWholeFilesForUsAlone) {
  char name[] = "/tmp/keelson-records-XXXXXX";
  const std::string top = ::mkdtemp(name);
  base::Loop loop;
  base::RealClock clock(loop);
  base::BlockingPool pool(loop, clock, 2);
  DiskImageFiles files(pool);
  using base::testing::run_real;
  EXPECT_EQ(run_real(loop, files.read(top + "/x/y/f")).error().kind(), ErrorKind::not_found);
  EXPECT_TRUE(run_real(loop, files.read_all(top + "/x/y")).value().empty());
  ASSERT_TRUE(run_real(loop, files.write(top + "/x/y/f", "one")).ok());
  ASSERT_TRUE(run_real(loop, files.write(top + "/x/y/f", "two")).ok());
  struct stat facts {};
  ASSERT_EQ(::stat((top + "/x/y").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0700u);
  ASSERT_EQ(::stat((top + "/x/y/f").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  std::filesystem::create_directory(top + "/x/y/directory");
  const auto all = run_real(loop, files.read_all(top + "/x/y"));
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all.value().size(), 1u) << "no temporary file is left";
  EXPECT_EQ(all.value()[0].name, "f");
  EXPECT_EQ(all.value()[0].content.value(), "two");
  EXPECT_TRUE(run_real(loop, files.remove(top + "/x/y/f")).ok());
  EXPECT_TRUE(run_real(loop, files.remove(top + "/x/y/f")).ok());
  EXPECT_FALSE(run_real(loop, files.write(top + "/x/y/directory", "z")).ok());
  EXPECT_FALSE(base::path_exists(top + "/x/y/directory.tmp"));
  std::filesystem::remove_all(top);
}

}  // namespace
}  // namespace keelson::agent
