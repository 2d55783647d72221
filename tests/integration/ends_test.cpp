// How containers end, told in the API: exit codes, signals, memory, commands that cannot be run. What a fake runtime
// could get wrong. Source: contract 02 §15.3, §9, §3.6; recordings badcmd, oom, fail, stopsignal.
#include "cri-client/proto/cri.pb.h"
#include "tests/integration/book.hpp"
#include "tests/integration/cluster_node.hpp"
#include "tests/integration/runtime_gate.hpp"

namespace keelson::integration {
namespace {

class EndsTest : public ClusterTest {
 protected:
  void prepare() override {
    book = std::make_unique<Book>(directory + "/book");
    gate = gate_to_runtime();
    ASSERT_TRUE(gate->good());
    settings["featureGates"] = "{ContainerStopSignals: true}";
  }
  json status_of(const std::string& pod) {
    const json found = object("pod", pod);
    return found.is_object() ? found.value("status", json::object()) : json::object();
  }
  json container_of(const std::string& pod) {
    const json status = status_of(pod);
    return status.contains("containerStatuses") ? status["containerStatuses"][0] : json::object();
  }
  // The terminated state, or null.
  static json ended(const json& container, const std::string& state = "state") {
    return container.value(state, json::object()).value("terminated", json());
  }

  std::unique_ptr<Book> book;
  std::unique_ptr<RuntimeGate> gate;
};

struct End {
  const char* pod;
  std::vector<std::string> command;
  int exit_code;
  const char* reason;
  const char* message;  // a part of it; empty: there is none
  json container = json::object();
};

constexpr char kCannotStart[] =
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable "
    "to start container process: exec: \"/no/such\": stat /no/such: no such file or directory: unknown";

// "$$" is "$" in a pod's command.
std::vector<std::string> sh(const std::string& script) { return {"sh", "-c", script}; }

TEST_F(EndsTest, AreToldByCodeReasonAndMessage) {
  const json little_memory = {{"resources", {{"limits", {{"memory", "16Mi"}}}}}};
  const std::vector<End> ends = {
      {"well", sh("exit 0"), 0, "Completed", ""},
      {"badly", sh("exit 3"), 3, "Error", ""},
      {"high", sh("exit 255"), 255, "Error", ""},
      {"term", sh("kill -TERM $$$$"), 143, "Error", ""},
      {"segv", sh("kill -SEGV $$$$"), 139, "Error", ""},
      {"abrt", sh("kill -ABRT $$$$"), 134, "Error", ""},
      {"kill", sh("kill -KILL $$$$"), 137, "Error", ""},
      {"memory", sh("exec tail /dev/zero"), 137, "OOMKilled", "", little_memory},
      {"no-command", {"/no/such"}, 128, "StartError", kCannotStart},
      {"not-in-path", {"no-such"}, 128, "StartError", "exec: \"no-such\": executable file not found in $PATH: unknown"},
      {"no-program", {"/etc/passwd"}, 128, "StartError", "exec: \"/etc/passwd\": permission denied: unknown"},
      {"no-directory", sh("exit 0"), 128, "StartError", "not a directory", {{"workingDir", "/etc/passwd"}}},
  };
  for (const auto& end : ends) {
    json container = shell("main", "", end.container);
    container["command"] = end.command;
    // With its own process namespace the first process would be spared its own signals.
    apply(pod(end.pod, {container}, {{"restartPolicy", "Never"}, {"shareProcessNamespace", true}}));
  }
  for (const auto& end : ends) {
    const std::string phase = end.exit_code == 0 ? "Succeeded" : "Failed";
    json status;
    EXPECT_TRUE(eventually(std::string("the end of ") + end.pod, [&] {
      status = status_of(end.pod);
      return status.value("phase", "") == phase;
    })) << status.dump(1);
    const json state = ended(status["containerStatuses"][0]);
    ASSERT_TRUE(state.is_object()) << end.pod << ": " << status.dump(1);
    EXPECT_EQ(state["exitCode"], end.exit_code) << end.pod;
    EXPECT_EQ(state["reason"], end.reason) << end.pod;
    const std::string message = state.value("message", "");
    EXPECT_EQ(message.empty(), end.message[0] == 0) << end.pod << ": " << message;
    EXPECT_NE(message.find(end.message), std::string::npos) << end.pod << ": " << message;
    EXPECT_EQ(status["containerStatuses"][0]["restartCount"], 0) << end.pod;
  }
  EXPECT_EQ(ended(container_of("no-command"))["message"], kCannotStart);
  EXPECT_EQ(ended(container_of("no-command"))["startedAt"], "1970-01-01T00:00:00Z");
}

TEST_F(EndsTest, AreTheLastStateOfTheNextLife) {
  apply(book->pod("hungry",
                  {Book::writer("main", Book::say("life") + "test -f /book/fed || exec tail /dev/zero; " + kSleep,
                                {{"resources", {{"limits", {{"memory", "16Mi"}}}}}})}));
  json bad = shell("main", "");
  bad["command"] = {"/no/such"};
  apply(pod("bad", {bad}));
  ASSERT_TRUE(eventually("the back-off", [&] {
    const json container = container_of("hungry");
    return container.value("restartCount", 0) == 1 &&
           container["state"].value("waiting", json::object()).value("reason", "") == "CrashLoopBackOff";
  }));
  EXPECT_EQ(ended(container_of("hungry"), "lastState")["reason"], "OOMKilled");
  EXPECT_EQ(ended(container_of("hungry"), "lastState")["exitCode"], 137);

  json told;
  ASSERT_TRUE(eventually("the command's back-off", [&] {
    told = container_of("bad");
    return told.value("restartCount", 0) == 1 &&
           told["state"].value("waiting", json::object()).value("reason", "") == "CrashLoopBackOff";
  }));
  EXPECT_EQ(ended(told, "lastState")["reason"], "StartError");
  EXPECT_EQ(ended(told, "lastState")["exitCode"], 128);
  EXPECT_EQ(ended(told, "lastState")["message"], kCannotStart);
  EXPECT_FALSE(told["started"]);
  const std::string events =
      kubectl({"get", "events", "-o", "jsonpath={range .items[*]}{.reason}: {.message}{\"\\n\"}{end}"});
  EXPECT_NE(events.find(std::string("Failed: Error: ") + kCannotStart), std::string::npos) << events;

  book->lay("fed");
  ASSERT_TRUE(eventually("a life with enough", [&] { return pod_is_ready("hungry"); }));
  EXPECT_EQ(container_of("hungry")["restartCount"], 2);
  EXPECT_EQ(ended(container_of("hungry"), "lastState")["reason"], "OOMKilled");
}

// A liveness probe stops containers of pods that stay in the API.
TEST_F(EndsTest, OfStoppedContainersShowWhatTheyMadeOfTheirSignal) {
  std::vector<std::string> names;
  const auto mortal = [&](const std::string& name, const std::string& script, json more = json::object(),
                          json spec = json::object()) {
    more["livenessProbe"] = {{"exec", {{"command", {"sh", "-c", "! test -f /book/stop"}}}},
                             {"periodSeconds", 1},
                             {"timeoutSeconds", 60},
                             {"failureThreshold", 1}};
    spec["restartPolicy"] = "Never";
    spec["terminationGracePeriodSeconds"] = 2;
    const std::string stays = Book::say(name) + "while true; do sleep 0.1; done";
    apply(book->pod(name, {Book::writer("main", script + stays, std::move(more))}, std::move(spec)));
    names.push_back(name);
  };
  mortal("obeys", "trap 'exit 5' TERM; ");
  mortal("ignores", "trap '' TERM; ");
  // The first process of a namespace would be spared.
  mortal("untrapped", "", json::object(), {{"shareProcessNamespace", true}});
  mortal("asks", "trap 'exit 8' TERM; trap 'exit 9' USR1; ", {{"lifecycle", {{"stopSignal", "SIGUSR1"}}}},
         {{"os", {{"name", "linux"}}}});
  mortal("image", "trap 'exit 8' TERM; trap 'exit 9' USR1; ", {{"image", "keelson.local/usr1:1"}});
  for (const auto& name : names) {
    ASSERT_TRUE(eventually(name + " to run", [&] { return book->count(name) == 1; }));
  }
  book->lay("stop");
  for (const auto& [name, code] : {std::pair("obeys", 5), {"ignores", 137}, {"untrapped", 143}, {"image", 9}}) {
    json state;
    EXPECT_TRUE(eventually(std::string("the end of ") + name, [&, name = name] {
      state = ended(container_of(name));
      return state.is_object();
    }));
    EXPECT_EQ(state["exitCode"], code) << name << ": " << state.dump();
    EXPECT_EQ(state["reason"], "Error") << name;
    EXPECT_EQ(book->count(name), 1u) << name;
  }
  // containerd 1.6 does not know the field; it must have been told.
  const auto made = gate->passed("CreateContainer", "asks");
  ASSERT_EQ(made.size(), 1u);
  ::runtime::v1::CreateContainerRequest request;
  ASSERT_TRUE(request.ParseFromString(made[0]));
  EXPECT_EQ(request.config().stop_signal(), ::runtime::v1::SIGNAL_SIGUSR1);
}

}  // namespace
}  // namespace keelson::integration
