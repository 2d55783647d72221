#include "agent/sync/pod_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/allocation/allocations.hpp"
#include "agent/images/tests/started_puller.hpp"
#include "agent/sync/resizer.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One pod, synced round by round as its worker does it.
class Runtime : public ::testing::Test {
 public:
  Runtime() {
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.images["image:1"].size = 1;
    world.cri.latency = [](const std::string&) { return base::Duration(1ms); };
  }
  ~Runtime() override { world.run(allocations.stop()); }

  ObservedPtr observe() {
    pleg::PodTarget target;
    target.uid = "u1";
    target.ns = "ns";
    target.name = "pod-u1";
    target.items = std::move(*world.run(lister.list_pod("u1")));
    return observed_of(pleg::Snapshot{*world.run(lister.inspect(std::move(target))), {}}, "u1");
  }
  SyncOutcome sync() {
    const ObservedPtr observed = observe();
    exits.observe(*observed, world.clock.now(), world.clock.steady_now());
    const std::map<std::string, ProbeView> probes;
    PodRuntime::SyncRequest request;
    request.pod = std::make_shared<const api::Pod>(pod);
    request.observed = observed;
    request.plan = plan({pod, *observed, backoff, probes, exits.exits(), world.clock.steady_now()});
    request.volumes = *world.run(world.volumes.mount(request.pod));
    request.journal = &journal;
    request.backoff = &backoff;
    return world.run(runtime.execute(std::move(request)));
  }
  Status kill(std::chrono::seconds grace) {
    return world.run(killer.kill_pod(std::make_shared<const api::Pod>(pod), observe(), grace));
  }
  api::core::Container& add_init(const std::string& name, bool sidecar) {
    auto& container = *pod.mutable_spec()->add_initcontainers();
    container = pod.spec().containers(0);
    container.set_name(name);
    if (sidecar) container.set_restartpolicy("Always");
    return container;
  }
  // Another pod on a node without faults.
  void begin_anew() {
    pod = make_wanted("u1");
    world.cri.clear_faults();
    world.events.all.clear();
    world.files.prepare_fails = {};
    world.cri.images["image:1"].id = "sha256:image:1";
    if (world.cri.knows("u1")) {
      (void)kill(0s);
      for (const auto& sandbox : std::list(world.cri.sandboxes()))
        (void)world.run(world.cri.remove_pod_sandbox(sandbox.id));
    }
    world.clock.advance(20min);
    images.puller.forget_old();
  }
  World world;
  api::Pod pod = make_wanted("u1");
  NodeFacts facts = make_facts();
  PlegLister lister{world.clock, world.cri};
  StartedPuller images{world};
  Killer killer{world.loop, world.clock, world.cri, world.lifecycle, facts, world.events};
  UserNamespaces user_namespaces{world.random, world.files, facts.id_pool, {}};
  RuntimeConfigs configs{world.random, world.files, world.volumes, world.cgroups, world.objects, user_namespaces, facts,
                         world.events, {}};
  Allocations allocations{world.loop, world.clock, world.allocations, true, {}};
  Resizer resizer{world.cri, world.cgroups, allocations, facts};
  StartSlots slots{world.loop, world.clock, {}};
  PodRuntime runtime{world.loop, world.clock, world.cri,   slots,       world.lifecycle, killer,      images.puller,
                     configs,    resizer,     allocations, world.files, facts,           world.events};
  Journal journal{world.clock, {}};
  RestartBackoff backoff;
  ExitClock exits;
};

