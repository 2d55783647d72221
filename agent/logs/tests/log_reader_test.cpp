// Logs of real files, read and followed on virtual time.
#include "agent/logs/log_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <vector>

#include "agent/logs/tests/fakes.hpp"
#include "agent/logs/tests/fixture.hpp"

namespace keelson::logs {
namespace {

using ::testing::HasSubstr;

base::Task<void> read_into(LogReader* reader, LogOrder order, LogSink* sink, std::optional<Status>* outcome) {
  auto status = co_await reader->read(std::move(order), *sink);
  outcome->emplace(std::move(status));
}

class LogReaderTest : public LoopTest {
 protected:
  ~LogReaderTest() override {
    stop_clients();
    stop(reader);
  }

  // A client with its own sink.
  struct Client {
    explicit Client(base::Loop& loop) : sink(loop) {}
    FakeSink sink;
    std::optional<Status> outcome;
  };
  std::unique_ptr<Client> begin(const std::string& path, const LogOptions& options, const std::string& id = "c1") {
    auto client = std::make_unique<Client>(loop);
    LogOrder order{path, id, options};
    base::spawn(clients, "client", read_into(&reader, std::move(order), &client->sink, &client->outcome));
    return client;
  }
  std::unique_ptr<Client> follow(const std::string& path, LogOptions options = {}) {
    options.follow = true;
    auto client = begin(path, options);
    settle();
    return client;
  }
  // What one who does not follow is shown; an error's text comes last.
  std::string show(const std::string& path, const LogOptions& options = {}) {
    auto client = begin(path, options);
    settle();
    KEELSON_CHECK(client->outcome.has_value());
    return client->sink.text + (client->outcome->ok() ? "" : client->outcome->error().to_string());
  }
  void stop_clients() {
    base::Gate ending(loop);
    base::spawn(ending, "stop", clients.stop());
    settle();
    KEELSON_CHECK(ending.tasks() == 0);
  }

  TempDirectory directory;
  const std::string log = directory.path("0.log");
  FakeState state{loop};
  LogReader reader{LogReader::Base{loop, clock, pool, state, base::Logger()}};
  base::Gate clients{loop};
};

TEST_F(LogReaderTest, ShowsALogToItsEndWithAnUnfinishedLastRecord) {
  write_log(log, record("one") + record("two") + "2026-01-02T03:04:05Z stdout F three");
  EXPECT_EQ(show(log), "one\ntwo\nthree");
  EXPECT_EQ(state.total(), 0) << "nobody follows";
}

TEST_F(LogReaderTest, ShowsTheTailSinceATimeUpToALimit) {
  write_log(log, record("one", 1) + record("two", 2) + record("three", 3) + record("four", 4));
  LogOptions options;
  options.tail = 3;
  EXPECT_EQ(show(log, options), "two\nthree\nfour\n");
  options.since = parse_log_time("2026-01-02T03:04:03Z");
  EXPECT_EQ(show(log, options), "three\nfour\n");
  options.limit = 8;
  EXPECT_EQ(show(log, options), "three\nfo");
  options.tail = 0;
  EXPECT_EQ(show(log, options), "");
}

TEST_F(LogReaderTest, ATailIsComplete) {
  // The unfinished record is not counted, and no more than are asked for are shown: the kubelet does the same.
  write_log(log, record("one") + record("two") + "2026-01-02T03:04:05Z stdout F thr");
  LogOptions options;
  options.tail = 1;
  EXPECT_EQ(show(log, options), "two\n");
}

TEST_F(LogReaderTest, ALargeLogComesInPiecesThatAClientCanTake) {
  std::string text;
  std::string shown;
  for (int i = 0; i < 60'000; ++i) {
    const std::string line = "line " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 90), '.');
    text += record(line);
    shown += line + "\n";
  }
  write_log(log, text);
  auto client = begin(log, {});
  settle();
  EXPECT_TRUE(client->sink.text == shown);
  EXPECT_LE(client->sink.largest, 2 * LogCursor::most_out);
}

