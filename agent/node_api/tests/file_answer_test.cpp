#include "agent/node_api/file_answer.hpp"

#include <gtest/gtest.h>

namespace keelson::node_api {
namespace {

TEST(FilePath, IsCleanedAndCannotLeaveItsRoot) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "/"},
      {"/", "/"},
      {"a", "/a"},
      {"/a//b/", "/a/b"},
      {"/a/./b/.", "/a/b"},
      {"/a/../b", "/b"},
      {"/../../b", "/b"},
      {"../../etc", "/etc"},
      {"/a/b/../../..", "/"},
      {"/...", "/..."},
      {"/a/..b/c", "/a/..b/c"},
  };
  for (const auto& [path, wanted] : rows) EXPECT_EQ(clean_path(path), wanted) << path;
}

TEST(FilePath, HasALastPart) {
  const std::pair<const char*, const char*> rows[] = {
      {"/a/b", "b"}, {"/a/b///", "b"}, {"a", "a"}, {"/", "/"}, {"", "/"}};
  for (const auto& [path, wanted] : rows) EXPECT_EQ(last_part(path), wanted) << path;
}

constexpr std::int64_t kSeconds = 1'784'000'000;
const base::SystemTime kModified{std::chrono::seconds(kSeconds) + std::chrono::milliseconds(700)};

TEST(HttpTime, IsReadInItsThreeForms) {
  EXPECT_EQ(http_time(kModified), "Tue, 14 Jul 2026 03:33:20 GMT");
  EXPECT_EQ(parse_http_time("Tue, 14 Jul 2026 03:33:20 GMT"), kSeconds);
  EXPECT_EQ(parse_http_time("Tuesday, 14-Jul-26 03:33:20 GMT"), kSeconds);
  EXPECT_EQ(parse_http_time("Tue Jul 14 03:33:20 2026"), kSeconds);
  EXPECT_EQ(parse_http_time("Fri, 31 Dec 9999 23:59:59 GMT"), 253402300799);
  for (const char* text :
       {"", "yesterday", "Tue, 14 Jul 2026 03:33:20", "Tue, 14 Jul 2026 03:33:20 GMT+1", "2026-07-14T03:33:20Z"}) {
    EXPECT_EQ(parse_http_time(text), std::nullopt) << text;
  }
}

constexpr const char* kBefore = "Tue, 14 Jul 2026 03:33:19 GMT";
constexpr const char* kThen = "Tue, 14 Jul 2026 03:33:20 GMT";
constexpr const char* kAfter = "Tue, 14 Jul 2026 03:33:21 GMT";

TEST(Conditions, DecideWhetherAFileIsSent) {
  struct Row {
    const char* what;
    Conditions conditions;
    Verdict verdict;
  };
  const Row rows[] = {
      {"none", {}, Verdict::send},
      {"changed since", {.if_modified_since = kBefore}, Verdict::send},
      {"unchanged since", {.if_modified_since = kThen}, Verdict::not_modified},
      {"unchanged since later", {.if_modified_since = kAfter}, Verdict::not_modified},
      {"no date", {.if_modified_since = "today"}, Verdict::send},
      {"unmodified", {.if_unmodified_since = kThen}, Verdict::send},
      {"modified", {.if_unmodified_since = kBefore}, Verdict::precondition_failed},
      {"any match", {.if_match = "*"}, Verdict::send},
      {"any match in a list", {.if_match = "W/\"a\" , \"b\",*"}, Verdict::send},
      {"no match", {.if_match = "\"a\""}, Verdict::precondition_failed},
      {"broken match", {.if_match = "\"a, *"}, Verdict::precondition_failed},
      {"a match goes before the date", {.if_match = "*", .if_unmodified_since = kBefore}, Verdict::send},
      {"none may match", {.if_none_match = "*"}, Verdict::not_modified},
      {"no tag matches", {.if_none_match = "\"a\"", .if_modified_since = kAfter}, Verdict::send},
  };
  for (const Row& row : rows) EXPECT_EQ(judge(row.conditions, kModified), row.verdict) << row.what;
  EXPECT_EQ(judge({.if_modified_since = kAfter}, base::SystemTime()), Verdict::send) << "a file without a time";
}

TEST(Conditions, KeepARangeOnlyOfTheSameContent) {
  const std::pair<const char*, bool> rows[] = {{"", true},       {kThen, true},      {kBefore, false}, {kAfter, false},
                                               {"\"a\"", false}, {"W/\"a\"", false}, {"x", false}};
  for (const auto& [header, holds] : rows) {
    Conditions conditions;
    conditions.if_range = header;
    EXPECT_EQ(range_holds(conditions, kModified), holds) << header;
  }
}