TEST_F(Runtime, EachFailureOfAStartHasItsReasonAndEvent) {
  struct Row {
    const char* what;
    std::function<void(Runtime&)> prepare;
    const char* reason;
    const char* message;
    const char* event;
  };
  const auto fails = [](const char* call, const char* text) {
    return [call, text](Runtime& t) {
      t.world.cri.inject({call, "", FakeFault::Kind::fails, Error(ErrorKind::internal, text)});
    };
  };
  const std::string never_text = "Container image \"image:1\" is not present with pull policy of Never";
  const Row rows[] = {
      {"image name", [](Runtime& t) { t.pod.mutable_spec()->mutable_containers(0)->set_image("A B"); },
       "InvalidImageName", "Failed to apply default image tag \"A B\": ", "Error: InvalidImageName"},
      {"image inspection", fails("image_status", "bolt"), "ImageInspectError",
       "Failed to inspect image \"image:1\": bolt", "Error: ImageInspectError"},
      {"image pull",
       [](Runtime& t) {
         t.world.cri.images.clear();
         t.world.cri.inject({"pull_image", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "no host")});
       },
       "ErrImagePull", "no host", "Error: ErrImagePull"},
      {"image never pulled",
       [](Runtime& t) {
         t.world.cri.images.clear();
         t.pod.mutable_spec()->mutable_containers(0)->set_imagepullpolicy("Never");
       },
       "ErrImageNeverPull", never_text.c_str(), "Error: ErrImageNeverPull"},
      {"environment",
       [](Runtime& t) {
         auto& env = *t.pod.mutable_spec()->mutable_containers(0)->add_env();
         env.set_name("A");
         env.mutable_valuefrom()->mutable_fieldref()->set_fieldpath("spec.nothing");
       },
       "CreateContainerConfigError", "", "Error: "},
      {"mounts",
       [](Runtime& t) {
         auto& mount = *t.pod.mutable_spec()->mutable_containers(0)->add_volumemounts();
         mount.set_name("nowhere");
         mount.set_mountpath("/x");
       },
       "CreateContainerConfigError", "", "Error: "},
      {"runAsNonRoot",
       [](Runtime& t) {
         t.pod.mutable_spec()->mutable_containers(0)->mutable_securitycontext()->set_runasnonroot(true);
       },
       "CreateContainerConfigError",
       "container has runAsNonRoot and image will run as root (pod: \"pod-u1_ns(u1)\", container: main)",
       "Error: container has runAsNonRoot and image will run as root (pod: \"pod-u1_ns(u1)\", container: main)"},
      {"files", [](Runtime& t) { t.world.files.prepare_fails = Error(ErrorKind::exhausted, "no space left"); },
       "CreateContainerConfigError", "no space left", "Error: no space left"},
      // What the runtime said, without gRPC's words around it.
      {"create", fails("create_container", "rpc error: code = Unknown desc = shim died"), "CreateContainerError",
       "shim died", "Error: shim died"},
      {"start", fails("start_container", "rpc error: code = Unknown desc = exec: \"x\": not found"),
       "RunContainerError", "exec: \"x\": not found", "Error: exec: \"x\": not found"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    begin_anew();
    row.prepare(*this);
    const SyncOutcome outcome = sync();
    EXPECT_FALSE(outcome.ok());
    ASSERT_EQ(outcome.waiting.count("main"), 1u);
    EXPECT_EQ(outcome.waiting.at("main").reason, row.reason);
    EXPECT_EQ(outcome.waiting.at("main").message.rfind(row.message, 0), 0u) << outcome.waiting.at("main").message;
    EXPECT_THAT(world.events.texts("Failed"),
                Contains(HasSubstr(std::string("W Failed spec.containers{main}: ") + row.event)));
  }
}

TEST_F(Runtime, TheNewContainersIdIsReplacedByItsNameInEvents) {
  world.cri.inject(
      {"start_container", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "container-2 is no more")});
  const SyncOutcome outcome = sync();
  EXPECT_THAT(world.events.texts("Failed"), ElementsAre("W Failed spec.containers{main}: Error: main is no more"));
  EXPECT_EQ(outcome.waiting.at("main").message, "container-2 is no more");
}

