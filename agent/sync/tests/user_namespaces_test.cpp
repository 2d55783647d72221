// Ranges of IDs for pods with user namespaces: what the machine gives, who gets which, and what survives a crash.
#include "agent/sync/user_namespaces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "agent/sync/tests/world.hpp"
#include "base/file.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kLength = 65'536;

api::PodPtr pod_with_namespace(const std::string& uid) {
  auto pod = make_wanted(uid);
  pod.mutable_spec()->set_hostusers(false);
  return std::make_shared<const api::Pod>(pod);
}

// --- The pool ---

TEST(IdPools, WithoutAConfiguredRangeAllIdsButTheFirstSlotAreThere) {
  const IdPool pool = default_id_pool(2 * kLength);
  EXPECT_EQ(pool.first, 2 * kLength);
  EXPECT_EQ(std::uint64_t{pool.first} + pool.count, std::uint64_t{1} << 32);
  EXPECT_TRUE(check_id_pool(pool, 110).ok());
  EXPECT_EQ(default_id_pool(kLength).count, IdPool().count);
}

struct SubidsRow {
  const char* why;
  std::string users, groups;
  std::string error;
};

TEST(IdPools, GetsubidsMustPrintOneRangeForUsersAndGroups) {
  const std::string line = "0: kubelet 65536 2147483648\n";
  const auto pool = parse_subids(line, line, kLength);
  ASSERT_TRUE(pool.ok()) << pool.error().to_string();
  EXPECT_EQ(pool->first, 65'536u);
  EXPECT_EQ(pool->count, 2'147'483'648u);
  for (const auto& row :
       {SubidsRow{"nothing", "", "", "expected one line"},
        SubidsRow{"two lines", line + line, line + line, "expected one line"},
        SubidsRow{"a word short", "0: kubelet 65536\n", "0: kubelet 65536\n", "expected one line"},
        SubidsRow{"no number", "0: kubelet x 1\n", "0: kubelet x 1\n", "expected one line"},
        SubidsRow{"too large", "0: kubelet 1 4294967296\n", "0: kubelet 1 4294967296\n", "one line"},
        SubidsRow{"other groups", line, "0: kubelet 131072 2147483648\n", "expected the same range"}}) {
    const auto refused = parse_subids(row.users, row.groups, kLength);
    ASSERT_FALSE(refused.ok()) << row.why;
    EXPECT_THAT(refused.error().message(), HasSubstr(row.error)) << row.why;
  }
}

struct PoolRow {
  IdPool pool;
  std::int64_t max_pods;
  std::string error;  // "" = fine
};

TEST(IdPools, AreCutIntoOneSlotForEachPod) {
  for (const auto& row : {PoolRow{{kLength, 110 * kLength, kLength}, 110, ""},
                          PoolRow{{kLength, 110 * kLength, kLength}, 111, "are not enough for 111 pods"},
                          PoolRow{{kLength + 1, 2 * kLength, kLength}, 1, "do not begin at a multiple of 65536"},
                          PoolRow{{0, 2 * kLength, kLength}, 1, "begin below 65536"},
                          PoolRow{{2 * kLength, 3 * kLength, 2 * kLength}, 1, "are not a multiple of 131072"},
                          PoolRow{{0xFFFF0000u, 2 * kLength, kLength}, 1, "go beyond the IDs of 32 bits"}}) {
    const Status checked = check_id_pool(row.pool, row.max_pods);
    EXPECT_EQ(checked.ok(), row.error.empty()) << row.error;
    EXPECT_THAT(checked.ok() ? "" : checked.error().message(), HasSubstr(row.error));
  }
}

struct Machine : ::testing::Test {
  Machine() {
    char name[] = "/tmp/keelson-ids-XXXXXX";
    top = mkdtemp(name);
  }
  ~Machine() override { std::filesystem::remove_all(top); }
  // A getsubids that runs this shell script.
  IdPoolSource source(const std::string& script, bool has_user = true) {
    const std::string path = top + "/getsubids";
    EXPECT_TRUE(base::write_file(path, "#!/bin/sh\n" + script + "\n", 0755).ok());
    return {[has_user] { return Result<bool>(has_user); }, path};
  }
  std::string error(const IdPoolSource& from) {
    const auto pool = read_id_pool(from, kLength, 110);
    return pool.ok() ? "" : pool.error().to_string();
  }
  std::string top;
};

TEST_F(Machine, TheProgramIsAskedForUsersAndForGroups) {
  const auto pool = read_id_pool(source("[ $# = 2 ] && [ $1 != -g ] && exit 1\n"
                                        "eval last=\\${$#}\necho \"0: $last 131072 16777216\""),
                                 kLength, 110);
  ASSERT_TRUE(pool.ok()) << pool.error().to_string();
  EXPECT_EQ(pool->first, 131'072u);
  EXPECT_EQ(pool->count, 16'777'216u);
  EXPECT_THAT(error(source("echo \"0: kubelet 131072 $(( 16777216 + $# * 65536 ))\"")),
              HasSubstr("expected the same range"));
}

TEST_F(Machine, WithoutTheUserOrTheProgramTheDefaultIsTaken) {
  EXPECT_EQ(read_id_pool(source("exit 1", false), kLength, 110)->first, kLength);
  EXPECT_EQ(read_id_pool({[] { return Result<bool>(true); }, ""}, kLength, 110)->first, kLength);
}

TEST_F(Machine, AProgramThatFailsKeepsTheAgentFromStarting) {
  EXPECT_THAT(error(source("exit 3")), HasSubstr("getsubids failed with status 3"));
  EXPECT_THAT(error(source("kill -9 $$")), HasSubstr("getsubids failed with status 137"));
  EXPECT_THAT(error(source("echo 0: kubelet 65536 65536")), HasSubstr("are not enough for 110 pods (maxPods)"));
  EXPECT_THAT(error({[] { return Result<bool>(true); }, top + "/none"}), HasSubstr("running " + top + "/none"));
  EXPECT_THAT(error({[]() -> Result<bool> { return Error(ErrorKind::unavailable, "LDAP is away"); }, ""}),
              HasSubstr("LDAP is away"));
}

TEST(IdPools, TheMachineItselfHasOneThatFits) {
  const auto pool = read_id_pool(id_pool_source(), kLength, 110);
  ASSERT_TRUE(pool.ok()) << pool.error().to_string();
  EXPECT_GE(pool->first, kLength);
}

// --- The file ---

TEST(UserNamespaceFile, IsTheKubelets) {
  const UserNamespaceRange range{131'072, 65'536};
  const std::string text = R"({"uidMappings":[{"hostId":131072,"containerId":0,"length":65536}],)"
                           R"("gidMappings":[{"hostId":131072,"containerId":0,"length":65536}]})";
  EXPECT_EQ(write_user_namespace(range), text);
  EXPECT_EQ(*read_user_namespace(text), range);
}

TEST(UserNamespaceFile, AnythingElseIsRefused) {
  const auto maps = [](const std::string& users, const std::string& groups) {
    return "{\"uidMappings\":[" + users + "],\"gidMappings\":[" + groups + "]}";
  };
  const std::string good = R"({"hostId":131072,"containerId":0,"length":65536})";
  for (const auto& text :
       {std::string(), std::string("[]"), std::string("{}"), maps("", ""), maps(good, ""),
        maps(good + "," + good, good), maps(good, R"({"hostId":196608,"containerId":0,"length":65536})"),
        maps(R"({"hostId":131072,"containerId":1,"length":65536})",
             R"({"hostId":131072,"containerId":1,"length":65536})"),
        maps(R"({"hostId":-1,"containerId":0,"length":65536})", good),
        maps(R"({"containerId":0,"length":65536})", good),
        maps(R"({"hostId":"1","containerId":0,"length":65536})", good)}) {
    const auto range = read_user_namespace(text);
    ASSERT_FALSE(range.ok()) << text;
    EXPECT_THAT(range.error().message(), HasSubstr("invalid user namespace mappings file")) << text;
  }
}

// --- Who gets which ---

struct Ranges : ::testing::Test {
  Result<std::optional<UserNamespaceRange>> of(UserNamespaces& from, const std::string& uid) {
    return world.run(from.of(pod_with_namespace(uid)));
  }
  UserNamespaceRange given(UserNamespaces& from, const std::string& uid) {
    auto range = of(from, uid);
    EXPECT_TRUE(range.ok()) << range.error().to_string();
    return range.ok() && *range ? **range : UserNamespaceRange{};
  }
  World world;
  IdPool pool{131'072, 4 * kLength, kLength};
  UserNamespaces ranges{world.random, world.files, pool, {}};
};

TEST_F(Ranges, APodOnTheHostsIdsHasNone) {
  EXPECT_EQ(*world.run(ranges.of(std::make_shared<const api::Pod>(make_wanted("u1")))), std::nullopt);
  EXPECT_THAT(world.files.pod_texts, IsEmpty());
}

TEST_F(Ranges, EveryPodHasASlotOfItsOwnUntilNoneIsLeft) {
  std::set<std::uint32_t> firsts;
  for (const char* uid : {"a", "b", "c", "d"}) {
    const UserNamespaceRange range = given(ranges, uid);
    EXPECT_EQ(range.length, kLength);
    EXPECT_EQ(range, given(ranges, uid)) << "it keeps it";
    firsts.insert(range.host_first);
  }
  EXPECT_THAT(firsts, ElementsAre(131'072, 196'608, 262'144, 327'680));
  EXPECT_EQ(of(ranges, "e").error().message(),
            "create user namespace: could not find an empty slot to allocate a user namespace");
  const UserNamespaceRange freed = given(ranges, "b");
  world.run(ranges.release("b"));
  EXPECT_EQ(given(ranges, "e"), freed);
  EXPECT_EQ(world.files.pod_texts.count({"b", "userns"}), 0u);
}

TEST_F(Ranges, TheSlotIsPickedAtRandom) {
  const IdPool wide = default_id_pool(kLength);
  std::set<std::uint32_t> firsts;
  for (int i = 0; i < 20; ++i) {
    UserNamespaces fresh(world.random, world.files, wide, {});
    firsts.insert(given(fresh, "u" + std::to_string(i)).host_first);
  }
  EXPECT_GE(firsts.size(), 19u);
}

TEST_F(Ranges, ANewAgentKnowsWhatTheOldOneGave) {
  const UserNamespaceRange a = given(ranges, "a");
  const UserNamespaceRange b = given(ranges, "b");
  UserNamespaces next(world.random, world.files, pool, {});
  world.run(next.load());
  std::set<std::uint32_t> others{given(next, "c").host_first, given(next, "d").host_first};
  EXPECT_EQ(given(next, "a"), a);
  EXPECT_EQ(given(next, "b"), b);
  EXPECT_EQ(others.count(a.host_first) + others.count(b.host_first), 0u);
  EXPECT_FALSE(of(next, "e").ok());
}

TEST_F(Ranges, NothingIsGivenThatCouldNotBeWritten) {
  world.files.pod_file_fails = Error(ErrorKind::exhausted, "no space left on device");
  EXPECT_EQ(of(ranges, "a").error().to_string(), "create user namespace: no space left on device");
  EXPECT_EQ(of(ranges, "a").error().to_string(), "create user namespace: no space left on device") << "nor later";
  world.files.pod_file_fails = {};
  EXPECT_EQ(world.files.pod_texts.count({"a", "userns"}), 0u);
  const UserNamespaceRange range = given(ranges, "a");
  EXPECT_EQ((world.files.pod_texts[{"a", "userns"}]), write_user_namespace(range));
}

TEST_F(Ranges, AFileThatCannotBeRemovedKeepsItsRangeTaken) {
  const UserNamespaceRange a = given(ranges, "a");
  world.files.pod_file_fails = Error(ErrorKind::unavailable, "read-only file system");
  world.run(ranges.release("a"));
  world.files.pod_file_fails = {};
  for (const char* uid : {"b", "c", "d"}) EXPECT_NE(given(ranges, uid), a);
  EXPECT_FALSE(of(ranges, "e").ok());
  world.run(ranges.release("a"));
  EXPECT_EQ(given(ranges, "e"), a);
}

TEST_F(Ranges, APodWhoseFileIsBrokenIsRefusedAndNobodyElse) {
  world.files.pod_texts[{"bad", "userns"}] = "{";
  world.files.pod_texts[{"far", "userns"}] = write_user_namespace({65'536, kLength});
  world.files.pod_texts[{"odd", "userns"}] = write_user_namespace({131'073, kLength});
  world.files.pod_texts[{"long", "userns"}] = write_user_namespace({131'072, 2 * kLength});
  world.files.pod_texts[{"one", "userns"}] = write_user_namespace({262'144, kLength});
  world.files.pod_texts[{"two", "userns"}] = write_user_namespace({262'144, kLength});
  world.run(ranges.load());
  for (const char* uid : {"bad", "far", "odd", "long", "two"}) {
    EXPECT_THAT(of(ranges, uid).error().to_string(), HasSubstr("user namespace: invalid user namespace mappings file"))
        << uid;
  }
  EXPECT_EQ(given(ranges, "one").host_first, 262'144u);
  EXPECT_NE(given(ranges, "fine").host_first, 262'144u);
  world.run(ranges.release("bad"));
  EXPECT_EQ(given(ranges, "bad").length, kLength) << "its end ends the matter";
}

// --- In the life of pods ---

struct Lives : ::testing::Test {
  Lives() {
    world.cri.images["image:1"].id = "sha256:1";
    world.cri.images["image:1"].size = 1;
    world.cri.runtime_status.handlers = {{"", false, true}};
  }
  bool runs(const std::string& uid) {
    return world.until([&] { return world.cri.running(uid) == 1; }, 10s);
  }
  bool has_file(const std::string& uid) const { return world.files.pod_texts.count({uid, "userns"}) > 0; }
  std::uint32_t first_of(const std::string& uid) {
    const auto& sandbox = world.cri.newest(uid, "main")->config.linux_config->security_context->namespace_options;
    return sandbox->userns_options->uids.at(0).host_id;
  }
  World world;
};

TEST_F(Lives, ARangeOutlivesTheAgentAndGoesWithThePod) {
  const api::Pod pod = *pod_with_namespace("u1");
  auto brain = std::make_unique<Brain>(world);
  brain->start();
  brain->set_pods({pod});
  ASSERT_TRUE(runs("u1"));
  const std::uint32_t first = first_of("u1");
  brain->stop();
  brain = std::make_unique<Brain>(world);
  brain->start();
  brain->set_pods({pod});
  world.clock.advance(5s);
  world.cri.end_process("u1", "main", 1);
  ASSERT_TRUE(runs("u1"));
  EXPECT_EQ(first_of("u1"), first) << "the new instance has the old IDs";
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 1u);
  brain->set_pods({});
  ASSERT_TRUE(world.until([&] { return brain->worker("u1") == nullptr; }, 60s));
  EXPECT_FALSE(has_file("u1"));
}

TEST_F(Lives, WhatAnEarlierAgentGaveToAPodThatNobodyKnowsIsTakenBack) {
  world.files.pods.insert("old");
  world.files.pod_texts[{"old", "userns"}] = write_user_namespace({65'536, kLength});
  Brain brain(world);
  brain.start();
  brain.set_pods({});
  EXPECT_TRUE(world.until([&] { return !has_file("old") && world.files.pods.empty(); }, 60s));
}

}  // namespace
}  // namespace keelson::agent