// "0+10 5+5", "" for all of it, or the error
std::string ranges_of(const char* header, std::int64_t size) {
  const auto ranges = parse_ranges(header, size);
  if (!ranges.ok()) return ranges.error().message();
  std::string out;
  for (const ByteRange& range : *ranges) {
    out += (out.empty() ? "" : " ") + std::to_string(range.start) + "+" + std::to_string(range.length);
  }
  return out;
}

TEST(Ranges, AreReadAsGoReadsThem) {
  struct Row {
    const char* header;
    std::int64_t size;
    const char* wanted;
  };
  const char* bad = "invalid range";
  const char* outside = "invalid range: failed to overlap";
  const Row rows[] = {
      {"", 100, ""},
      {"bytes=0-9", 100, "0+10"},
      {"bytes=90-", 100, "90+10"},
      {"bytes=90-1000", 100, "90+10"},
      {"bytes=-10", 100, "90+10"},
      {"bytes=-1000", 100, "0+100"},
      {"bytes= 0 - 9 , 20-29 ,", 100, "0+10 20+10"},
      {"bytes=0-9,200-300", 100, "0+10"},
      {"bytes=0-99,0-99", 100, ""},
      {"bytes=0-98,0-1", 100, ""},
      {"bytes=100-", 100, outside},
      {"bytes=100-200,300-", 100, outside},
      {"bytes=", 100, ""},
      {"bytes=0-9", 0, ""},
      {"bytes=-5", 0, ""},
      {"lines=0-9", 100, bad},
      {"bytes=9-0", 100, bad},
      {"bytes=-", 100, bad},
      {"bytes=--5", 100, bad},
      {"bytes=5", 100, bad},
      {"bytes=a-b", 100, bad},
      {"bytes=0-9,x", 100, bad},
      {"bytes=99999999999999999999-", 100, bad},
      {"bytes=0-9223372036854775807", 100, "0+100"},
  };
  for (const Row& row : rows) EXPECT_EQ(ranges_of(row.header, row.size), row.wanted) << row.header;
  EXPECT_EQ((ByteRange{5, 10}.content_range(100)), "bytes 5-14/100");
}

TEST(ContentType, IsThatOfTheNameElseOfTheBeginning) {
  struct Row {
    const char* name;
    std::string beginning;
    const char* type;
  };
  const Row rows[] = {
      {"a.html", "\x1f\x8b\x08", "text/html; charset=utf-8"},
      {"a.HTML", "", "text/html; charset=utf-8"},
      {"a.json", "", "application/json"},
      {"a.xml", "", "text/xml; charset=utf-8"},
      {"syslog", "Nov 26 text \xc3\xa4\t\x1b[0m\n", "text/plain; charset=utf-8"},
      {"syslog", "", "text/plain; charset=utf-8"},
      {"a.log", "<html>", "text/plain; charset=utf-8"},
      {"syslog.1.gz", "\x1f\x8b\x08\x08", "application/x-gzip"},
      {"logs.zip", "PK\x03\x04", "application/zip"},
      {"wtmp", std::string("text\0more", 9), "application/octet-stream"},
      {"wtmp", std::string(512, 'x') + '\0', "text/plain; charset=utf-8"},
      {"a.log",
       "\xff\xfe"
       "a",
       "text/plain; charset=utf-16le"},
  };
  for (const Row& row : rows) EXPECT_EQ(content_type(row.name, row.beginning), row.type) << row.name;
}

TEST(DirectoryPage, IsGosAndSortedAndEscaped) {
  EXPECT_EQ(
      directory_page({{"syslog", false}, {"pods", true}, {"a b?#%&<\"'>", false}, {"c:d", false}, {"\xc3\xa4", false}}),
      "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n"
      "<a href=\"a%20b%3F%23%25&%3C%22%27%3E\">a b?#%&amp;&lt;&#34;&#39;&gt;</a>\n"
      "<a href=\"./c:d\">c:d</a>\n"
      "<a href=\"pods/\">pods/</a>\n"
      "<a href=\"syslog\">syslog</a>\n"
      "<a href=\"%C3%A4\">\xc3\xa4</a>\n"
      "</pre>\n");
}

}  // namespace
}  // namespace keelson::node_api
