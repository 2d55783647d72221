// The agent killed with SIGKILL at every point of a pod's start, and started again: each pod comes to run, nothing of
// it runs twice, and when it is removed nothing of it is left. RuntimeGate stops each pod at its point, so that one
// kill meets them all.
#include <poll.h>

#include "tests/integration/book.hpp"
#include "tests/integration/node_test.hpp"
#include "tests/integration/runtime_gate.hpp"

namespace keelson::integration {
namespace {

using Where = RuntimeGate::Where;

struct Phase {
  const char* pod;
  const char* method;
  Where where;
  unsigned containers;  // that the runtime has been asked to make for it, in the end
};

constexpr Phase kPhases[] = {
    {"before-sandbox", "RunPodSandbox", Where::request, 1},
    {"sandbox-unheard", "RunPodSandbox", Where::answer, 1},
    {"before-pull", "PullImage", Where::request, 1},
    {"pull-unheard", "PullImage", Where::answer, 1},
    {"before-create", "CreateContainer", Where::request, 1},
    // One that was made but never started gets a successor, as by the kubelet.
    {"create-unheard", "CreateContainer", Where::answer, 2},
    {"before-start", "StartContainer", Where::request, 2},
    {"start-unheard", "StartContainer", Where::answer, 1},
};

// Ten pods at once take their time on a busy machine.
constexpr std::chrono::seconds kPatience(120);
constexpr char kNetworks[] = "state/io.containerd.grpc.v1.cri/netns";
constexpr char kTasks[] = "state/io.containerd.runtime.v2.task/k8s.io";

class StartPhases : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (runtime == nullptr) return;
    book = std::make_unique<Book>(directory + "/book");
    gate = gate_to_runtime();
    ASSERT_TRUE(gate->good());
    settings["serializeImagePulls"] = "false";
  }
  void place_pod(const std::string& name, json more = json::object()) {
    place(book->pod(name, {Book::writer("main", Book::say(name) + kSleep, std::move(more))},
                    {{"volumes", {{{"name", "memory"}, {"emptyDir", {{"medium", "Memory"}}}}}}}));
    names.push_back(name);
  }
  // It runs, and has said so.
  bool lives(const std::string& name) { return runs(name) && book->count(name) > 0; }
  bool all_live() {
    return std::all_of(names.begin(), names.end(), [&](const auto& name) { return lives(name); });
  }
  // In one of containerd's directories.
  std::ptrdiff_t entries(const std::string& path) {
    std::error_code error;
    const std::filesystem::directory_iterator all(runtime->fixture().directory() + "/" + path, error);
    return error ? 0 : std::distance(begin(all), end(all));
  }
  void remove_all_pods() {
    std::map<std::string, std::string> uids;
    for (const auto& name : names) uids[name] = seen(name)["uid"];
    for (const auto& name : names) withdraw(name + ".yaml");
    for (const auto& name : names) EXPECT_TRUE(comes_to_nothing(name, uids[name]));
    EXPECT_EQ(entries(kTasks), 0);
    EXPECT_EQ(entries(kNetworks), 0);
  }

  std::unique_ptr<Book> book;
  std::unique_ptr<RuntimeGate> gate;
  std::vector<std::string> names;
};

TEST_F(StartPhases, AKilledAgentFinishesWhatItHadBegun) {
  for (const auto& phase : kPhases) {
    json more = json::object();
    if (phase.method == std::string("PullImage")) {
      more = {{"image", "registry.keelson.test/library/nonroot:1"}, {"imagePullPolicy", "Always"}};
    }
    gate->hold(phase.method, std::string(phase.pod) + "-node", phase.where);
    place_pod(phase.pod, more);
  }
  // Two points where no call of the start is under way: an init container runs; a hook does.
  place(book->pod("in-init", {Book::writer("main", Book::say("in-init") + kSleep)},
                  {{"initContainers", {Book::writer("first", Book::say("first") + Book::await("go"))}}}));
  json hooked = Book::writer("hooked", Book::say("hooked") + kSleep);
  hooked["lifecycle"] = {{"postStart", {{"exec", {{"command", {"sh", "-c", Book::say("post") + Book::await("go")}}}}}}};
  place(book->pod("in-hook", {hooked, Book::writer("main", Book::say("in-hook") + kSleep)}));
  names.insert(names.end(), {"in-init", "in-hook"});

  launch();
  for (const auto& phase : kPhases) {
    ASSERT_TRUE(eventually(
        std::string("the point ") + phase.pod, [&] { return gate->holds(std::string(phase.pod) + "-node"); },
        kPatience));
  }
  ASSERT_TRUE(eventually(
      "the init container and the hook", [&] { return book->count("first") == 1 && book->count("post") == 1; },
      kPatience));
  keelson->kill_hard();
  EXPECT_EQ(book->count("in-hook"), 0u) << "it waits for the hook";
  book->lay("go");
  start();
  ASSERT_TRUE(eventually(
      "all pods to run", [&] { return all_live(); }, kPatience));

  for (const auto& name : names) {
    EXPECT_EQ(book->count(name), 1u) << name << " has run more than once";
    EXPECT_EQ(runtime->sandboxes_of(name + "-node").size(), 1u) << name;
  }
  EXPECT_EQ(book->count("first"), 1u);
  EXPECT_EQ(book->count("hooked"), 1u);
  EXPECT_EQ(book->count("post"), 1u) << "the hook of a container that runs is not run again";
  for (const auto& phase : kPhases) {
    EXPECT_EQ(seen(phase.pod, "main")["restarts"], phase.containers - 1) << phase.pod;
    EXPECT_EQ(runtime->containers_of(std::string(phase.pod) + "-node").size(), phase.containers) << phase.pod;
  }
  EXPECT_TRUE(eventually("the intents to pull to go",
                         [&] { return std::filesystem::is_empty(directory + "/root/image_manager/pulling"); }));
  remove_all_pods();
}

// Here the runtime is in the middle of a call when its caller dies, and gives it up at a point of its own choice.
TEST_F(StartPhases, AKilledAgentGetsOverWhatTheRuntimeGaveUpHalfWay) {
  // What RunPodSandbox makes, in this order; then what StartContainer makes.
  const std::pair<const char*, std::function<std::ptrdiff_t()>> moments[] = {
      {"network", [&] { return entries(kNetworks); }},
      {"task", [&] { return entries(kTasks); }},
      {"process", [&] { return entries("runc/k8s.io"); }},
      {"sandbox", [&] { return static_cast<std::ptrdiff_t>(runtime->sandboxes().size()); }},
  };
  launch();
  for (const auto& [name, made] : moments) {
    const auto before = made();
    place_pod(name);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    bool reached = false;
    while (!reached && std::chrono::steady_clock::now() < limit) {
      ::poll(nullptr, 0, 1);
      reached = made() > before;
    }
    keelson->kill_hard();
    ASSERT_TRUE(reached) << name;
    start();
    ASSERT_TRUE(eventually(
        std::string("the pod to run: ") + name, [&, name = name] { return lives(name); }, kPatience));
    EXPECT_EQ(book->count(name), 1u) << name << " has run more than once";
  }
  remove_all_pods();
}

}  // namespace
}  // namespace keelson::integration
