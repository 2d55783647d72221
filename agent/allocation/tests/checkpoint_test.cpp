// Texts and check values of the allocation checkpoints. Source: contract 02 §8, contract 03 §12 (the worked row).
#include "agent/allocation/checkpoint.hpp"

#include <gtest/gtest.h>

#include "agent/allocation/tests/resized_pods.hpp"

namespace keelson::agent {
namespace {

using testing::resources;

std::string file_of(const std::string& data, const std::string& checksum) {
  std::string quoted;
  for (const char c : data) quoted += c == '"' ? "\\\"" : std::string(1, c);
  return "{\"data\":\"" + quoted + "\",\"checksum\":" + checksum + "}";
}

TEST(Checkpoint, ChecksumIsThatOfTheContractsRow) {
  EXPECT_EQ(checkpoint_checksum(R"({"entries":{"pod1":{"ContainerResources":{"container1":)"
                                R"({"requests":{"cpu":"1Ki","memory":"1Ki"}}}}}})"),
            1178570812u);
}

TEST(Checkpoint, IsWrittenByteForByteAsTheKubeletWritesIt) {
  AllocationTable table;
  table["uid-1"].containers["main"] =
      resources({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"memory", "128Mi"}, {"cpu", "500m"}});
  table["uid-1"].containers["init"] = {};
  table["uid-2"].containers["a"] = resources({{"cpu", "1"}}, {});
  table["uid-2"].pod = resources({}, {{"memory", "1Gi"}});
  EXPECT_EQ(encode_checkpoint(table),
            file_of(R"({"entries":{"uid-1":{"ContainerResources":{"init":{},"main":{"limits":{"cpu":"500m",)"
                    R"("memory":"128Mi"},"requests":{"cpu":"250m","memory":"64Mi"}}},"PodLevelResources":null},)"
                    R"("uid-2":{"ContainerResources":{"a":{"requests":{"cpu":"1"}}},"PodLevelResources":)"
                    R"({"limits":{"memory":"1Gi"}}}}})",
                    "840974175"));
  EXPECT_EQ(encode_checkpoint({}), file_of("{}", "694314937"));
}

TEST(Checkpoint, ReadsWhatItWroteAndWhatAnOlderKubeletWrote) {
  AllocationTable table;
  table["u1"].containers["main"] = resources({{"cpu", "1"}, {"example.com/gpu", "2"}}, {{"cpu", "1500m"}});
  table["u1"].containers["quoted \"name\" <&>"] = resources({{"memory", "1Gi"}}, {});
  table["u2"].pod = resources({{"cpu", "2"}}, {});
  const auto back = decode_checkpoint(encode_checkpoint(table));
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  ASSERT_EQ(back->size(), 2u);
  EXPECT_TRUE(same_allocation(back->at("u1"), table["u1"]));
  EXPECT_TRUE(same_allocation(back->at("u2"), table["u2"]));

  const auto older = decode_checkpoint(
      file_of(R"({"entries":{"pod1":{"ContainerResources":{"container1":{"requests":{"cpu":"1Ki","memory":"1Ki"}}}}}})",
              "1178570812"));
  ASSERT_TRUE(older.ok()) << older.error().to_string();
  EXPECT_TRUE(same_resources(older->at("pod1").containers.at("container1"),
                             resources({{"cpu", "1024"}, {"memory", "1024"}}, {})));
  EXPECT_FALSE(older->at("pod1").pod.has_value());
  EXPECT_TRUE(decode_checkpoint(file_of("{}", "694314937"))->empty());
}

TEST(Checkpoint, WhatIsNotACheckpointIsRefusedWithTheReason) {
  const auto checked = [](const std::string& data) { return file_of(data, std::to_string(checkpoint_checksum(data))); };
  const struct {
    const char* what;
    std::string text;
    const char* complaint;
  } rows[] = {
      {"nothing", "", "line 1"},
      {"cut", R"({"data":"{\"entries\":{)", "line 1"},
      {"another file", R"({"policyName":"none"})", "it has no text \"data\""},
      {"no checksum", R"({"data":"{}"})", "it has no number \"checksum\""},
      {"checksum as text", R"({"data":"{}","checksum":"694314937"})", "it has no number \"checksum\""},
      {"one bit", file_of("{}", "694314936"), "its checksum is 694314936, but that of its data is 694314937"},
      {"data is no JSON", checked("entries"), "in \"data\": "},
      {"entries is a list", checked(R"({"entries":[]})"), "entries is a"},
      {"an entry is text", checked(R"({"entries":{"u1":"x"}})"), "in the entry of pod u1: it is a string"},
      {"a quantity is none", checked(R"({"entries":{"u1":{"ContainerResources":{"c":{"limits":{"cpu":"many"}}}}}})"),
       "of container c: "},
      {"pod level is a number", checked(R"({"entries":{"u1":{"PodLevelResources":7}}})"), "of the pod: "},
  };
  for (const auto& row : rows) {
    const auto read = decode_checkpoint(row.text);
    ASSERT_FALSE(read.ok()) << row.what;
    EXPECT_NE(read.error().to_string().find(row.complaint), std::string::npos)
        << row.what << ": " << read.error().to_string();
  }
}

}  // namespace
}  // namespace keelson::agent
