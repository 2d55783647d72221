#include "agent/wiring/cluster_volumes.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "volume/manager/expansion.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;
using Claim = api::core::PersistentVolumeClaim;

Claim grown_claim() {
  Claim claim;
  claim.mutable_metadata()->set_name("data");
  claim.mutable_metadata()->set_namespace_("ns");
  claim.mutable_metadata()->set_resourceversion("12");
  (*claim.mutable_spec()->mutable_resources()->mutable_requests())["storage"].set_string("2Gi");
  (*claim.mutable_status()->mutable_capacity())["storage"].set_string("1Gi");
  auto& condition = *claim.mutable_status()->add_conditions();
  condition.set_type("FileSystemResizePending");
  condition.set_status("True");
  auto& other = *claim.mutable_status()->add_conditions();
  other.set_type("ModifyingVolume");
  other.set_status("True");
  (*claim.mutable_status()->mutable_allocatedresources())["storage"].set_string("2Gi");
  (*claim.mutable_status()->mutable_allocatedresourcestatuses())["storage"] = "NodeResizePending";
  return claim;
}

TEST(ClaimPatch, IsEmptyWhereNothingDiffers) {
  EXPECT_EQ(claim_patch(grown_claim(), grown_claim(), false), "");
  EXPECT_EQ(claim_patch(grown_claim(), grown_claim(), true), "");
}

TEST(ClaimPatch, NamesNothingButWhatDiffers) {
  Claim wanted = grown_claim();
  (*wanted.mutable_status()->mutable_allocatedresourcestatuses())["storage"] = "NodeResizeInProgress";
  const json status{{"allocatedResourceStatuses", {{"storage", "NodeResizeInProgress"}}}};
  EXPECT_EQ(json::parse(claim_patch(grown_claim(), wanted, false)), (json{{"status", status}}));
}

TEST(ClaimPatch, TakesAwayTheConditionThatIsOverAndLeavesThoseOfOthers) {
  const auto quantity = api::Quantity::parse("2Gi");
  ASSERT_TRUE(quantity.ok());
  const Claim wanted = volume::claim_expanded(grown_claim(), *quantity);
  const json patch = json::parse(claim_patch(grown_claim(), wanted, false));
  EXPECT_EQ(patch.at("status").at("capacity"), (json{{"storage", "2Gi"}}));
  EXPECT_NE(patch.dump().find(R"({"$patch":"delete","type":"FileSystemResizePending"})"), std::string::npos)
      << patch.dump();
  EXPECT_EQ(patch.dump().find(R"("status":"True")"), std::string::npos) << patch.dump();
}

TEST(ClaimPatch, CanBeBoundToTheVersionThatWasSeen) {
  Claim wanted = grown_claim();
  (*wanted.mutable_status()->mutable_capacity())["storage"].set_string("2Gi");
  const json patch = json::parse(claim_patch(grown_claim(), wanted, true));
  EXPECT_EQ(patch.at("metadata"), (json{{"resourceVersion", "12"}}));
  EXPECT_EQ(patch.at("status").at("capacity"), (json{{"storage", "2Gi"}}));
}

}  // namespace
}  // namespace keelson::agent
