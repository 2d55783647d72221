#include "agent/node_api/logs_handler.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/node_api/tests/fake_reply.hpp"
#include "base/file.hpp"

namespace keelson::node_api {
namespace {

namespace fs = std::filesystem;
using base::testing::pump_until;
using testing::FakeReply;
using testing::get;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::time_t kModified = 1'784'000'000;  // Tue, 14 Jul 2026 03:33:20 GMT

// A directory that stands for /var/log, and one beside it.
class Logs : public ::testing::Test {
 protected:
  Logs() {
    char name[] = "/tmp/keelson-logs-XXXXXX";
    base_ = mkdtemp(name);
    root_ = base_ + "/log";
    fs::create_directories(root_ + "/pods/ns_web_u1/main");
    fs::create_directories(base_ + "/docker");
    write("syslog", "first line\nsecond line\n");
    write("pods/ns_web_u1/main/0.log", "from the pod\n");
    write("secret", "", 0600);
    std::ofstream(base_ + "/docker/x.log") << "from docker\n";
    std::ofstream(base_ + "/outside") << "not below\n";
  }
  ~Logs() override { fs::remove_all(base_); }

  void write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    const std::string path = root_ + "/" + name;
    ASSERT_TRUE(base::write_file(path, text, mode).ok());
    const timespec times[2] = {{kModified, 0}, {kModified, 500'000'000}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  // Journalctl as a shell script; its arguments are in calls().
  void journal(const std::string& script) {
    ASSERT_TRUE(base::write_file(base_ + "/journalctl",
                                 "#!/bin/sh\necho \"$*\" >> " + base_ + "/calls\ncd " + base_ +
                                     "\nif [ \"$1\" = --field ]; then\n  printf 'kubelet.service\\nssh.service\\n'\n"
                                     "  exit 0\nfi\n" +
                                     script + "\n",
                                 0755)
                    .ok());
  }
  std::string calls() { return base::read_file(base_ + "/calls").value_or(""); }
  LogsHandler& handler(bool query = true) {
    LogsOptions options;
    options.directory = root_;
    options.query = query;
    options.journalctl = base_ + "/journalctl";
    handler_ = std::make_unique<LogsHandler>(loop_, clock_, pool_, options);
    return *handler_;
  }
  FakeReply ask(const std::string& target, server::Fields headers = {}, bool query = false) {
    FakeReply reply;
    node_api::testing::ask(loop_, handler(query), get(target, std::move(headers)), reply);
    return reply;
  }
  FakeReply query(const std::string& parameters, server::Fields headers = {}) {
    return ask("/logs/?" + parameters, std::move(headers), true);
  }
  pid_t pid_of_journal() {
    return static_cast<pid_t>(std::atoi(base::read_file(base_ + "/pid").value_or("0").c_str()));
  }

  std::string base_;
  std::string root_;
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::BlockingPool pool_{loop_, clock_, 2};
  std::unique_ptr<LogsHandler> handler_;
};

TEST_F(Logs, ServesAFile) {
  const FakeReply reply = ask("/logs/syslog");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "first line\nsecond line\n");
  EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(reply.header("Last-Modified"), "Tue, 14 Jul 2026 03:33:20 GMT");
  EXPECT_EQ(reply.header("Accept-Ranges"), "bytes");
  EXPECT_TRUE(reply.whole);
}

TEST_F(Logs, ListsADirectory) {
  fs::create_symlink("pods", root_ + "/link");
  const FakeReply reply = ask("/logs/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_NE(reply.header("Last-Modified"), "");
  EXPECT_EQ(reply.body,
            "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n"
            "<a href=\"link\">link</a>\n<a href=\"pods/\">pods/</a>\n<a href=\"secret\">secret</a>\n"
            "<a href=\"syslog\">syslog</a>\n</pre>\n");
  EXPECT_THAT(ask("/logs/link/").body, HasSubstr("<a href=\"ns_web_u1/\">"));
}

TEST_F(Logs, RedirectToWhereAPathIs) {
  const std::pair<const char*, const char*> rows[] = {
      {"/logs/pods", "pods/"},
      {"/logs/pods/ns_web_u1?a=b%20c", "ns_web_u1/?a=b%20c"},
      {"/logs/syslog/", "../syslog"},
      {"/logs/pods/index.html", "./"},
  };
  for (const auto& [target, where] : rows) {
    SCOPED_TRACE(target);
    const FakeReply reply = ask(target);
    EXPECT_EQ(reply.status, 301);
    EXPECT_EQ(reply.header("Location"), where);
    EXPECT_EQ(reply.body, "");
  }
}

TEST_F(Logs, ServeTheIndexOfADirectory) {
  write("pods/index.html", "<h1>pods</h1>");
  const FakeReply reply = ask("/logs/pods/");
  EXPECT_EQ(reply.body, "<h1>pods</h1>");
  EXPECT_EQ(reply.header("Content-Type"), "text/html; charset=utf-8");
}

TEST_F(Logs, SayWhatIsNotThere) {
  for (const char* target : {"/logs/nope", "/logs/syslog/below", "/logs/nope/"}) {
    SCOPED_TRACE(target);
    const FakeReply reply = ask(target);
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.body, "404 page not found\n");
    EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff");
  }
}

TEST_F(Logs, CannotBeLeftByDots) {
  for (const char* target : {"/logs/../outside", "/logs/pods/../../outside", "/logs/..", "/logs//../../outside"}) {
    SCOPED_TRACE(target);
    const FakeReply reply = ask(target);
    EXPECT_NE(reply.status, 200);
    EXPECT_THAT(reply.body, ::testing::Not(HasSubstr("not below")));
  }
}

TEST_F(Logs, FollowLinksWhereverTheyLead) {
  fs::create_directories(root_ + "/containers");
  fs::create_symlink(root_ + "/pods/ns_web_u1/main/0.log", root_ + "/containers/web.log");
  fs::create_symlink("../../docker/x.log", root_ + "/containers/docker.log");
  EXPECT_EQ(ask("/logs/containers/web.log").body, "from the pod\n");
  EXPECT_EQ(ask("/logs/containers/docker.log").body, "from docker\n");
}

TEST_F(Logs, OpenNothingThatIsNeitherFileNorDirectory) {
  ASSERT_EQ(mkfifo((root_ + "/pipe").c_str(), 0644), 0);
  fs::create_symlink("/dev/zero", root_ + "/device");
  fs::create_symlink("/proc/self/root", root_ + "/magic");
  EXPECT_EQ(ask("/logs/pipe").status, 403);
  EXPECT_EQ(ask("/logs/device").status, 403);
  EXPECT_EQ(ask("/logs/magic/").status, 500);
}

TEST_F(Logs, AnswerConditions) {
  struct Row {
    const char* name;
    const char* value;
    int status;
  };
  const Row rows[] = {
      {"If-Modified-Since", "Tue, 14 Jul 2026 03:33:20 GMT", 304},
      {"if-modified-since", "Tue, 14 Jul 2026 03:33:19 GMT", 200},
      {"If-Unmodified-Since", "Tue, 14 Jul 2026 03:33:19 GMT", 412},
      {"If-None-Match", "*", 304},
      {"If-Match", "\"x\"", 412},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const FakeReply reply = ask("/logs/syslog", {{row.name, row.value}});
    EXPECT_EQ(reply.status, row.status);
    EXPECT_EQ(reply.body.empty(), row.status != 200);
    EXPECT_EQ(reply.header("Last-Modified"), "Tue, 14 Jul 2026 03:33:20 GMT");
  }
  EXPECT_EQ(ask("/logs/", {{"If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT"}}).status, 304);
}

TEST_F(Logs, SendARange) {
  const FakeReply reply = ask("/logs/syslog", {{"Range", "bytes=6-9"}});
  EXPECT_EQ(reply.status, 206);
  EXPECT_EQ(reply.body, "line");
  EXPECT_EQ(reply.header("Content-Range"), "bytes 6-9/23");
  EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");

  const FakeReply outdated =
      ask("/logs/syslog", {{"Range", "bytes=6-9"}, {"If-Range", "Tue, 14 Jul 2026 03:33:19 GMT"}});
  EXPECT_EQ(outdated.status, 200);
  EXPECT_EQ(outdated.body.size(), 23u);
}

TEST_F(Logs, SendSeveralRangesAsParts) {
  const FakeReply reply = ask("/logs/syslog", {{"Range", "bytes=0-4,-5"}});
  EXPECT_EQ(reply.status, 206);
  const std::string type = reply.header("Content-Type");
  ASSERT_THAT(type, StartsWith("multipart/byteranges; boundary="));
  const std::string boundary = type.substr(type.find('=') + 1);
  EXPECT_EQ(boundary.size(), 60u);
  EXPECT_EQ(reply.body,
            "--" + boundary +
                "\r\nContent-Range: bytes 0-4/23\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nfirst\r\n--" +
                boundary +
                "\r\nContent-Range: bytes 18-22/23\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nline\n\r\n--" +
                boundary + "--\r\n");
}

TEST_F(Logs, RefuseRangesThatCannotBe) {
  const FakeReply behind = ask("/logs/syslog", {{"Range", "bytes=100-"}});
  EXPECT_EQ(behind.status, 416);
  EXPECT_EQ(behind.body, "invalid range: failed to overlap\n");
  EXPECT_EQ(behind.header("Content-Range"), "bytes */23");
  const FakeReply bad = ask("/logs/syslog", {{"Range", "bytes=x"}});
  EXPECT_EQ(bad.status, 416);
  EXPECT_EQ(bad.body, "invalid range\n");
  EXPECT_EQ(bad.header("Content-Range"), "");
  EXPECT_EQ(ask("/logs/secret", {{"Range", "bytes=5-"}}).status, 200) << "of an empty file any range is the whole";
}

TEST_F(Logs, SendALargeFileInPieces) {
  std::string text;
  for (int i = 0; text.size() < 1'000'000; ++i) text += "line " + std::to_string(i) + "\n";
  write("large.log", text);
  const FakeReply reply = ask("/logs/large.log");
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.finished);
  EXPECT_TRUE(reply.body == text);
  EXPECT_LE(reply.largest_piece, 128u * 1024);
  const FakeReply part = ask("/logs/large.log", {{"Range", "bytes=1000-900999"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_TRUE(part.body == text.substr(1000, 900'000));
  const FakeReply parts = ask("/logs/large.log", {{"Range", "bytes=0-399999,500000-899999"}});
  EXPECT_EQ(parts.status, 206);
  EXPECT_TRUE(parts.finished);
  EXPECT_NE(parts.body.find("\r\n\r\n" + text.substr(500'000, 400'000) + "\r\n--"), std::string::npos);
}

TEST_F(Logs, StopReadingForAClientThatHasGone) {
  write("large.log", std::string(1'000'000, 'x'));
  FakeReply reply;
  reply.most_pieces = 2;
  node_api::testing::ask(loop_, handler(false), get("/logs/large.log"), reply);
  EXPECT_EQ(reply.pieces, 2u);
  EXPECT_FALSE(reply.finished);
}

TEST_F(Logs, PassOverQueriesThatAreSwitchedOff) {
  const FakeReply reply = ask("/logs/syslog?query=kubelet&tailLines=x");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "first line\nsecond line\n");
}

TEST_F(Logs, RefuseQueriesThatAreWrong) {
  struct Row {
    const char* target;
    int status;
    const char* body;
  };
  const Row rows[] = {
      {"/logs/?tailLines=x", 400, "tailLines: Invalid value: \"x\": strconv.Atoi: parsing \"x\": invalid syntax\n"},
      {"/logs/syslog?query=kubelet", 406, "path not allowed in query mode\n"},
      {"/logs/?tailLines=5", 406, "query: Required value: cannot be empty with options\n"},
      {"/logs/?query=a&query=/b", 406, "query: Invalid value: \"[/b], [a]\": cannot specify a file and service\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.target);
    const FakeReply reply = ask(row.target, {}, true);
    EXPECT_EQ(reply.status, row.status);
    EXPECT_EQ(reply.body, row.body);
  }
  const FakeReply missing = query("query=/nope");
  EXPECT_EQ(missing.status, 406);
  EXPECT_EQ(missing.body,
            "query: Invalid value: []string{\"/nope\"}: stat " + root_ + "/nope: no such file or directory\n");
}

TEST_F(Logs, ServeTheFileOfAQuery) {
  EXPECT_EQ(query("query=/syslog").body, "first line\nsecond line\n");
  EXPECT_EQ(query("query=/../log/syslog").status, 406) << "dots lead nowhere";
  EXPECT_EQ(ask("/logs/syslog", {}, true).body, "first line\nsecond line\n") << "no query at all";
  EXPECT_EQ(query("query=/pods").status, 301);
}

TEST_F(Logs, ReadServicesFromTheJournal) {
  journal("echo entry; echo hint >&2");
  const FakeReply reply = query("query=kubelet&query=ssh&tailLines=7&boot=-1&pattern=x");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "text/plain;charset=UTF-8");
  EXPECT_EQ(reply.header("Content-Encoding"), "");
  EXPECT_THAT(reply.body, ::testing::AnyOf("entry\nhint\n", "hint\nentry\n"));
  EXPECT_EQ(calls(),
            "--field _SYSTEMD_UNIT\n--utc --no-pager --output=short-precise --pager-end --lines=7 --unit=kubelet "
            "--unit=ssh --grep=x --boot=-1\n");
}

TEST_F(Logs, CompressWhenExactlyGzipIsAccepted) {
  journal("i=0; while [ $i -lt 2000 ]; do echo \"line $i of the journal\"; i=$((i+1)); done");
  const FakeReply reply = query("query=kubelet", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(reply.header("Content-Encoding"), "gzip");
  const std::string text = node_api::testing::gunzip(reply.body);
  EXPECT_THAT(text, StartsWith("line 0 of the journal\n"));
  EXPECT_TRUE(text.ends_with("line 1999 of the journal\n"));
  EXPECT_EQ(query("query=kubelet", {{"Accept-Encoding", "gzip, deflate"}}).header("Content-Encoding"), "");
}

TEST_F(Logs, OfServicesThatTheJournalDoesNotKnowAreFiles) {
  journal("echo entry");
  write("proxy.log", "from proxy.log\n");
  fs::create_directories(root_ + "/etcd");
  write("etcd/etcd.log", "from etcd/etcd.log\n");
  EXPECT_EQ(query("query=syslog").body, "first line\nsecond line\n");
  EXPECT_EQ(query("query=proxy").body, "from proxy.log\n");
  EXPECT_EQ(query("query=etcd").body, "from etcd/etcd.log\n");
  EXPECT_EQ(query("query=nope").body, "\nlog not found for nope\n");
  EXPECT_EQ(query("query=..").body, "\nlog not found for ..\n");
  EXPECT_EQ(query("query=nope&query=kubelet&query=proxy").body, "entry\n\nlog not found for nope\nfrom proxy.log\n");
  EXPECT_EQ(query("query=proxy&query=etcd&tailLines=5").body,
            "\noptions present and query resolved to log files for [proxy etcd]\ntry without specifying options\n");
}

TEST_F(Logs, OfAFileThatCannotBeReadSayWhy) {
  journal("echo entry");
  ASSERT_EQ(mkfifo((root_ + "/pipe").c_str(), 0644), 0);
  EXPECT_THAT(query("query=pipe").body, StartsWith("\nerror getting log for pipe: open " + root_ + "/pipe: neither"));
}

TEST_F(Logs, WithoutAJournalAreFiles) {
  EXPECT_EQ(query("query=syslog").body, "first line\nsecond line\n");
  EXPECT_EQ(query("query=kubelet").body, "\nlog not found for kubelet\n");
}

TEST_F(Logs, OfAJournalAreNeverHeldAsAWhole) {
  journal("head -c 3000000 /dev/zero | tr '\\0' x");
  const FakeReply reply = query("query=kubelet");
  EXPECT_TRUE(reply.finished);
  EXPECT_EQ(reply.body.size(), 3'000'000u);
  EXPECT_LE(reply.largest_piece, 64u * 1024);
}

TEST_F(Logs, EndAJournalThatTakesTooLong) {
  journal("echo entry; echo $$ > pid; exec sleep 1000");
  FakeReply reply;
  base::Gate gate(loop_);
  const auto request = get("/logs/?query=kubelet");
  base::spawn(gate, "a request", handler().handle(request, reply));
  ASSERT_TRUE(pump_until(loop_, [&] { return pid_of_journal() > 0; }));
  clock_.advance(std::chrono::seconds(29));
  EXPECT_EQ(gate.tasks(), 1u);
  clock_.advance(std::chrono::seconds(1));
  ASSERT_TRUE(pump_until(loop_, [&] { return gate.tasks() == 0; }));
  EXPECT_EQ(reply.body, "entry\n");
  EXPECT_TRUE(reply.finished);
  EXPECT_NE(kill(pid_of_journal(), 0), 0) << "it runs on";
}

TEST_F(Logs, EndTheSearchInAJournalThatTakesTooLong) {
  ASSERT_TRUE(base::write_file(base_ + "/journalctl",
                               "#!/bin/sh\necho kubelet.service; echo $$ > " + base_ + "/pid; exec sleep 1000\n", 0755)
                  .ok());
  FakeReply reply;
  base::Gate gate(loop_);
  const auto request = get("/logs/?query=kubelet");
  base::spawn(gate, "a request", handler().handle(request, reply));
  ASSERT_TRUE(pump_until(loop_, [&] { return pid_of_journal() > 0; }));
  clock_.advance(std::chrono::seconds(30));
  ASSERT_TRUE(pump_until(loop_, [&] { return gate.tasks() == 0; }));
  EXPECT_EQ(reply.body, "\ncontext error: context deadline exceeded\n");
}

TEST_F(Logs, EndTheJournalWithTheRequest) {
  journal("echo $$ > pid; exec sleep 1000");
  FakeReply reply;
  base::Gate gate(loop_);
  const auto request = get("/logs/?query=kubelet");
  base::spawn(gate, "a request", handler().handle(request, reply));
  ASSERT_TRUE(pump_until(loop_, [&] { return pid_of_journal() > 0; }));
  ASSERT_TRUE(base::testing::stop_now(loop_, gate));
  EXPECT_TRUE(pump_until(loop_, [&] { return kill(pid_of_journal(), 0) != 0; }))
      << "it runs on, or nobody waited for it";
  EXPECT_EQ(reply.status, 0);
}

TEST_F(Logs, EndTheJournalWhenTheClientHasGone) {
  journal("echo $$ > pid; exec yes");
  FakeReply reply;
  reply.most_pieces = 3;
  node_api::testing::ask(loop_, handler(), get("/logs/?query=kubelet"), reply);
  EXPECT_EQ(reply.pieces, 3u);
  EXPECT_NE(kill(pid_of_journal(), 0), 0);
}

}  // namespace
}  // namespace keelson::node_api
