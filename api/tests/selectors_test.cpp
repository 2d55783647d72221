#include "api/selectors.hpp"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

using Labels = std::map<std::string, std::string>;
const Labels kLabels = {{"app", "web"}, {"tier", "front"}, {"n", "5"}, {"empty", ""}, {"example.com/x", "y"}};

TEST(LabelSelector, MatchesByItsText) {
  struct Row {
    const char* text;
    bool matches;
    const char* canonical;
  };
  const Row rows[] = {
      {"", true, ""},
      {"app=web", true, "app=web"},
      {"app==web", true, "app=web"},
      {" app = web , tier = front ", true, "app=web,tier=front"},
      {"app=db", false, "app=db"},
      {"app!=db", true, "app!=db"},
      {"app!=web", false, "app!=web"},
      {"nobody!=x", true, "nobody!=x"},
      {"app in (db, web)", true, "app in (db,web)"},
      {"app in (web)", true, "app=web"},
      {"app notin (db,web)", false, "app notin (db,web)"},
      {"nobody notin (a,b)", true, "nobody notin (a,b)"},
      {"app", true, "app"},
      {"nobody", false, "nobody"},
      {"!app", false, "!app"},
      {"! nobody", true, "!nobody"},
      {"n>4", true, "n>4"},
      {"n>5", false, "n>5"},
      {"n<6", true, "n<6"},
      {"app>1", false, "app>1"},
      {"nobody<1", false, "nobody<1"},
      {"empty=", true, "empty="},
      {"app=", false, "app="},
      {"empty in (,x)", true, "empty in (,x)"},
      {"example.com/x=y", true, "example.com/x=y"},
      {"tier,app in (web),!z", true, "app=web,tier,!z"},
      {"in=x", false, "in=x"},
      {"a in (b),in notin (c)", false, "a=b,in!=c"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto selector = LabelSelector::parse(row.text);
    ASSERT_TRUE(selector.ok()) << selector.error().to_string();
    EXPECT_EQ(selector->matches_labels(kLabels), row.matches);
    EXPECT_EQ(selector->to_string(), row.canonical);
  }
  EXPECT_FALSE(LabelSelector::nothing().matches_labels(kLabels));
  EXPECT_FALSE(LabelSelector::nothing().empty());
}

TEST(LabelSelector, RefusesMalformedText) {
  for (const char* text :
       {",",        "a,",    "=a",   "a=b=c", "a b",    "a in",   "a in b", "a in (", "a in (b", "a in (b c)",
        "a in ()x", "!",     "!a=b", "a>b",   "a>",     "a=(b)",  "-a",     "a-",     "a/b/c",   "/a",
        "a/",       "A.B/c", "a=b!", "a=-",   "a..b/c", "a=b,,c", "a>1.5",  "a=\xff"}) {
    const auto selector = LabelSelector::parse(text);
    EXPECT_FALSE(selector.ok()) << text << " became " << (selector.ok() ? selector->to_string() : "");
  }
  EXPECT_FALSE(LabelSelector::parse("a=" + std::string(64, 'x')).ok());
  EXPECT_TRUE(LabelSelector::parse("a=" + std::string(63, 'x')).ok());
  EXPECT_EQ(LabelSelector::parse("a=b c").error().message(),
            "invalid label selector \"a=b c\": expected ',' or the end at character 5");
}

TEST(LabelSelector, ComesFromTheMessage) {
  k8s::meta::v1::LabelSelector message;
  EXPECT_TRUE(LabelSelector::from(message)->matches_labels(kLabels));
  (*message.mutable_matchlabels())["app"] = "web";
  auto* expression = message.add_matchexpressions();
  expression->set_key("tier");
  expression->set_operator_("NotIn");
  expression->add_values("back");
  EXPECT_EQ(LabelSelector::from(message)->to_string(), "app=web,tier!=back");
  EXPECT_TRUE(LabelSelector::from(message)->matches_labels(kLabels));
  expression->set_operator_("Gt");
  EXPECT_EQ(LabelSelector::from(message).error().message(),
            "label \"tier\": unknown operator \"Gt\": expected one of In, NotIn, Exists, DoesNotExist");
  expression->set_operator_("Exists");
  EXPECT_FALSE(LabelSelector::from(message).ok()) << "Exists takes no values";
  expression->clear_values();
  EXPECT_TRUE(LabelSelector::from(message).ok());
  expression->set_operator_("In");
  EXPECT_FALSE(LabelSelector::from(message).ok()) << "In needs values";
}

TEST(FieldSelector, MatchesByItsText) {
  k8s::core::v1::Pod pod;
  pod.mutable_metadata()->set_name("p");
  pod.mutable_spec()->set_nodename("n1");
  pod.mutable_status()->set_phase("Running");
  struct Row {
    const char* text;
    bool matches;
  };
  for (const Row& row :
       {Row{"", true}, Row{"spec.nodeName=n1", true}, Row{"spec.nodeName==n1,status.phase!=Running", false},
        Row{"spec.nodeName=n1,status.phase!=Failed", true}, Row{"metadata.namespace=", true},
        Row{"spec.hostNetwork=false", true}}) {
    SCOPED_TRACE(row.text);
    const auto selector = FieldSelector::parse(row.text);
    ASSERT_TRUE(selector.ok()) << selector.error().to_string();
    EXPECT_EQ(selector->matches([&](std::string_view path) { return pod_field(pod, path); }), row.matches);
  }
  const auto selector = FieldSelector::parse("spec.nodeName=n1,status.phase!=Failed");
  EXPECT_EQ(selector->required_value("spec.nodeName"), "n1");
  EXPECT_EQ(selector->required_value("status.phase"), std::nullopt);
  EXPECT_EQ(selector->to_string(), "spec.nodeName=n1,status.phase!=Failed");
}

TEST(FieldSelector, EscapesAndRefuses) {
  const auto selector = FieldSelector::parse(R"(a=x\,y\=z\\)");
  ASSERT_TRUE(selector.ok());
  EXPECT_EQ(selector->terms().front().value, R"(x,y=z\)");
  EXPECT_EQ(selector->to_string(), R"(a=x\,y\=z\\)");
  for (const char* text : {"a", "=b", "a!b", "a=b=c", "a=b\\", "a=\\x", "!=b"})
    EXPECT_FALSE(FieldSelector::parse(text).ok()) << text;
}

TEST(NodeAffinity, TermsAreAlternativesOfRequirements) {
  k8s::core::v1::Pod pod;
  const auto matches_pod = [&] { return node_matches_pod(pod, lookup_in(kLabels), "n1"); };
  EXPECT_TRUE(matches_pod());
  (*pod.mutable_spec()->mutable_nodeselector())["app"] = "web";
  EXPECT_TRUE(matches_pod());
  (*pod.mutable_spec()->mutable_nodeselector())["disk"] = "ssd";
  EXPECT_FALSE(matches_pod());
  pod.mutable_spec()->clear_nodeselector();
  auto* selector = pod.mutable_spec()
                       ->mutable_affinity()
                       ->mutable_nodeaffinity()
                       ->mutable_requiredduringschedulingignoredduringexecution();
  EXPECT_FALSE(matches_pod()) << "no term, no match";
  auto* term = selector->add_nodeselectorterms();
  EXPECT_FALSE(matches_pod()) << "an empty term matches nothing";
  auto* expression = term->add_matchexpressions();
  expression->set_key("n");
  expression->set_operator_("Gt");
  expression->add_values("5");
  EXPECT_FALSE(matches_pod());
  expression->set_operator_("Lt");
  EXPECT_FALSE(matches_pod());
  expression->set_values(0, "6");
  EXPECT_TRUE(matches_pod());
  auto* field = term->add_matchfields();
  field->set_key("metadata.name");
  field->set_operator_("In");
  field->add_values("n2");
  EXPECT_FALSE(matches_pod());
  field->set_operator_("NotIn");
  EXPECT_TRUE(matches_pod());
  field->set_key("spec.x");
  EXPECT_FALSE(matches_pod());
  auto* other = selector->add_nodeselectorterms()->add_matchexpressions();
  other->set_key("disk");
  other->set_operator_("DoesNotExist");
  EXPECT_TRUE(matches_pod()) << "the second term suffices";
  other->set_operator_("Sometimes");
  EXPECT_FALSE(matches_pod()) << "a malformed term matches nothing";
}

}  // namespace
}  // namespace keelson::api
