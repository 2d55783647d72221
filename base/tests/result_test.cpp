#include "base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace keelson {
namespace {

Result<int> parse_positive(int number) {
  if (number <= 0) return Error(ErrorKind::invalid, "number " + std::to_string(number) + ": expected more than 0");
  return number;
}

Status check_twice(int first, int second) {
  KEELSON_TRY(parse_positive(first));
  KEELSON_TRY(parse_positive(second));
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = parse_positive(3);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 3);
  const Result<int> bad = parse_positive(-1);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind(), ErrorKind::invalid);
  EXPECT_EQ(bad.error().to_string(), "number -1: expected more than 0");
  EXPECT_EQ(bad.value_or(7), 7);
  EXPECT_EQ(good.value_or(7), 3);
}

TEST(Result, MovesValuesThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 5);
}

TEST(Result, TryLeavesTheFunctionWithTheFirstError) {
  EXPECT_TRUE(check_twice(1, 2).ok());
  EXPECT_EQ(check_twice(1, -2).error().message(), "number -2: expected more than 0");
  EXPECT_EQ(check_twice(-1, -2).error().message(), "number -1: expected more than 0");
}

TEST(Error, ContextIsReadFromTheOutsideIn) {
  const Error inner(ErrorKind::permission_denied, "permission denied", EACCES);
  const Error outer = inner.wrap("while making /x").wrap("while mounting volume data");
  EXPECT_EQ(outer.to_string(), "while mounting volume data: while making /x: permission denied");
  EXPECT_EQ(outer.message(), "permission denied");
  EXPECT_EQ(outer.code(), EACCES);
  EXPECT_EQ(outer.kind(), ErrorKind::permission_denied);
  EXPECT_EQ(inner.to_string(), "permission denied") << "wrap() of an lvalue leaves it as it was";
}

TEST(Result, WrapLeavesSuccessAlone) {
  EXPECT_EQ(*parse_positive(4).wrap("while counting"), 4);
  EXPECT_EQ(parse_positive(0).wrap("while counting").error().to_string(),
            "while counting: number 0: expected more than 0");
  EXPECT_TRUE(Status().wrap("while idling").ok());
  EXPECT_EQ(Status(Error(ErrorKind::internal, "boom")).wrap("while idling").error().to_string(), "while idling: boom");
}

TEST(Error, RetryableKindsAreThoseThatTimeCanHeal) {
  struct Row {
    ErrorKind kind;
    bool retryable;
  };
  for (const Row& row :
       {Row{ErrorKind::invalid, false}, Row{ErrorKind::not_found, false}, Row{ErrorKind::already_exists, false},
        Row{ErrorKind::conflict, true}, Row{ErrorKind::unavailable, true}, Row{ErrorKind::deadline_exceeded, true},
        Row{ErrorKind::maybe_applied, true}, Row{ErrorKind::permission_denied, false}, Row{ErrorKind::exhausted, true},
        Row{ErrorKind::unimplemented, false}, Row{ErrorKind::cancelled, false}, Row{ErrorKind::internal, false}}) {
    SCOPED_TRACE(to_string(row.kind));
    EXPECT_EQ(Error(row.kind, "x").retryable(), row.retryable);
  }
}

TEST(ErrnoError, KindFollowsTheErrno) {
  struct Row {
    int number;
    ErrorKind kind;
  };
  for (const Row& row :
       {Row{ENOENT, ErrorKind::not_found}, Row{EEXIST, ErrorKind::already_exists},
        Row{EPERM, ErrorKind::permission_denied}, Row{EROFS, ErrorKind::permission_denied},
        Row{ENOSPC, ErrorKind::exhausted}, Row{EMFILE, ErrorKind::exhausted}, Row{EBUSY, ErrorKind::unavailable},
        Row{ECONNREFUSED, ErrorKind::unavailable}, Row{ETIMEDOUT, ErrorKind::deadline_exceeded},
        Row{ELOOP, ErrorKind::invalid}, Row{EIO, ErrorKind::internal}}) {
    const Error error = errno_error("open /x", row.number);
    SCOPED_TRACE(error.to_string());
    EXPECT_EQ(error.kind(), row.kind);
    EXPECT_EQ(error.code(), row.number);
    EXPECT_EQ(error.to_string().substr(0, 9), "open /x: ");
  }
}

TEST(ResultDeathTest, ValueOfAFailureAborts) {
  const Result<int> bad = parse_positive(0);
  EXPECT_DEATH((void)bad.value(), "broken invariant: .*value\\(\\) of a failed Result");
}

TEST(ResultDeathTest, ErrorOfASuccessAborts) {
  const Result<int> good = parse_positive(1);
  EXPECT_DEATH((void)good.error(), "broken invariant: .*error\\(\\) of a successful Result");
}

}  // namespace
}  // namespace keelson
