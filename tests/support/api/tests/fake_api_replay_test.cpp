// The recorded requests of a real kubelet, replayed as the node they came from: the fake server must answer with the
// recorded codes, and every recorded write must leave the recorded status. Source: tests/golden/data/requests.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "api/json_codec.hpp"
#include "tests/support/api/tests/fake_api_world.hpp"

namespace keelson::fakes::testing {
namespace {

namespace core = api::core;

const ApiUser kRecorded{"system:node:tb-node", {"system:nodes", "system:authenticated"}};

std::vector<json> rows_of(const std::string& file) {
  std::ifstream in(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/requests/" + file);
  std::vector<json> out;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) out.push_back(json::parse(line));
  }
  return out;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  if (from.empty()) return;
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string method_of(const std::string& verb) {
  static const std::map<std::string, std::string> table = {
      {"get", "GET"},
      {"watch", "GET"},
      {"create", "POST"},
      {"update", "PUT"},
      {"patch", "PATCH"},
      {"delete", "DELETE"},
      {"deletecollection", "DELETE"},
  };
  return table.at(verb);
}

// Empty members say the same as none: the recordings are the audit log's view of Go structs.
json pruned(const json& value) {
  if (value.is_object()) {
    json out = json::object();
    for (const auto& [key, member] : value.items()) {
      json kept = pruned(member);
      if (!kept.is_null() && !(kept.is_structured() && kept.empty())) out[key] = std::move(kept);
    }
    return out;
  }
  if (!value.is_array()) return value;
  json out = json::array();
  for (const json& item : value) out.push_back(pruned(item));
  return out;
}

class Replay {
 public:
  explicit Replay(const std::string& file) : rows_(rows_of(file)) {
    core::Namespace golden;
    golden.mutable_metadata()->set_name("golden");
    EXPECT_TRUE(world.api->create(golden).ok());
    world.api->mount_service_account_tokens(true);
  }

  void run() {
    ASSERT_FALSE(rows_.empty());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      prepare(rows_[i]);
      replay(rows_[i], i);
    }
  }

  ApiWorld world;
  int compared = 0;

 private:
  std::string translated(std::string text) const {
    for (const auto& [recorded, ours] : uids_) replace_all(text, recorded, ours);
    return text;
  }

  void learn(const json& recorded, const json& ours) {
    if (!recorded.contains("metadata") || !ours.contains("metadata")) return;
    const std::string from = recorded["metadata"].value("uid", "");
    const std::string to = ours["metadata"].value("uid", "");
    if (!from.empty() && !to.empty()) uids_[from] = to;
  }

  // What an administrator did meanwhile: pods that appear, and their deletion.
  void prepare(const json& row) {
    const json response = row.value("response", json::object());
    const std::string kind = response.value("kind", "");
    if (kind == "TokenRequest") {
      const json bound = response["spec"]["boundObjectRef"];
      ensure_pod(bound["name"], bound["uid"], nullptr);
      return;
    }
    if (kind != "Pod" || row["verb"] == "create") return;
    const json& meta = response["metadata"];
    if (meta["namespace"] != "golden") return;
    ensure_pod(meta["name"], meta["uid"], &response);
    const bool ending = meta.contains("deletionTimestamp") && row["verb"] != "delete";
    const auto pod = world.api->get<api::Pod>("golden", meta["name"]);
    if (ending && pod && !pod->metadata().has_deletiontimestamp()) {
      EXPECT_TRUE(world.api->remove<api::Pod>("golden", meta["name"], meta["deletionGracePeriodSeconds"]).ok());
    }
  }