TEST_F(LogReaderTest, TheTailOfAHugeLogIsFoundFromItsEnd) {
  // 200 GB that are not there: whoever reads them from the front is still at it tomorrow.
  {
    Writer writer(log);
    KEELSON_CHECK(::truncate(log.c_str(), 200'000'000'000) == 0);
    writer.write("\n" + record("one") + record("two") + record("three"));
  }
  LogOptions options;
  options.tail = 2;
  EXPECT_EQ(show(log, options), "two\nthree\n");
}

TEST_F(LogReaderTest, NamesWhatIsWrongWithALog) {
  EXPECT_EQ(show(log),
            "failed to try resolving symlinks in path \"" + log + "\": lstat " + log + ": no such file or directory");
  const std::string deep = directory.path("pod/c/0.log");
  EXPECT_EQ(show(deep), "failed to try resolving symlinks in path \"" + deep + "\": lstat " + directory.path("pod") +
                            ": no such file or directory");
  write_log(log, "this is no log\n");
  EXPECT_EQ(show(log), "failed to get parse function: unsupported log format: \"this is no log\\n\"");
  const std::string folder = directory.path("folder");
  ASSERT_EQ(::mkdir(folder.c_str(), 0755), 0);
  EXPECT_THAT(show(folder), HasSubstr("failed to open log file"));
}

TEST_F(LogReaderTest, FollowsALinkToItsLog) {
  const std::string link = directory.path("link.log");
  write_log(log, record("one"));
  ASSERT_EQ(::symlink(log.c_str(), link.c_str()), 0);
  auto client = follow(link);
  write_log(log, record("two"));
  settle();
  EXPECT_EQ(client->sink.text, "one\ntwo\n");
}

TEST_F(LogReaderTest, ShowsWhatIsWrittenAsItIsWritten) {
  Writer writer(log);
  writer.line("one");
  auto client = follow(log);
  EXPECT_EQ(client->sink.text, "one\n");
  for (int i = 0; i < 5; ++i) {
    writer.line(std::to_string(i));
    settle();
    EXPECT_THAT(client->sink.text, ::testing::EndsWith(std::to_string(i) + "\n")) << "no time has to pass";
  }
  EXPECT_FALSE(client->outcome);
}

TEST_F(LogReaderTest, KeepsAnUnfinishedRecordBackUntilItsEnd) {
  Writer writer(log);
  writer.line("one");
  writer.write("2026-01-02T03:04:05Z stdo");
  auto client = follow(log);
  EXPECT_EQ(client->sink.text, "one\n");
  writer.write("ut F tw");
  settle();
  EXPECT_EQ(client->sink.text, "one\n");
  writer.write("o\n");
  settle();
  EXPECT_EQ(client->sink.text, "one\ntwo\n");
}

TEST_F(LogReaderTest, AFollowedTailGoesOnAfterIt) {
  Writer writer(log);
  for (int i = 0; i < 5; ++i) writer.line(std::to_string(i));
  LogOptions options;
  options.tail = 2;
  auto client = follow(log, options);
  EXPECT_EQ(client->sink.text, "3\n4\n");
  writer.line("5");
  settle();
  EXPECT_EQ(client->sink.text, "3\n4\n5\n");

  options.tail = 0;
  auto fresh = follow(log, options);
  EXPECT_EQ(fresh->sink.text, "");
  writer.line("6");
  settle();
  EXPECT_EQ(fresh->sink.text, "6\n");
}

TEST_F(LogReaderTest, TheLimitEndsAFollow) {
  Writer writer(log);
  writer.line("one");
  LogOptions options;
  options.limit = 6;
  auto client = follow(log, options);
  EXPECT_FALSE(client->outcome);
  writer.line("two");
  settle();
  EXPECT_EQ(client->sink.text, "one\ntw");
  ASSERT_TRUE(client->outcome);
  EXPECT_TRUE(client->outcome->ok());
}

TEST_F(LogReaderTest, LosesNothingOverARotation) {
  Writer old(log);
  old.line("one");
  auto client = follow(log);
  rename_file(log, log + ".20260102-030405");
  settle();
  old.line("two, under another name");
  settle();
  EXPECT_EQ(client->sink.text, "one\ntwo, under another name\n");
  Writer fresh(log);
  fresh.line("four, in the new file");
  settle();
  old.line("three, late");
  old.close();
  settle();
  EXPECT_EQ(client->sink.text, "one\ntwo, under another name\nthree, late\nfour, in the new file\n");
  fresh.line("five");
  settle();
  EXPECT_THAT(client->sink.text, ::testing::EndsWith("five\n"));
}

TEST_F(LogReaderTest, GoesOverToTheNewFileSoonWhenTheOldOneStaysOpen) {
  Writer old(log);
  old.line("one");
  auto client = follow(log);
  rename_file(log, log + ".20260102-030405");
  Writer fresh(log);
  fresh.line("two");
  settle();
  EXPECT_EQ(client->sink.text, "one\n");
  pass(LogReader::late_lines);
  EXPECT_EQ(client->sink.text, "one\ntwo\n");
}

TEST_F(LogReaderTest, ARuntimeThatClosesBeforeItOpensLosesNoTime) {
  Writer old(log);
  old.line("one");
  auto client = follow(log);
  rename_file(log, log + ".20260102-030405");
  old.close();
  settle();
  write_log(log, record("two"));
  settle();
  EXPECT_EQ(client->sink.text, "one\ntwo\n");
}

TEST_F(LogReaderTest, ARotationThatWasTakenBackChangesNothing) {
  Writer writer(log);
  writer.line("one");
  auto client = follow(log);
  rename_file(log, log + ".20260102-030405");
  writer.line("two");
  settle();
  rename_file(log + ".20260102-030405", log);
  writer.line("three");
  settle();
  EXPECT_EQ(client->sink.text, "one\ntwo\nthree\n");
}

TEST_F(LogReaderTest, ASlowClientGetsTheFilesBetweenToo) {
  write_log(log, record("one"));
  auto client = follow(log);
  client->sink.blocked = true;
  write_log(log, record("two"));
  settle();
  const std::string first = log + ".20260102-030405", second = log + ".20260102-030406";
  rename_file(log, first);
  write_log(log, record("three"));
  settle();
  rename_file(log, second);
  write_log(log, record("four"));
  // What is older, or compressed, does not follow it.
  const std::string older = log + ".20260102-030404";
  write_log(older, record("zero"));
  write_log(older + ".gz", "compressed");
  set_written(older, 3);
  set_written(first, 5);
  set_written(second, 6);
  settle();
  EXPECT_EQ(client->sink.text, "one\n");
  client->sink.let_go();
  for (int i = 0; i < 4; ++i) pass(LogReader::late_lines);
  EXPECT_EQ(client->sink.text, "one\ntwo\nthree\nfour\n");
}

TEST_F(LogReaderTest, ALogThatIsCutIsReadFromItsBeginning) {
  Writer writer(log);
  writer.line("a long first line");
  auto client = follow(log);
  KEELSON_CHECK(::truncate(log.c_str(), 0) == 0);
  settle();
  writer.line("two");
  settle();
  EXPECT_EQ(client->sink.text, "a long first line\ntwo\n");
}

TEST_F(LogReaderTest, EndsWithItsContainerAfterTheLastByte) {
  Writer writer(log);
  writer.line("one");
  auto client = follow(log);
  EXPECT_FALSE(client->outcome);
  state.ended.insert("c1");
  writer.line("last words");
  writer.close();
  pass(ContainerLives::least_rest);
  EXPECT_EQ(client->sink.text, "one\nlast words\n");
  ASSERT_TRUE(client->outcome) << "a log that is closed is asked about at once";
  EXPECT_TRUE(client->outcome->ok());
}

TEST_F(LogReaderTest, NoticesTheEndOfAContainerWhoseLogStaysOpen) {
  Writer writer(log);
  writer.line("one");
  auto client = follow(log);
  state.ended.insert("c1");
  pass(999ms);
  EXPECT_FALSE(client->outcome);
  pass(1ms);
  EXPECT_TRUE(client->outcome) << "a second after it was asked about first";
}

TEST_F(LogReaderTest, TheLogOfAContainerThatHasEndedIsShownAndThatIsIt) {
  write_log(log, record("one") + "2026-01-02T03:04:05Z stdout F cut");
  state.ended.insert("c1");
  auto client = follow(log);
  EXPECT_EQ(client->sink.text, "one\n");
  EXPECT_TRUE(client->outcome);
}

TEST_F(LogReaderTest, AContainerThatEndsDuringARotationIsReadToTheEndOfTheNewFile) {
  Writer old(log);
  old.line("one");
  auto client = follow(log);
  rename_file(log, log + ".20260102-030405");
  Writer fresh(log);
  fresh.line("two");
  state.gone.insert("c1");
  fresh.close();
  pass(ContainerLives::least_rest);
  EXPECT_EQ(client->sink.text, "one\ntwo\n");
  EXPECT_TRUE(client->outcome);
}

TEST_F(LogReaderTest, GoesOnWhileTheRuntimeIsAway) {
  Writer writer(log);
  state.away = true;
  auto client = follow(log);
  for (int i = 0; i < 20; ++i) pass(1s);
  writer.line("still here");
  settle();
  EXPECT_EQ(client->sink.text, "still here\n");
  EXPECT_FALSE(client->outcome);
  state.away = false;
  state.ended.insert("c1");
  pass(ContainerLives::most_rest);
  EXPECT_TRUE(client->outcome);
}

TEST_F(LogReaderTest, ARuntimeThatHangsHoldsUpNoLine) {
  Writer writer(log);
  state.hanging = true;
  auto client = follow(log);
  writer.line("one");
  settle();
  EXPECT_EQ(client->sink.text, "one\n");
  pass(60s);
  EXPECT_EQ(state.total(), 1) << "one question at a time";
  state.ended.insert("c1");
  state.let_go();
  settle();
  EXPECT_TRUE(client->outcome);
}

TEST_F(LogReaderTest, AClientThatHasGoneEndsItAndIsNoError) {
  Writer writer(log);
  auto client = follow(log);
  client->sink.broken = true;
  writer.line("one");
  settle();
  ASSERT_TRUE(client->outcome);
  EXPECT_TRUE(client->outcome->ok());
}

TEST_F(LogReaderTest, EndsAtOnceWhenItIsCancelled) {
  Writer writer(log);
  auto waiting = follow(log);
  auto writing = follow(log);
  writing->sink.blocked = true;
  writer.line("one");
  settle();
  stop_clients();
  EXPECT_FALSE(waiting->outcome || writing->outcome);
  EXPECT_EQ(clients.tasks(), 0u);
}

TEST_F(LogReaderTest, TwoHundredFollowersCostLittleWhileNothingHappens) {
  LogOptions options;
  options.follow = true;
  std::vector<std::unique_ptr<Client>> all;
  std::vector<Writer> writers;
  for (int i = 0; i < 200; ++i) {
    const std::string path = directory.path(std::to_string(i % 100) + ".log");
    if (i < 100) writers.emplace_back(path);
    all.push_back(begin(path, options, "c" + std::to_string(i % 100)));
  }
  settle();
  EXPECT_EQ(state.total(), 100) << "two followers of a container share a question";
  for (int i = 0; i < 60; ++i) pass(1s);
  EXPECT_LE(state.total(), 100 * 16);
  for (auto& writer : writers) writer.line("hello");
  settle();
  for (const auto& client : all) EXPECT_EQ(client->sink.text, "hello\n");
}

}  // namespace
}  // namespace keelson::logs
