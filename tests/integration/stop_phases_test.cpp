// The agent killed with SIGKILL at every point of a pod's end, and started again: each pod comes to its end, runs
// nothing again, goes from the API, and leaves nothing. RuntimeGate and faults of the API server stop each pod at its
// point, so that one kill meets them all. Source: contract 02 §9, §11.
#include "tests/integration/book.hpp"
#include "tests/integration/cluster_node.hpp"
#include "tests/integration/runtime_gate.hpp"

namespace keelson::integration {
namespace {

using Where = RuntimeGate::Where;

class StopPhases : public ClusterTest {
 protected:
  void prepare() override {
    book = std::make_unique<Book>(directory + "/book");
    gate = gate_to_runtime();
    ASSERT_TRUE(gate->good());
  }
  void apply_pod(const std::string& name, const std::string& script, json more = json::object()) {
    apply(book->pod(name, {Book::writer("main", Book::say(name) + script, std::move(more))},
                    {{"terminationGracePeriodSeconds", 60},
                     {"volumes", {{{"name", "memory"}, {"emptyDir", {{"medium", "Memory"}}}}}}}));
    names.push_back(name);
  }

  std::unique_ptr<Book> book;
  std::unique_ptr<RuntimeGate> gate;
  std::vector<std::string> names;
};

TEST_F(StopPhases, AKilledAgentFinishesTheEndsOfPods) {
  struct Phase {
    const char* pod;
    const char* method;
    Where where;
  };
  constexpr Phase kPhases[] = {
      {"before-stop", "StopContainer", Where::request},
      {"stop-unheard", "StopContainer", Where::answer},
      {"before-sandbox-stop", "StopPodSandbox", Where::request},
      {"sandbox-stop-unheard", "StopPodSandbox", Where::answer},
  };
  for (const auto& phase : kPhases) {
    gate->hold(phase.method, phase.pod, phase.where);
    apply_pod(phase.pod, kSleep);
  }
  apply_pod(
      "in-hook", kSleep,
      {{"lifecycle", {{"preStop", {{"exec", {{"command", {"sh", "-c", Book::say("pre") + Book::await("go")}}}}}}}}});
  apply_pod("in-grace", "trap '" + Book::say("term") + Book::await("go") + "exit 0' TERM; sleep 1000 & wait; wait");
  apply_pod("before-status", kSleep);
  apply_pod("before-delete", kSleep);
  std::map<std::string, std::string> uids;
  for (const auto& name : names) {
    ASSERT_TRUE(eventually(name + " to be Ready", [&] { return pod_is_ready(name); }));
    uids[name] = field("pod", name, "{.metadata.uid}");
  }
  const json refused = {{"status", 503}, {"times", 1000}};
  json fault = refused;
  fault.update({{"id", "1"}, {"method", "PATCH"}, {"path_contains", "/pods/before-status/status"}});
  ASSERT_EQ(server->control({{"fault", fault}})["ok"], true);
  fault = refused;
  fault.update({{"id", "2"}, {"method", "DELETE"}, {"path_contains", "/pods/before-delete"}});
  // kubectl's own DELETE is not to be refused: the pod waits at its StopContainer until the fault is there.
  gate->hold("StopContainer", "before-delete", Where::request);
  ProgramArguments remove = {"delete", "pod", "--wait=false"};
  remove.insert(remove.end(), names.begin(), names.end());
  ASSERT_NE(kubectl(remove), "") << last_error;
  ASSERT_TRUE(eventually("that pod to wait", [&] { return gate->holds("before-delete"); }));
  ASSERT_EQ(server->control({{"fault", fault}})["ok"], true);
  gate->let_go("before-delete");

  for (const auto& phase : kPhases) {
    ASSERT_TRUE(eventually(std::string("the point ") + phase.pod, [&] { return gate->holds(phase.pod); }));
  }
  ASSERT_TRUE(
      eventually("the hook and the signal", [&] { return book->count("pre") == 1 && book->count("term") == 1; }));
  ASSERT_TRUE(eventually("the last requests to be refused", [&] {
    return keelson->lines_with({"Failed to write the status of a pod", "before-status"}) > 0 &&
           keelson->lines_with({"Failed to delete a pod in the API", "before-delete"}) > 0;
  }));
  keelson->kill_hard();
  for (const auto& name : names) EXPECT_FALSE(is_gone("pod", name)) << name;
  ASSERT_EQ(server->control({{"clear_faults", true}})["ok"], true);
  book->lay("go");
  start();
  for (const auto& name : names) {
    EXPECT_TRUE(eventually(name + " to go from the API", [&] { return is_gone("pod", name); }));
    EXPECT_EQ(book->count(name), 1u) << name << " has run again";
    EXPECT_LE(runtime->containers_of(name).size(), 1u) << name;
  }
  for (const auto& name : names) comes_to_nothing(name, uids[name]);
}

}  // namespace
}  // namespace keelson::integration