TEST_F(Runtime, AFailingContainerDoesNotStopTheOthersAFailingInitContainerDoes) {
  pod = make_wanted("u1", {"a", "b"});
  world.cri.inject({"create_container", "u1/a", FakeFault::Kind::fails, Error(ErrorKind::internal, "no"), 1});
  SyncOutcome outcome = sync();
  EXPECT_THAT(outcome.started, ElementsAre("b"));
  begin_anew();
  add_init("first", true);
  add_init("second", false);
  world.cri.inject({"create_container", "u1/second", FakeFault::Kind::fails, Error(ErrorKind::internal, "no")});
  sync();
  outcome = sync();
  EXPECT_EQ(outcome.waiting.count("second"), 1u);
  EXPECT_EQ(world.cri.count("create_container", "u1/main"), 0u);
}

TEST_F(Runtime, AnOldInitContainerThatCannotBeRemovedKeepsNobodyFromStarting) {
  add_init("first", false);
  world.cri.script = [](auto&, const std::string& name, std::uint32_t attempt) {
    return name == "first" ? FakeRun{10ms, attempt < 2 ? 1 : 0} : FakeRun{};
  };
  world.cri.inject({"remove_container", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "busy")});
  for (int i = 0; i < 4; ++i) {
    sync();
    world.clock.advance(10min);
  }
  EXPECT_GE(world.cri.count("remove_container", "u1/first"), 1u);
  EXPECT_EQ(world.cri.count("start_container", "u1/first"), 3u);
  EXPECT_EQ(world.cri.count("start_container", "u1/main"), 1u);
}

TEST_F(Runtime, ASandboxThatCannotBeMadeIsTold) {
  world.cri.inject({"run_pod_sandbox", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "no CNI")});
  const SyncOutcome outcome = sync();
  EXPECT_THAT(outcome.errors, ElementsAre("while creating the pod's sandbox: no CNI"));
  EXPECT_THAT(world.events.texts(), ElementsAre("W FailedCreatePodSandBox: Failed to create pod sandbox: no CNI"));
  EXPECT_THAT(outcome.waiting, IsEmpty());
}

TEST_F(Runtime, ANodeWithoutClusterDnsIsToldOfAsTheNodesAndThePods) {
  pod.mutable_spec()->set_dnspolicy("ClusterFirst");
  sync();
  std::vector<bool> of_node;
  for (const auto& entry : world.events.all) {
    if (entry.event.reason == "MissingClusterDNS") of_node.push_back(entry.event.of_node);
  }
  EXPECT_THAT(of_node, ElementsAre(true, false));
}

TEST_F(Runtime, ASandboxThatCannotBeReadIsTold) {
  world.cri.inject({"pod_sandbox_status", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "what?")});
  const SyncOutcome outcome = sync();
  EXPECT_THAT(world.events.texts(), ElementsAre("W FailedPodSandBoxStatus: Unable to get pod sandbox status: what?"));
  EXPECT_EQ(world.cri.count("create_container"), 0u);
}

TEST_F(Runtime, ANewSandboxGetsTheNextAttemptAndInitContainersStartAnew) {
  add_init("init", false);
  world.cri.script = [](auto&, const std::string& name, auto) { return name == "init" ? FakeRun{1s, 0} : FakeRun{}; };
  sync();
  world.clock.advance(2s);
  sync();
  ASSERT_EQ(world.cri.running("u1"), 1u);
  world.cri.break_sandbox("u1");
  world.cri.forget_calls();
  sync();
  EXPECT_THAT(world.cri.writes(), ElementsAre("stop_pod_sandbox u1", "remove_container u1/init", "run_pod_sandbox u1",
                                              "create_container u1/init", "start_container u1/init"));
  EXPECT_EQ(world.cri.sandboxes().back().config.metadata.attempt, 1u);
}

