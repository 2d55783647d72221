// NodeTest: the base of tests that need a node: a runtime, a directory with configuration and manifests, the agent.
//
// Every test begins with an empty runtime and a directory of its own and leaves neither container nor mount nor link.
// Waiting is always for something, with a limit, and ends at once when the agent does. Thread: the main one.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/integration/keelson_process.hpp"
#include "tests/integration/runtime.hpp"

namespace keelson::integration {

using nlohmann::json;

inline constexpr char kBusybox[] = "keelson.local/busybox:1";
inline constexpr char kSleep[] = "trap 'exit 0' TERM; sleep 1000 & wait";  // ends at once on SIGTERM

// A container that runs this shell script; `more` are further fields.
json shell(const std::string& name, const std::string& script, json more = json::object());
// A pod with these containers; `spec` are further fields of its spec. Grace period: 1 s unless given.
json pod(const std::string& name, json containers, json spec = json::object());

std::string read_text(const std::string& path);  // empty when it is missing
bool exists(const std::string& path);            // without following a link

class RuntimeGate;

class NodeTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // --- The agent ---
  std::map<std::string, std::string> settings;  // of the KubeletConfiguration: field -> YAML in flow style
  ProgramArguments arguments;                   // further ones of the agent
  std::string write_config();
  // Before the first start: the agent will call the runtime through it. The caller sees whether it is good.
  std::unique_ptr<RuntimeGate> gate_to_runtime();
  void launch();  // starts it and returns at once
  void start();   // and waits until it says that it is ready
  void restart_after_kill();

  // --- Manifests ---
  std::string manifest_path(const std::string& file) const { return directory + "/manifests/" + file; }
  void place(const std::string& file, const std::string& text);  // written aside and moved in
  void place(const json& pod);                                   // as NAME.yaml
  void withdraw(const std::string& file);

  // --- What is seen. Pods by the name in their manifest; an empty object when there is none. ---
  json seen(const std::string& pod);  // one that is not being ended goes before one that is
  json seen(const std::string& pod, const std::string& container);
  bool runs(const std::string& pod);  // all its containers do
  std::string id_of(const std::string& pod, const std::string& container);
  std::string story_text(const std::string& pod);  // explain, as text to search in
  std::string log_of(const std::string& pod, const std::string& container, int instance = 0);
  std::string pod_directory(const std::string& uid) const { return directory + "/root/pods/" + uid; }
  std::string log_directory(const std::string& full_name, const std::string& uid) const {
    return directory + "/logs/default_" + full_name + "_" + uid;
  }
  std::vector<std::string> remains_of(const std::string& pod, const std::string& uid);
  // Waits until there are none; false, with a failure for each, when some stay.
  bool comes_to_nothing(const std::string& pod, const std::string& uid);

  // True once the predicate is; false, with a failure that tells the state, after the limit or the agent's end.
  bool eventually(const std::string& what, const std::function<bool()>& predicate,
                  std::chrono::seconds limit = std::chrono::seconds(60));

  Runtime* runtime = nullptr;
  std::string directory;
  std::unique_ptr<KeelsonProcess> keelson;

 private:
  void tell_state();
};

}  // namespace keelson::integration
