#include "agent/metrics/process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/metrics/tests/text_reader.hpp"

namespace keelson::metrics {
namespace {

class ProcTree : public ::testing::Test {
 protected:
  ProcTree() {
    std::string pattern = ::testing::TempDir() + "procXXXXXX";
    root = mkdtemp(pattern.data());
    std::filesystem::create_directories(root + "/self/fd");
    std::filesystem::create_directories(root + "/self/net");
  }
  ~ProcTree() override { std::filesystem::remove_all(root); }
  void put(const std::string& path, const std::string& text) { std::ofstream(root + path) << text; }

  std::string root;
};

TEST_F(ProcTree, IsReadAsTheKernelWritesIt) {
  put("/stat", "cpu  1 2 3\nbtime 1795160000\nprocesses 5\n");
  // A name may hold blanks and parentheses.
  put("/self/stat",
      "42 (a) b (c)) S 1 42 42 0 -1 4194560 5 0 0 0 250 50 0 0 20 0 9 0 100000 1376821248 24058 18446744073709551615 "
      "1\n");
  put("/self/net/netstat",
      "TcpExt: SyncookiesSent InOctets\nTcpExt: 1 2\n"
      "IpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 668859636 925275121\n");
  for (const char* name : {"/self/fd/0", "/self/fd/1", "/self/fd/2"}) put(name, "");
  const ProcessFigures figures = read_process(root);
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(figures.cpu_seconds, 300 / ticks);
  EXPECT_DOUBLE_EQ(figures.start_time, 1795160000 + 100000 / ticks);
  EXPECT_DOUBLE_EQ(figures.virtual_bytes, 1376821248);
  EXPECT_DOUBLE_EQ(figures.resident_bytes, 24058.0 * static_cast<double>(sysconf(_SC_PAGESIZE)));
  EXPECT_DOUBLE_EQ(figures.received_bytes, 668859636);
  EXPECT_DOUBLE_EQ(figures.sent_bytes, 925275121);
  EXPECT_DOUBLE_EQ(figures.open_files, 3);
}

TEST_F(ProcTree, WhatCannotBeReadIsZero) {
  put("/self/stat", "42 (cut");
  put("/self/net/netstat", "IpExt: InOctets\n");
  const ProcessFigures figures = read_process(root);
  EXPECT_EQ(figures.cpu_seconds, 0);
  EXPECT_EQ(figures.start_time, 0);
  EXPECT_EQ(figures.received_bytes, 0);
}

TEST(Process, ItselfHasFiguresThatCanBe) {
  const ProcessFigures figures = read_process("/proc");
  EXPECT_GT(figures.resident_bytes, 1e6);
  EXPECT_GT(figures.virtual_bytes, figures.resident_bytes);
  EXPECT_GT(figures.start_time, 1.6e9);
  EXPECT_GE(figures.open_files, 3);
  EXPECT_GE(figures.open_files_limit, figures.open_files);
}

TEST(Process, HasTheFamiliesOfTheRecordedPages) {
  Page page;
  collect(ProcessFigures{}, page);
  const auto ours = testing::read_text(text(page));
  for (const auto& [name, family] : testing::read_text(testing::read_recorded("metrics.txt"))) {
    if (!name.starts_with("process_")) continue;
    ASSERT_EQ(ours.count(name), 1u) << name;
    EXPECT_EQ(ours.at(name).help, family.help);
    EXPECT_EQ(ours.at(name).type, family.type);
  }
  Page probes;
  collect_start_time(ProcessFigures{}, probes);
  const auto recorded = testing::read_text(testing::read_recorded("metrics-probes.txt"));
  EXPECT_EQ(testing::read_text(text(probes)).at("process_start_time_seconds").help,
            recorded.at("process_start_time_seconds").help);
}

}  // namespace
}  // namespace keelson::metrics