TEST_F(Runtime, RestartCountGoesOnFromTheLogFilesWhenTheRuntimeForgot) {
  world.files.logs["/var/log/pods/ns_pod-u1_u1/main"] = {"3.log", "2.log.20260101-000000", "other.txt"};
  sync();
  const auto* made = world.cri.newest("u1", "main");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->config.metadata.attempt, 4u);
  EXPECT_EQ(made->config.annotations.at("io.kubernetes.container.restartCount"), "4");
  EXPECT_EQ(made->log_path, "/var/log/pods/ns_pod-u1_u1/main/4.log");
}

TEST_F(Runtime, EveryStartGetsAHostsFileAndAFreshTerminationFile) {
  sync();
  ASSERT_EQ(world.files.prepared.size(), 1u);
  const ContainerFiles first = world.files.prepared[0];
  EXPECT_TRUE(first.write_hosts);
  EXPECT_THAT(first.hosts, HasSubstr("# Kubernetes-managed hosts file.\n"));
  EXPECT_THAT(first.hosts, HasSubstr(world.cri.sandboxes().front().ips.front() + "\tpod-u1\n"));
  EXPECT_EQ(first.log_directory, "/var/log/pods/ns_pod-u1_u1/main");
  EXPECT_EQ(first.termination_name.size(), 8u);
  const auto& mounts = world.cri.newest("u1", "main")->config.mounts;
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].host_path, "/var/lib/kubelet/pods/u1/etc-hosts");
  EXPECT_EQ(mounts[1].container_path, "/dev/termination-log");
  EXPECT_EQ(mounts[1].host_path, "/var/lib/kubelet/pods/u1/containers/main/" + first.termination_name);
  world.cri.end_process("u1", "main", 1);
  sync();
  ASSERT_EQ(world.files.prepared.size(), 2u);
  EXPECT_NE(world.files.prepared[1].termination_name, first.termination_name);
}

TEST_F(Runtime, AFailureLeavesOnTheDiskWhatCameBeforeIt) {
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  container.mutable_securitycontext()->set_runasnonroot(true);
  EXPECT_EQ(sync().waiting.at("main").reason, "CreateContainerConfigError");
  ASSERT_EQ(world.files.prepared.size(), 1u);
  EXPECT_TRUE(world.files.prepared[0].write_hosts);
  EXPECT_EQ(world.files.prepared[0].log_directory, "") << "the user is checked before";
  EXPECT_EQ(world.files.prepared[0].termination_name, "");
  container.mutable_securitycontext()->Clear();
  container.mutable_securitycontext()->mutable_seccompprofile()->set_type("Localhost");
  EXPECT_EQ(sync().waiting.at("main").message, "localhostProfile must be set if seccompProfile type is Localhost.");
  ASSERT_EQ(world.files.prepared.size(), 2u);
  EXPECT_EQ(world.files.prepared[1].log_directory, "/var/log/pods/ns_pod-u1_u1/main");
  EXPECT_EQ(world.files.prepared[1].termination_name.size(), 8u);
  auto& env = *container.add_env();
  env.set_name("A");
  env.mutable_valuefrom()->mutable_fieldref()->set_fieldpath("spec.nothing");
  EXPECT_EQ(sync().waiting.at("main").message, "field label not supported: spec.nothing");
  EXPECT_EQ(world.files.prepared.size(), 2u) << "nothing is made before the environment is known";
}

TEST_F(Runtime, APodWithAUserNamespaceHasItInItsSandboxItsContainersAndTheirMounts) {
  pod.mutable_spec()->set_hostusers(false);
  facts.handlers = {{"", false, true}};
  EXPECT_TRUE(sync().ok());
  const auto range = read_user_namespace(world.files.pod_texts.at({"u1", "userns"}));
  ASSERT_TRUE(range.ok());
  const std::vector<cri::IdMapping> map{{range->host_first, 0, range->length}};
  const auto& sandbox = *world.cri.sandboxes().back().config.linux_config->security_context->namespace_options;
  EXPECT_EQ(sandbox.userns_options->mode, cri::NamespaceMode::pod);
  EXPECT_EQ(sandbox.userns_options->uids, map);
  EXPECT_EQ(sandbox.userns_options->gids, map);
  const auto& container = world.cri.newest("u1", "main")->config;
  EXPECT_EQ(*container.linux_config->security_context->namespace_options, sandbox);
  ASSERT_EQ(container.mounts.size(), 2u);
  for (const auto& mount : container.mounts) EXPECT_EQ(mount.uid_mappings, map) << mount.container_path;
}

