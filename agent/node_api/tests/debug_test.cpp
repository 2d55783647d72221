#include "agent/node_api/debug.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include "agent/node_api/tests/fake_reply.hpp"

namespace keelson::node_api {
namespace {

using testing::ask;
using testing::FakeReply;
using testing::get;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Pprof, ShowsTheCommandLine) {
  PprofHandler handler;
  const FakeReply reply = ask(handler, get("/debug/pprof/cmdline"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr("keelson_node_api_tests"));
  EXPECT_FALSE(reply.body.ends_with('\0'));
  EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff");
}

TEST(Pprof, ListsTheThreads) {
  PprofHandler handler;
  const FakeReply reply = ask(handler, get("/debug/pprof/threadcreate"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, StartsWith("threads: 1\n" + std::to_string(getpid()) + " "));
  EXPECT_TRUE(reply.body.ends_with("\n"));
}

TEST(Pprof, SaysThatThereAreNoSymbols) {
  PprofHandler handler;
  EXPECT_EQ(ask(handler, get("/debug/pprof/symbol")).body, "num_symbols: 0\n");
}

TEST(Pprof, NamesTheToolThatHelpsInstead) {
  PprofHandler handler;
  for (const char* name : {"profile", "trace", "heap", "goroutine", "allocs", "block", "mutex"}) {
    SCOPED_TRACE(name);
    const FakeReply reply = ask(handler, get(std::string("/debug/pprof/") + name + "?seconds=30"));
    EXPECT_EQ(reply.status, 501);
    EXPECT_THAT(reply.body, StartsWith(name + std::string(": this agent is no Go program")));
    EXPECT_EQ(std::count(reply.body.begin(), reply.body.end(), '\n'), 1);
    EXPECT_EQ(reply.body.find("PID"), std::string::npos);
  }
  EXPECT_THAT(ask(handler, get("/debug/pprof/profile")).body, HasSubstr("-p " + std::to_string(getpid())));
}

TEST(Pprof, KnowsNoOtherNames) {
  PprofHandler handler;
  for (const char* name : {"nope", "heap/", "", "Heap"}) {
    SCOPED_TRACE(name);
    const FakeReply reply = ask(handler, get(std::string("/debug/pprof/") + name));
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.body, "Unknown profile\n");
  }
}

class LogLevel : public ::testing::Test {
 protected:
  FakeReply put(const std::string& body) {
    server::Request request;
    request.method = "PUT";
    request.path = "/debug/flags/v";
    request.body = body;
    return ask(handler_, request);
  }
  std::string lines_;
  std::shared_ptr<base::LogSink> sink_ =
      std::make_shared<base::LogSink>(base::LogFormat::text, 2, [this](std::string_view line) { lines_ += line; });
  LogLevelHandler handler_{sink_, base::Logger(sink_)};
};

TEST_F(LogLevel, ChangesWhatIsLogged) {
  const base::Logger log(sink_);
  log.debug(4, "hidden");
  const FakeReply reply = put("4");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "successfully set klog.logging.verbosity to 4\n");
  EXPECT_EQ(reply.header("Content-Type"), "text/plain");
  log.debug(4, "shown");
  EXPECT_THAT(lines_, HasSubstr("shown"));
  EXPECT_THAT(lines_, ::testing::Not(HasSubstr("hidden")));
}

TEST_F(LogLevel, StaysWhenTheBodyIsNoNumber) {
  struct Row {
    const char* body;
    const char* answer;
  };
  const Row rows[] = {
      {"", "failed set klog.logging.verbosity : strconv.ParseInt: parsing \"\": invalid syntax\n"},
      {"many", "failed set klog.logging.verbosity many: strconv.ParseInt: parsing \"many\": invalid syntax\n"},
      {"99999999999",
       "failed set klog.logging.verbosity 99999999999: strconv.ParseInt: parsing \"99999999999\": value out of "
       "range\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.body);
    const FakeReply reply = put(row.body);
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body, row.answer);
    EXPECT_EQ(sink_->verbosity(), 2);
  }
}

}  // namespace
}  // namespace keelson::node_api