  void ensure_pod(const std::string& name, const std::string& uid, const json* like) {
    if (uids_.count(uid) > 0) return;
    if (world.api->get<api::Pod>("golden", name)) {
      (void)world.api->remove<api::Pod>("golden", name, 0).ok();
    }
    api::Pod pod = ApiWorld::pod(name, "tb-node", "golden");
    const json* source = like == nullptr ? later(name, uid) : like;
    if (source != nullptr) {
      json text = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"spec", (*source)["spec"]}};
      text["metadata"] = {{"name", name}, {"namespace", "golden"}};
      for (const char* key : {"labels", "annotations"}) {
        if ((*source)["metadata"].contains(key)) text["metadata"][key] = (*source)["metadata"][key];
      }
      ASSERT_TRUE(api::decode_json_into(text.dump(), pod).ok()) << name;
    }
    const auto made = world.api->create(pod);
    ASSERT_TRUE(made.ok()) << name << ": " << made.error().message();
    uids_[uid] = made->metadata().uid();
  }

  // A recorded answer that shows that pod.
  const json* later(const std::string& name, const std::string& uid) const {
    for (const json& row : rows_) {
      if (!row.contains("response")) continue;
      const json& response = row["response"];
      if (response.value("kind", "") != "Pod") continue;
      if (response["metadata"].value("name", "") == name && response["metadata"].value("uid", "") == uid) {
        return &response;
      }
    }
    return nullptr;
  }

  // Updates carry the version that was read last.
  void refresh_version(json& request) const {
    if (!request.contains("metadata") || !request["metadata"].contains("resourceVersion")) return;
    const auto found = versions_.find(request["metadata"].value("name", "") + request.value("kind", ""));
    if (found != versions_.end()) request["metadata"]["resourceVersion"] = found->second;
  }

  void replay(const json& row, std::size_t number) {
    const std::string verb = row["verb"];
    const std::string target = row["uri"];
    const std::string what = std::to_string(number) + " " + verb + " " + target;
    json request = row.value("request", json());
    refresh_version(request);
    const std::string body = request.is_null() ? "" : translated(request.dump());
    const char* type = verb == "patch" ? "application/strategic-merge-patch+json" : "application/json";
    const Reply reply = world.ask(kRecorded, method_of(verb), target, body, type);
    EXPECT_EQ(reply.status, row["code"].get<int>()) << what << "\n" << reply.text;
    if (!row.contains("response")) return;
    const json& recorded = row["response"];
    learn(recorded, reply.body);
    if (reply.body.contains("metadata")) {
      versions_[reply.body["metadata"].value("name", "") + reply.body.value("kind", "")] =
          reply.body["metadata"].value("resourceVersion", "");
    }
    compare(what, verb, recorded, reply.body);
  }

  void compare(const std::string& what, const std::string& verb, const json& recorded, const json& ours) {
    EXPECT_EQ(ours.value("kind", ""), recorded.value("kind", "")) << what;
    if (recorded.value("kind", "") == "Status") {
      EXPECT_EQ(ours.value("message", ""), recorded.value("message", "")) << what;
      EXPECT_EQ(ours.value("details", json()), recorded.value("details", json())) << what;
      ++compared;
      return;
    }
    if (verb == "get" || verb == "deletecollection" || recorded["kind"] == "TokenRequest") return;
    ++compared;
    EXPECT_EQ(pruned(ours.value("status", json())),
              pruned(json::parse(translated(recorded.value("status", json()).dump()))))
        << what;
    EXPECT_EQ(ours["metadata"].value("generation", 0), recorded["metadata"].value("generation", 0)) << what;
    if (recorded["kind"] == "Event") {
      EXPECT_EQ(ours["count"], recorded["count"]) << what;
      EXPECT_EQ(ours.value("message", ""), translated(recorded.value("message", ""))) << what;
    }
    if (verb == "create") {
      EXPECT_EQ(pruned(ours.value("spec", json())), pruned(recorded.value("spec", json()))) << what;
    }
  }

  std::vector<json> rows_;
  std::map<std::string, std::string> uids_;      // recorded to ours
  std::map<std::string, std::string> versions_;  // name and kind to the version that was answered last
};

TEST(FakeApiReplay, TheStartOfANodeIsAnsweredAsItWasRecorded) {
  Replay replay("start.jsonl");
  replay.run();
  EXPECT_GE(replay.compared, 40);
}

TEST(FakeApiReplay, TheStatusesOfPodsBecomeWhatWasRecorded) {
  Replay replay("pods.jsonl");
  replay.run();
  EXPECT_GE(replay.compared, 60);
}

}  // namespace
}  // namespace keelson::fakes::testing