TEST_F(Runtime, WithoutTheRuntimesSupportAUserNamespaceLeavesNoTrace) {
  pod.mutable_spec()->set_hostusers(false);
  sync();
  EXPECT_THAT(world.events.texts(),
              ElementsAre("W FailedCreatePodSandBox: Failed to create pod sandbox: can't set `spec.hostUsers: false`, "
                          "runtime does not support user namespaces"));
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 0u);
  EXPECT_THAT(world.files.pod_texts, IsEmpty());
}

TEST_F(Runtime, ARuntimeClassThatIsNotKnownIsAnErrorOfTheSandbox) {
  pod.mutable_spec()->set_runtimeclassname("gone");
  facts.runtime_class = [](const std::string& name) -> Result<std::string> {
    return Error(ErrorKind::not_found, "runtimeclass.node.k8s.io \"" + name + "\" not found");
  };
  sync();
  EXPECT_THAT(
      world.events.texts(),
      ElementsAre("W FailedCreatePodSandBox: Failed to create pod sandbox: runtimeclass.node.k8s.io \"gone\" not "
                  "found"));
}

TEST_F(Runtime, SubPathsAreBoundBeforeTheContainerIsCreated) {
  pod.mutable_spec()->add_volumes()->set_name("data");
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  auto& env = *container.add_env();
  env.set_name("WHERE");
  env.set_value("here");
  auto& mount = *container.add_volumemounts();
  mount.set_name("data");
  mount.set_mountpath("/data");
  mount.set_subpathexpr("$(WHERE)/x");
  EXPECT_TRUE(sync().ok());
  const std::string target = "/var/lib/kubelet/pods/u1/volume-subpaths/data/main/0";
  EXPECT_THAT(world.volumes.sub_paths,
              ElementsAre(SubPathRequest{0, "data", "main", "/volumes/data", "here/x", target, "data"}));
  EXPECT_EQ(world.cri.newest("u1", "main")->config.mounts[0].host_path, target);
}

TEST_F(Runtime, GroupsThatVolumesAskForAreGivenToSandboxAndContainers) {
  for (const char* name : {"data", "more"}) {
    pod.mutable_spec()->add_volumes()->set_name(name);
    auto& mount = *pod.mutable_spec()->mutable_containers(0)->add_volumemounts();
    mount.set_name(name);
    mount.set_mountpath(std::string("/") + name);
  }
  world.volumes.group = 4711;
  EXPECT_TRUE(sync().ok());
  const auto& sandbox = world.cri.sandboxes().front().config;
  EXPECT_THAT(sandbox.linux_config->security_context->supplemental_groups, ElementsAre(4711));
  const auto& container = world.cri.newest("u1", "main")->config;
  EXPECT_THAT(container.linux_config->security_context->supplemental_groups, ElementsAre(4711));
}

TEST_F(Runtime, ASubPathThatCannotBeMadeIsTold) {
  pod.mutable_spec()->add_volumes()->set_name("data");
  auto& mount = *pod.mutable_spec()->mutable_containers(0)->add_volumemounts();
  mount.set_name("data");
  mount.set_mountpath("/data");
  mount.set_subpath("x");
  world.volumes.sub_path_fails = Error(ErrorKind::invalid, "failed to prepare subPath for volumeMount \"data\"");
  EXPECT_EQ(sync().waiting.at("main").message, "failed to prepare subPath for volumeMount \"data\"");
  mount.clear_subpath();
  mount.set_subpathexpr("$(NONE)");
  EXPECT_EQ(sync().waiting.at("main").message, "missing value for NONE");
  EXPECT_THAT(world.files.prepared, IsEmpty()) << "before the hosts file";
}

