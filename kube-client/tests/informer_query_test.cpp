#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "api/proto/node_v1.pb.h"
#include "api/proto/storage_v1.pb.h"
#include "kube-client/watch_query.hpp"
#include "kube-client/wire.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;

struct Watched {
  const char* plural;
  const google::protobuf::Descriptor* type;
  Selection selection;
};

std::vector<Watched> watched_by_an_agent() {
  return {
      {"services", api::core::Service::descriptor(), {.field_selector = "spec.clusterIP!=None"}},
      {"nodes", api::core::Node::descriptor(), {.field_selector = "metadata.name=tb-node"}},
      {"csidrivers", k8s::storage::v1::CSIDriver::descriptor(), {}},
      {"runtimeclasses", k8s::node::v1::RuntimeClass::descriptor(), {}},
      {"pods", api::Pod::descriptor(), {.field_selector = "spec.nodeName=tb-node", .repeat_timeout = false}},
  };
}

// The recorded watches: target by plural.
std::map<std::string, std::string> recorded_watches() {
  std::map<std::string, std::string> out;
  std::ifstream file(KEELSON_SOURCE_DIR "/tests/golden/data/requests/start.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry["verb"] != "watch") continue;
    const std::string uri = entry["uri"];
    const std::string path = uri.substr(0, uri.find('?'));
    out[path.substr(path.rfind('/') + 1)] = uri;
  }
  return out;
}

TEST(WatchQuery, IsTheRecordedOne) {
  const auto recorded = recorded_watches();
  ASSERT_EQ(recorded.size(), 5U);
  for (const Watched& row : watched_by_an_agent()) {
    const std::string& uri = recorded.at(row.plural);
    std::smatch match;
    ASSERT_TRUE(std::regex_search(uri, match, std::regex("timeoutSeconds=(\\d+)"))) << uri;
    const std::chrono::seconds length(std::stoi(match[1]));
    EXPECT_EQ(target_of(path_of(resource_of(row.type), {}), watch_list_query(row.selection, {}, length)), uri);
  }
}

TEST(WatchQuery, OfALaterBeginningNamesTheVersion) {
  const Selection selection{.field_selector = "metadata.name=s", .label_selector = "a in (b,c)"};
  EXPECT_EQ(target_of("/s", watch_list_query(selection, "42", 300s)),
            "/s?allowWatchBookmarks=true&fieldSelector=metadata.name%3Ds&labelSelector=a%20in%20%28b%2Cc%29"
            "&resourceVersion=42&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeout=5m0s"
            "&timeoutSeconds=300&watch=true");
  EXPECT_EQ(target_of("/s", watch_query({}, "42", 3600s)),
            "/s?allowWatchBookmarks=true&resourceVersion=42&timeout=1h0m0s&timeoutSeconds=3600&watch=true");
  EXPECT_EQ(target_of("/s", watch_query({.repeat_timeout = false}, "42", 400s)),
            "/s?allowWatchBookmarks=true&resourceVersion=42&timeoutSeconds=400&watch=true");
}

TEST(ListQuery, PagesOnlyWhatTheServerPages) {
  const Selection selection{.field_selector = "f=1"};
  EXPECT_EQ(target_of("/s", list_query(selection, "0")), "/s?fieldSelector=f%3D1&limit=500&resourceVersion=0");
  EXPECT_EQ(target_of("/s", list_query(selection, "")), "/s?fieldSelector=f%3D1&limit=500");
  EXPECT_EQ(target_of("/s", list_query(selection, "7")), "/s?fieldSelector=f%3D1&resourceVersion=7");
  EXPECT_EQ(target_of("/s", list_query(selection, "", false)), "/s?fieldSelector=f%3D1");
  EXPECT_EQ(target_of("/s", continue_query(selection, "a+b=")), "/s?continue=a%2Bb%3D&fieldSelector=f%3D1&limit=500");
}

TEST(WatchLength, IsSpreadOverTheSelectionsRange) {
  base::Random random(1);
  for (const auto& [shortest, longest] : {std::pair(300s, 600s), std::pair(1800s, 3600s), std::pair(10s, 10s)}) {
    auto least = longest + 1s;
    auto most = 0s;
    for (int i = 0; i < 20000; ++i) {
      const auto length = watch_length({.shortest = shortest, .longest = longest}, random);
      least = std::min(least, length);
      most = std::max(most, length);
    }
    EXPECT_EQ(least, shortest);
    EXPECT_EQ(most, longest);
  }
}

}  // namespace
}  // namespace keelson::kube
