// What is done when a PersistentVolume has grown, by the sizes and statuses of claim and volume (contract 04 §24).
#include "volume/manager/expansion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::volume {
namespace {

using api::core::PersistentVolume;
using api::core::PersistentVolumeClaim;
using Outcome = ExpandResult::Outcome;
using Step = Expansion::Step;
using Tell = ExpansionVerdict::Tell;

PersistentVolume pv_of(const std::string& size) {
  PersistentVolume pv;
  (*pv.mutable_spec()->mutable_capacity())["storage"].set_string(size);
  return pv;
}

PersistentVolumeClaim claim_of(const std::string& asked, const std::string& size, const std::string& allocated,
                               const std::string& status) {
  PersistentVolumeClaim claim;
  (*claim.mutable_spec()->mutable_resources()->mutable_requests())["storage"].set_string(asked);
  claim.mutable_spec()->add_accessmodes("ReadWriteOnce");
  (*claim.mutable_status()->mutable_capacity())["storage"].set_string(size);
  if (!allocated.empty()) (*claim.mutable_status()->mutable_allocatedresources())["storage"].set_string(allocated);
  if (!status.empty()) (*claim.mutable_status()->mutable_allocatedresourcestatuses())["storage"] = status;
  return claim;
}

std::string name_of(Step step) {
  switch (step) {
    case Step::none: return "none";
    case Step::read_only: return "read-only";
    case Step::wait: return "wait";
    case Step::settled: return "settled";
    case Step::expand: return "expand";
  }
  return "?";
}

TEST(Expansion, IsPlannedBySizesAndStatuses) {
  struct Row {
    const char* about;
    const char* pv;
    const char* size;
    const char* allocated;
    const char* status;
    const char* here;  // empty: it is being mounted
    const char* plan;
  };
  const Row rows[] = {
      {"nothing has grown", "2G", "2G", "", "", "", "none"},
      {"a smaller PV changes nothing", "1G", "2G", "", "", "", "none"},
      {"pending at mount", "2G", "1G", "2G", "NodeResizePending", "", "expand 2G"},
      {"begun before", "2G", "1G", "2G", "NodeResizeInProgress", "", "expand 2G"},
      {"the allocated size counts", "3G", "1G", "2G", "NodeResizePending", "", "expand 2G"},
      {"the controller is at it", "2G", "1G", "2G", "ControllerResizeInProgress", "", "wait"},
      {"it was infeasible", "2G", "1G", "2G", "NodeResizeInfeasible", "", "wait"},
      {"allocated, and nobody is at it yet", "2G", "1G", "2G", "", "", "wait"},
      {"an old controller tells nothing", "2G", "1G", "", "", "", "expand 2G old"},
      {"no allocated size: the PV's", "2G", "1G", "", "NodeResizePending", "", "expand 2G"},
      {"while mounted", "2G", "1G", "2G", "NodeResizePending", "1G", "expand 2G"},
      {"it has that size here", "2G", "1G", "2G", "NodeResizePending", "2G", "none"},
      {"done by the controller alone", "2G", "2G", "2G", "", "1G", "settled 2G"},
      {"an old controller, and the claim says it is done", "2G", "2G", "", "", "1G", "expand 2G old done"},
      {"sizes are compared as amounts", "2000M", "2G", "", "", "", "none"},
  };
  for (const Row& row : rows) {
    const PersistentVolume pv = pv_of(row.pv);
    const PersistentVolumeClaim claim = claim_of("2G", row.size, row.allocated, row.status);
    ExpansionFacts facts{pv, claim};
    if (row.here[0] != '\0') facts.here = api::Quantity::parse(row.here).value();
    const Expansion plan = plan_expansion(facts);
    std::string text = name_of(plan.step);
    if (plan.step == Step::expand || plan.step == Step::settled) text += " " + plan.size.to_string();
    if (plan.old_controller) text += " old";
    if (plan.claim_done && plan.step == Step::expand) text += " done";
    EXPECT_EQ(text, row.plan) << row.about;
  }
}

TEST(Expansion, OfAVolumeForManyNodesIsDoneOnEachUnlessThatIsNotRequired) {
  const PersistentVolume pv = pv_of("2G");
  PersistentVolumeClaim claim = claim_of("2G", "2G", "2G", "");
  claim.mutable_spec()->add_accessmodes("ReadWriteMany");
  ExpansionFacts facts{pv, claim};
  facts.here = api::Quantity::parse("1G").value();
  const Expansion plan = plan_expansion(facts);
  EXPECT_EQ(plan.step, Step::expand);
  EXPECT_FALSE(plan.told()) << "the claim says so already";
  (*claim.mutable_metadata()->mutable_annotations())["volume.kubernetes.io/node-expansion-not-required"] = "true";
  EXPECT_EQ(plan_expansion(facts).step, Step::settled);
}

TEST(Expansion, OfAVolumeThatIsOnlyReadIsToldAtTheMountAlone) {
  const PersistentVolume pv = pv_of("2G");
  const PersistentVolumeClaim claim = claim_of("2G", "1G", "2G", "NodeResizePending");
  ExpansionFacts facts{pv, claim};
  facts.read_only = true;
  EXPECT_EQ(plan_expansion(facts).step, Step::read_only);
  facts.here = api::Quantity::parse("1G").value();
  EXPECT_EQ(plan_expansion(facts).step, Step::none);
}

TEST(Expansion, IsGivenUpWhenItFailedAndTheClaimAsksForAnotherSizeByNow) {
  const PersistentVolume pv = pv_of("2G");
  const PersistentVolumeClaim same = claim_of("2G", "1G", "2G", "NodeResizePending");
  const PersistentVolumeClaim other = claim_of("1500M", "1G", "2G", "NodeResizePending");
  ExpansionFacts facts{pv, same};
  facts.failed_for_good = true;
  EXPECT_FALSE(plan_expansion(facts).give_up);
  ExpansionFacts changed{pv, other};
  EXPECT_FALSE(plan_expansion(changed).give_up) << "it has not failed yet";
  changed.failed_for_good = true;
  EXPECT_TRUE(plan_expansion(changed).give_up);
}

TEST(Expansion, EndsAsItsDriverSays) {
  struct Row {
    const char* about;
    Outcome outcome;
    bool old_controller;
    bool claim_done;
    const char* verdict;
  };
  const Row rows[] = {
      {"done", Outcome::done, false, false, "settled event finished"},
      {"done for an old controller", Outcome::done, true, false, "settled event finished"},
      {"done here, and the claim knows", Outcome::done, false, true, "settled event"},
      {"no driver can, and the claim is done", Outcome::unsupported, false, true, "settled"},
      {"no driver can, an old controller", Outcome::unsupported, true, false, "settled"},
      {"no driver can", Outcome::unsupported, false, false, "for-good failed error"},
      {"not while it is in use", Outcome::in_use, false, false, "refused for-good failed"},
      {"not while in use, an old controller", Outcome::in_use, true, false, "refused"},
      {"never to that size", Outcome::infeasible, false, false, "for-good infeasible error"},
      {"failed", Outcome::failed, false, false, "for-good failed error"},
      {"failed, an old controller", Outcome::failed, true, false, "error"},
      {"failed here, and the claim is done", Outcome::failed, false, true, "for-good error"},
      {"never here, and the claim is done", Outcome::infeasible, false, true, "for-good error"},
      {"it may be under way", Outcome::uncertain, false, false, "error"},
  };
  for (const Row& row : rows) {
    Expansion plan;
    plan.old_controller = row.old_controller;
    plan.claim_done = row.claim_done;
    ExpandResult result;
    result.outcome = row.outcome;
    if (row.outcome != Outcome::done) result.error = Error(ErrorKind::unavailable, "no");
    const ExpansionVerdict verdict = judge_expansion(plan, result);
    std::string text;
    const auto add = [&text](bool is, const char* word) {
      if (is) text += (text.empty() ? "" : " ") + std::string(word);
    };
    add(verdict.settled, "settled");
    add(verdict.refused, "refused");
    add(verdict.failed_for_good, "for-good");
    add(verdict.event, "event");
    add(verdict.tell == Tell::finished, "finished");
    add(verdict.tell == Tell::failed, "failed");
    add(verdict.tell == Tell::infeasible, "infeasible");
    add(verdict.error.has_value(), "error");
    EXPECT_EQ(text, row.verdict) << row.about;
  }
  Expansion given_up;
  given_up.give_up = true;
  ExpandResult failed;
  failed.outcome = Outcome::failed;
  failed.error = Error(ErrorKind::unavailable, "no");
  EXPECT_EQ(judge_expansion(given_up, failed).tell, Tell::infeasible);
}

TEST(Expansion, LeavesOfTheClaimsStatusWhatIsNotOfAResize) {
  PersistentVolumeClaim claim = claim_of("2G", "1G", "2G", "NodeResizePending");
  for (const char* type : {"ModifyingVolume", "FileSystemResizePending", "Resizing", "NodeResizeError"}) {
    auto& condition = *claim.mutable_status()->add_conditions();
    condition.set_type(type);
    condition.set_status("True");
  }
  (*claim.mutable_status()->mutable_allocatedresourcestatuses())["other"] = "kept";
  const PersistentVolumeClaim begun = claim_in_progress(claim);
  EXPECT_EQ(begun.status().allocatedresourcestatuses().at("storage"), "NodeResizeInProgress");
  EXPECT_EQ(begun.status().conditions_size(), 4);
  const PersistentVolumeClaim done = claim_expanded(begun, api::Quantity::parse("2G").value());
  EXPECT_EQ(done.status().capacity().at("storage").string(), "2G");
  EXPECT_EQ(done.status().allocatedresourcestatuses().count("storage"), 0u);
  EXPECT_EQ(done.status().allocatedresourcestatuses().at("other"), "kept");
  ASSERT_EQ(done.status().conditions_size(), 1);
  EXPECT_EQ(done.status().conditions(0).type(), "ModifyingVolume");
}

TEST(Expansion, TellsTheClaimOnceWhyItFailed) {
  const base::SystemTime now = base::SystemTime(std::chrono::seconds(1'767'225'600));
  const PersistentVolumeClaim claim = claim_of("2G", "1G", "2G", "NodeResizeInProgress");
  const Error error(ErrorKind::unavailable, "rpc error: code = Internal desc = no");
  const PersistentVolumeClaim failed = claim_failed(claim, error, false, now);
  ASSERT_EQ(failed.status().conditions_size(), 1);
  EXPECT_EQ(failed.status().conditions(0).type(), "NodeResizeError");
  EXPECT_EQ(failed.status().conditions(0).status(), "True");
  EXPECT_EQ(failed.status().conditions(0).message(), "failed to expand pvc with rpc error: code = Internal desc = no");
  EXPECT_EQ(failed.status().conditions(0).lasttransitiontime().seconds(), 1'767'225'600);
  EXPECT_EQ(failed.status().allocatedresourcestatuses().at("storage"), "NodeResizeInProgress");
  const Error other(ErrorKind::unavailable, "another");
  const PersistentVolumeClaim again = claim_failed(failed, other, true, now + std::chrono::hours(1));
  EXPECT_EQ(again.status().conditions(0).message(), failed.status().conditions(0).message());
  EXPECT_EQ(again.status().allocatedresourcestatuses().at("storage"), "NodeResizeInfeasible");
}

}  // namespace
}  // namespace keelson::volume