TEST_F(Runtime, VariablesComeFromFilesOfTheMountedVolumes) {
  pod.mutable_spec()->add_volumes()->set_name("data");
  auto& env = *pod.mutable_spec()->mutable_containers(0)->add_env();
  env.set_name("A");
  auto& ref = *env.mutable_valuefrom()->mutable_filekeyref();
  ref.set_volumename("data");
  ref.set_path("conf/env");
  ref.set_key("K");
  EXPECT_EQ(sync().waiting.at("main").message, "couldn't parse env file");
  world.files.host_files["/volumes/data/conf/env"] = "L='1'\n";
  EXPECT_EQ(sync().waiting.at("main").message,
            "environment variable key \"K\" not found in file \"/volumes/data/conf/env\"");
  world.files.host_files["/volumes/data/conf/env"] = "K='v'\n";
  EXPECT_TRUE(sync().ok());
  EXPECT_THAT(world.cri.newest("u1", "main")->config.envs, Contains(cri::KeyValue{"A", "v"}));
}

TEST_F(Runtime, AnEphemeralContainerNeedsItsTarget) {
  sync();
  auto& debug = *pod.mutable_spec()->add_ephemeralcontainers();
  debug.set_targetcontainername("none");
  auto& common = *debug.mutable_ephemeralcontainercommon();
  common.set_name("debug");
  common.set_image("image:1");
  EXPECT_EQ(sync().waiting.at("debug").message, "unable to find target container none");
  debug.set_targetcontainername("main");
  EXPECT_TRUE(sync().ok());
  const auto& options = *world.cri.newest("u1", "debug")->config.linux_config->security_context->namespace_options;
  EXPECT_EQ(options.pid, cri::NamespaceMode::target);
  EXPECT_EQ(options.target_id, world.cri.newest("u1", "main")->id);
}

TEST_F(Runtime, OnTheHostNetworkTheHostsFileIsTheNodes) {
  pod.mutable_spec()->set_hostnetwork(true);
  sync();
  ASSERT_EQ(world.files.prepared.size(), 1u);
  EXPECT_EQ(world.files.prepared[0].hosts, "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n");
}

TEST_F(Runtime, TheLogIsLinkedUnderItsLongName) {
  sync();
  EXPECT_EQ(world.files.links.at("/var/log/containers/pod-u1_ns_main-container-2.log"),
            "/var/log/pods/ns_pod-u1_u1/main/0.log");
}

TEST_F(Runtime, AContainerThatCannotBeKilledGetsNoSecondInstance) {
  sync();
  pod.mutable_spec()->mutable_containers(0)->set_image("image:2");
  world.cri.images["image:2"].id = "sha256:image:2";
  world.cri.inject({"stop_container", "u1/main", FakeFault::Kind::fails, Error(ErrorKind::internal, "stuck"), 1});
  SyncOutcome outcome = sync();
  EXPECT_THAT(outcome.errors, ElementsAre("while killing container main: stuck"));
  EXPECT_EQ(world.cri.count("create_container", "u1/main"), 1u);
  outcome = sync();
  EXPECT_THAT(outcome.started, ElementsAre("main"));
  EXPECT_THAT(world.cri.violations(), IsEmpty());
}

TEST_F(Runtime, TheResolverFileMustBeReadable) {
  world.files.host_files.erase("/etc/resolv.conf");
  const SyncOutcome outcome = sync();
  EXPECT_THAT(world.events.texts("FailedCreatePodSandBox"),
              ElementsAre(HasSubstr("while reading the node's resolver file: open /etc/resolv.conf")));
}

}  // namespace
}  // namespace keelson::agent
