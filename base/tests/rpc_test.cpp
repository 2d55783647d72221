#include "base/rpc.hpp"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

TEST(RpcOutcome, ReadsAsGoWritesIt) {
  EXPECT_EQ((RpcOutcome{5, "no such volume"}).to_string(), "rpc error: code = NotFound desc = no such volume");
  EXPECT_EQ((RpcOutcome{9, ""}).to_string(), "rpc error: code = FailedPrecondition desc = ");
  EXPECT_EQ((RpcOutcome{RpcOutcome::unreached, "nobody listens"}).to_string(),
            "rpc error: code = Unavailable desc = nobody listens");
  EXPECT_EQ((RpcOutcome{77, "?"}).to_string(), "rpc error: code = Unknown desc = ?");
}

TEST(RpcOutcome, HasAKindThatSaysWhatMayBeDone) {
  struct Row {
    int code;
    ErrorKind kind;
  };
  for (const Row row : {Row{3, ErrorKind::invalid}, Row{4, ErrorKind::deadline_exceeded}, Row{5, ErrorKind::not_found},
                        Row{12, ErrorKind::unimplemented}, Row{13, ErrorKind::internal},
                        Row{14, ErrorKind::maybe_applied}, Row{16, ErrorKind::permission_denied},
                        Row{RpcOutcome::unreached, ErrorKind::unavailable}, Row{99, ErrorKind::internal}}) {
    const Error error = RpcOutcome{row.code, "x"}.error();
    EXPECT_EQ(error.kind(), row.kind) << row.code;
    EXPECT_EQ(error.code(), row.code);
  }
}

TEST(RpcOutcome, IsOkByItsCodeAlone) {
  EXPECT_TRUE((RpcOutcome{0, "ignored"}).ok());
  EXPECT_FALSE((RpcOutcome{RpcOutcome::unreached, ""}).ok());
}

}  // namespace
}  // namespace keelson::base
