// Where the tail of a file begins, for every number of lines and files of all sizes around the block's.
#include "agent/logs/log_tail.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "agent/logs/tests/fixture.hpp"

namespace keelson::logs {
namespace {

std::int64_t start_of(const std::string& path, std::int64_t records, std::size_t step = 1u << 30) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  TailSearch search(static_cast<std::int64_t>(content_of(path).size()), records);
  while (true) {
    const auto found = search.step(fd.get(), step);
    EXPECT_TRUE(found.ok());
    if (!found.ok() || *found) return search.start();
  }
}

// By the definition: after the newline that has `records` newlines behind it.
std::int64_t expected_start(const std::string& text, std::int64_t records) {
  for (std::size_t at = text.size(); at-- > 0;) {
    if (text[at] == '\n' && records-- == 0) return static_cast<std::int64_t>(at) + 1;
  }
  return 0;
}

TEST(TailSearch, CountsNewlinesFromTheEnd) {
  struct Row {
    const char* text;
    std::int64_t records;
    std::int64_t start;
  };
  const Row rows[] = {
      {"", 5, 0},          {"a\nb\nc\n", 1, 4}, {"a\nb\nc\n", 2, 2}, {"a\nb\nc\n", 3, 0}, {"a\nb\nc\n", 9, 0},
      {"a\nb\nc\n", 0, 6}, {"a\nb\nc", 0, 4},   {"a\nb\nc", 1, 2},   {"abc", 0, 0},       {"\n\n\n", 1, 2},
  };
  for (const Row& row : rows) {
    TempDirectory directory;
    write_log(directory.path("log"), row.text);
    EXPECT_EQ(start_of(directory.path("log"), row.records), row.start) << row.text << " " << row.records;
  }
}

TEST(TailSearch, FindsLinesThatCrossBlocks) {
  std::mt19937 random(7);
  const auto block = static_cast<std::int64_t>(TailSearch::block);
  for (const std::int64_t size : {block - 1, block, block + 1, 2 * block, 3 * block + 17}) {
    std::string text;
    while (static_cast<std::int64_t>(text.size()) < size) {
      text += std::string(random() % 5000, 'x');
      text += '\n';
    }
    text.resize(static_cast<std::size_t>(size));
    TempDirectory directory;
    write_log(directory.path("log"), text);
    for (const std::int64_t records : {0, 1, 2, 13, 14, 15, 27, 1000}) {
      const std::int64_t start = expected_start(text, records);
      EXPECT_EQ(start_of(directory.path("log"), records), start) << size << " " << records;
      EXPECT_EQ(start_of(directory.path("log"), records, 1), start) << "in steps of a block, " << records;
    }
  }
}

TEST(TailSearch, AStepLooksAtNoMoreThanItIsTold) {
  TempDirectory directory;
  write_log(directory.path("log"), std::string(5 * TailSearch::block, 'x'));
  const base::UniqueFd fd(::open(directory.path("log").c_str(), O_RDONLY | O_CLOEXEC));
  TailSearch search(5 * TailSearch::block, 3);
  int steps = 1;
  while (!search.step(fd.get(), 2 * TailSearch::block).value_or(true)) ++steps;
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(search.start(), 0);
}

TEST(TailSearch, AFileThatWasCutMeanwhileIsReadFromWhereItIs) {
  TempDirectory directory;
  write_log(directory.path("log"), "a\nb\n");
  const base::UniqueFd fd(::open(directory.path("log").c_str(), O_RDONLY | O_CLOEXEC));
  TailSearch search(1'000'000, 1);
  const auto found = search.step(fd.get(), 1u << 30);
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ(search.start(), 2);
}

TEST(TailSearch, SaysWhenItCannotRead) {
  TailSearch search(100, 1);
  EXPECT_FALSE(search.step(-1, 100).ok());
}

}  // namespace
}  // namespace keelson::logs
