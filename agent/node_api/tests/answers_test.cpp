#include "agent/node_api/answers.hpp"

#include "agent/node_api/go_number.hpp"
#include "agent/node_api/piece_writer.hpp"
#include "agent/node_api/tests/fake_reply.hpp"
#include "agent/node_api/unit_search.hpp"
#include "agent/server/gzip.hpp"

namespace keelson::node_api {
namespace {

using testing::FakeReply;

TEST(Answers, EscapeInJsonWhatGoEscapes) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"a":"plain"})", R"({"a":"plain"})"},
      {R"({"a":"1 < 2 && 3 > 2"})", R"({"a":"1 \u003c 2 \u0026\u0026 3 \u003e 2"})"},
      {"\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa6\"", "\"\\u2028\\u2029\xe2\x80\xa6\""},
      {"\"\xe2", "\"\xe2"},
      {"<", "\\u003c"},
      {"", ""},
  };
  for (const auto& [given, wanted] : rows) EXPECT_EQ(escape_json(given), wanted) << given;
}

TEST(GoNumber, ReadsWhatStrconvReads) {
  struct Row {
    const char* text;
    int bits;
    std::int64_t value;
    const char* error;
  };
  const Row rows[] = {
      {"0", 64, 0, ""},
      {"-12", 64, -12, ""},
      {"+7", 64, 7, ""},
      {"007", 64, 7, ""},
      {"9223372036854775807", 64, INT64_MAX, ""},
      {"2147483647", 32, 2147483647, ""},
      {"2147483648", 32, 0, "strconv.Atoi: parsing \"2147483648\": value out of range"},
      {"9223372036854775808", 64, 0, "strconv.Atoi: parsing \"9223372036854775808\": value out of range"},
      {"", 64, 0, "strconv.Atoi: parsing \"\": invalid syntax"},
      {"-", 64, 0, "strconv.Atoi: parsing \"-\": invalid syntax"},
      {"+-1", 64, 0, "strconv.Atoi: parsing \"+-1\": invalid syntax"},
      {"1_000", 64, 0, "strconv.Atoi: parsing \"1_000\": invalid syntax"},
      {"5\n", 64, 0, "strconv.Atoi: parsing \"5\\n\": invalid syntax"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto number = go_integer(row.text, "Atoi", row.bits);
    EXPECT_EQ(number.ok() ? "" : number.error().message(), row.error);
    EXPECT_EQ(number.value_or(0), row.value);
  }
}

// Writes `count` times `text`; the number of writes that succeeded.
base::Task<int> write_often(FakeReply* reply, std::string text, int count) {
  server::Response head;
  head.status = 203;
  PieceWriter out(*reply, std::move(head));
  int written = 0;
  for (; written < count; ++written) {
    const auto added = co_await out.add(text);
    if (!added.ok()) co_return written;
  }
  const auto ended = co_await out.end();
  co_return ended.ok() ? written : -1;
}

class PieceWriterTest : public ::testing::Test {
 protected:
  int write(std::string text, int count) {
    return base::testing::run_real(loop_, write_often(&reply_, std::move(text), count));
  }
  base::Loop loop_;
  FakeReply reply_;
};

TEST_F(PieceWriterTest, SendsWhatIsShortInOne) {
  EXPECT_EQ(write("abc", 3), 3);
  EXPECT_TRUE(reply_.whole);
  EXPECT_EQ(reply_.status, 203);
  EXPECT_EQ(reply_.body, "abcabcabc");
}

TEST_F(PieceWriterTest, SendsNothingInOne) {
  EXPECT_EQ(write("", 1), 1);
  EXPECT_TRUE(reply_.whole);
  EXPECT_EQ(reply_.body, "");
}

TEST_F(PieceWriterTest, SendsWhatIsLongInPieces) {
  const std::string text(1000, 'x');
  EXPECT_EQ(write(text, 500), 500);
  EXPECT_FALSE(reply_.whole);
  EXPECT_TRUE(reply_.finished);
  EXPECT_EQ(reply_.status, 203);
  EXPECT_EQ(reply_.body.size(), 500'000u);
  EXPECT_LT(reply_.largest_piece, PieceWriter::piece_size + 1000);
}

TEST_F(PieceWriterTest, StopsWhenTheClientHasGone) {
  reply_.most_pieces = 2;
  EXPECT_LT(write(std::string(1000, 'x'), 500), 120);
  EXPECT_FALSE(reply_.finished);
}

TEST(Gzip, IsReadBackWhateverThePieces) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919 % 1000) + " ";
  for (const std::size_t size : {std::size_t{1000}, std::size_t{70000}, text.size()}) {
    SCOPED_TRACE(size);
    server::Gzip gzip;
    std::string packed;
    for (std::size_t at = 0; at < text.size(); at += size) packed += gzip.add(text.substr(at, size));
    packed += gzip.end();
    EXPECT_LT(packed.size(), text.size() / 2);
    EXPECT_EQ(testing::gunzip(packed), text);
  }
}

TEST(Gzip, OfNothingIsAGzipOfNothing) {
  server::Gzip gzip;
  EXPECT_EQ(testing::gunzip(gzip.end()), "");
}

TEST(UnitSearch, FindsAUnitWhereverAPieceBegins) {
  const std::string text = "cron.service\nkubelet.service\nuser@1000.service\n";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    SCOPED_TRACE(size);
    UnitSearch search({"kubelet", "user@1000", "docker", "cron"});
    for (std::size_t at = 0; at < text.size(); at += size) search.add(text.substr(at, size));
    EXPECT_TRUE(search.found("kubelet"));
    EXPECT_TRUE(search.found("user@1000"));
    EXPECT_TRUE(search.found("cron"));
    EXPECT_FALSE(search.found("docker"));
  }
}

}  // namespace
}  // namespace keelson::node_api
