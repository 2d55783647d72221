#include "agent/node_api/log_query.hpp"

#include <gmock/gmock.h>

namespace keelson::node_api {
namespace {

using ::testing::ElementsAre;

TEST(LogQuery, TellsFilesFromServices) {
  const auto reading = read_log_query({{"query", "kubelet"},
                                       {"query", "/pods/x"},
                                       {"other", "thing"},
                                       {"query", " "},
                                       {"query", "a\\b"},
                                       {"query", "ssh"}});
  ASSERT_TRUE(reading.query);
  EXPECT_THAT(reading.query->services, ElementsAre("kubelet", "ssh"));
  EXPECT_THAT(reading.query->files, ElementsAre("/pods/x", "a\\b"));
  EXPECT_FALSE(reading.query->has_options());
}

TEST(LogQuery, TakesTheFirstOfEachOption) {
  const auto reading = read_log_query({{"tailLines", "10"},
                                       {"tailLines", "x"},
                                       {"boot", "-1"},
                                       {"pattern", "a+"},
                                       {"pattern", "b"},
                                       {"sinceTime", "2026-01-02T03:04:05Z"},
                                       {"untilTime", "2026-01-02T03:04:05+01:00"}});
  ASSERT_TRUE(reading.query) << joined_errors(reading.errors);
  EXPECT_EQ(reading.query->tail_lines, 10);
  EXPECT_EQ(reading.query->boot, -1);
  EXPECT_EQ(reading.query->pattern, "a+");
  EXPECT_EQ(*reading.query->since - *reading.query->until, std::chrono::hours(1));
}

TEST(LogQuery, IsNoneWhenNothingIsAsked) {
  for (const QueryFields& fields : {QueryFields{}, QueryFields{{"x", "y"}}, QueryFields{{"tailLines", ""}}}) {
    const auto reading = read_log_query(fields);
    EXPECT_FALSE(reading.query);
    EXPECT_TRUE(reading.errors.empty());
  }
}

TEST(LogQuery, ThatCannotBeReadIsRefusedWithAllThatIsWrong) {
  struct Row {
    QueryFields fields;
    const char* error;
  };
  const Row rows[] = {
      {{{"query", ""}}, "query: Invalid value: []string{\"\"}: query cannot be empty"},
      {{{"query", " "}, {"query", "\t"}}, "query: Invalid value: []string{\" \", \"\\t\"}: query cannot be empty"},
      {{{"sinceTime", "yesterday"}}, "sinceTime: Invalid value: \"yesterday\": invalid time format"},
      {{{"tailLines", "ten"}}, "tailLines: Invalid value: \"ten\": strconv.Atoi: parsing \"ten\": invalid syntax"},
      {{{"query", "a"}, {"untilTime", "x"}, {"boot", "99999999999999999999"}},
       "[untilTime: Invalid value: \"x\": invalid time format, boot: Invalid value: \"99999999999999999999\": "
       "strconv.Atoi: parsing \"99999999999999999999\": value out of range]"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.error);
    const auto reading = read_log_query(row.fields);
    EXPECT_FALSE(reading.query);
    EXPECT_EQ(joined_errors(reading.errors), row.error);
  }
}

std::string check(const QueryFields& fields, const std::string& file_problem = "") {
  const auto reading = read_log_query(fields);
  EXPECT_TRUE(reading.query) << joined_errors(reading.errors);
  return joined_errors(check_log_query(reading.query.value_or(LogQuery()), file_problem));
}

TEST(LogQuery, IsHeldToTheRules) {
  const std::string long_name(257, 'x');
  struct Row {
    QueryFields fields;
    std::string error;
  };
  const Row rows[] = {
      {{{"query", "kubelet"}}, ""},
      {{{"query", "kubelet"}, {"query", "a-b_c.d:e@F1"}, {"query", "x"}, {"query", "y"}}, ""},
      {{{"query", "kubelet"}, {"boot", "0"}, {"tailLines", "0"}, {"pattern", "(?i)a[b-d]{2}"}}, ""},
      {{{"query", "kubelet"}, {"tailLines", "100000"}, {"boot", "-3"}}, ""},
      {{{"query", "/syslog"}}, ""},
      {{{"tailLines", "5"}}, "query: Required value: cannot be empty with options"},
      {{{"query", "a"}, {"query", "/b"}}, "query: Invalid value: \"[/b], [a]\": cannot specify a file and service"},
      {{{"query", "/a"}, {"query", "/b"}},
       "query: Invalid value: []string{\"/a\", \"/b\"}: cannot specify more than one file"},
      {{{"query", "/a"}, {"tailLines", "5"}},
       "query: Invalid value: []string{\"/a\"}: cannot specify file with options"},
      {{{"query", "a"}, {"query", "b"}, {"query", "c"}, {"query", "d"}, {"query", "e"}},
       "query: Too many: 5: must have at most 4 items"},
      {{{"query", long_name}}, "query: Invalid value: \"" + long_name + "\": length must be less than 100"},
      {{{"query", "a b"}}, "query: Invalid value: \"a b\": input contains unsupported characters"},
      {{{"query", "a;reboot"}}, "query: Invalid value: \"a;reboot\": input contains unsupported characters"},
      {{{"query", "a"}, {"boot", "1"}}, "boot: Invalid value: 1: must be less than 1"},
      {{{"query", "a"}, {"tailLines", "-1"}}, "tailLines: Invalid value: -1: must be between 0 and 100000, inclusive"},
      {{{"query", "a"}, {"tailLines", "100001"}},
       "tailLines: Invalid value: 100001: must be between 0 and 100000, inclusive"},
      {{{"query", "a"}, {"sinceTime", "2026-01-02T00:00:01Z"}, {"untilTime", "2026-01-02T00:00:00Z"}},
       "untilTime: Invalid value: 2026-01-02 00:00:00 +0000 UTC: must be after `sinceTime`"},
      {{{"query", "a"}, {"sinceTime", "2026-01-02T00:00:00Z"}, {"untilTime", "2026-01-02T00:00:00Z"}}, ""},
      {{{"query", "a"}, {"pattern", "a("}},
       "pattern: Invalid value: \"a(\": error parsing regexp: missing closing ): `a(`"},
      {{{"query", "a"}, {"pattern", "[a"}},
       "pattern: Invalid value: \"[a\": error parsing regexp: missing closing ]: `[a`"},
      {{{"query", "a"}, {"pattern", "*"}},
       "pattern: Invalid value: \"*\": error parsing regexp: missing argument to repetition operator: `*`"},
      {{{"query", "a"}, {"pattern", "a\\"}},
       "pattern: Invalid value: \"a\\\\\": error parsing regexp: trailing backslash at end of expression: ``"},
      {{{"query", "a b"}, {"query", "a b"}, {"boot", "2"}},
       "[query: Invalid value: \"a b\": input contains unsupported characters, "
       "boot: Invalid value: 2: must be less than 1]"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.error.substr(0, 80) + " / " + row.fields[0].second.substr(0, 20));
    EXPECT_EQ(check(row.fields), row.error);
  }
}

TEST(LogQuery, OfAFileThatCannotBeHadSaysWhy) {
  EXPECT_EQ(check({{"query", "/nope"}}, "stat /var/log/nope: no such file or directory"),
            "query: Invalid value: []string{\"/nope\"}: stat /var/log/nope: no such file or directory");
}

TEST(LogQuery, BecomesArgumentsOfJournalctl) {
  LogQuery query;
  EXPECT_THAT(journal_arguments(query, {"kubelet"}),
              ElementsAre("--utc", "--no-pager", "--output=short-precise", "--unit=kubelet"));
  query.since = base::SystemTime(std::chrono::seconds(1'784'000'000) + std::chrono::milliseconds(999));
  query.until = base::SystemTime(std::chrono::seconds(1'784'000'060));
  query.tail_lines = 20;
  query.pattern = "error|warning";
  query.boot = -1;
  EXPECT_THAT(journal_arguments(query, {"kubelet", "containerd"}),
              ElementsAre("--utc", "--no-pager", "--output=short-precise", "--since=2026-07-14 03:33:20 UTC",
                          "--until=2026-07-14 03:34:20 UTC", "--pager-end", "--lines=20", "--unit=kubelet",
                          "--unit=containerd", "--grep=error|warning", "--boot=-1"));
}

}  // namespace
}  // namespace keelson::node_api
