#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

class Logs : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (!IsSkipped()) sandbox_ = run_sandbox(pod("box"));
  }
  std::string log_of(const std::string& name) { return directory_ + "/box/" + name + "/0.log"; }
  std::string sandbox_;
};

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream in(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_F(Logs, HaveTimeStreamTagAndText) {
  run_to_end(sandbox_, shell("main", "echo first line; echo to err >&2; printf unfinished"));
  ASSERT_TRUE(eventually([&] { return lines_of(log_of("main")).size() == 3; })) << read_file(log_of("main"));
  const std::regex format(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d) (stdout|stderr) ([FP]) (.*))");
  std::vector<std::string> found;
  for (const auto& line : lines_of(log_of("main"))) {
    std::smatch parts;
    ASSERT_TRUE(std::regex_match(line, parts, format)) << line;
    found.push_back(parts[3].str() + " " + parts[4].str() + " " + parts[5].str());
  }
  // Two pipes: their order is not kept.
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"stderr F to err", "stdout F first line", "stdout P unfinished"}));
}

TEST_F(Logs, AreThereFromTheStartOn) {
  run(sandbox_, program("main", {"sleep", "300"}));
  EXPECT_TRUE(std::filesystem::exists(log_of("main")));
  create(sandbox_, program("made", {"sleep", "300"}));
  EXPECT_FALSE(std::filesystem::exists(log_of("made")));
}

TEST_F(Logs, MakeTheirDirectoryWhereItIsMissing) {
  const auto id = create(sandbox_, program("main", {"sleep", "300"}));
  std::filesystem::remove_all(directory_ + "/box/main");
  const auto started = start(id);
  EXPECT_TRUE(started.ok()) << started.error_message();
  EXPECT_TRUE(std::filesystem::exists(log_of("main")));
}

TEST_F(Logs, ThatCannotBeOpenedKeepTheContainerFromStarting) {
  const auto id = create(sandbox_, program("main", {"sleep", "300"}));
  std::filesystem::remove_all(directory_ + "/box/main");
  std::ofstream(directory_ + "/box/main") << "in the way";
  const auto started = start(id);
  EXPECT_EQ(started.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_NE(started.error_message().find("not a directory"), std::string::npos) << started.error_message();
  EXPECT_EQ(status(id).state(), cri::CONTAINER_EXITED);
  EXPECT_EQ(status(id).exit_code(), 128);
  EXPECT_EQ(status(id).reason(), "StartError");
}

TEST_F(Logs, GoToANewFileOnlyAfterReopen) {
  const auto id = run(sandbox_, shell("main", "while true; do echo tick; sleep 0.05; done"));
  const auto log = log_of("main");
  ASSERT_TRUE(eventually([&] { return !lines_of(log).empty(); }));
  std::filesystem::rename(log, log + ".old");
  const auto count = lines_of(log + ".old").size();
  ASSERT_TRUE(eventually([&] { return lines_of(log + ".old").size() > count; })) << "the old file is still in use";
  EXPECT_FALSE(std::filesystem::exists(log));

  cri::ReopenContainerLogRequest request;
  request.set_container_id(id);
  cri::ReopenContainerLogResponse response;
  ASSERT_TRUE(client().call(&Runtime::ReopenContainerLog, request, response).ok());
  EXPECT_TRUE(eventually([&] { return !lines_of(log).empty(); }));
}

TEST_F(Logs, AreNotReopenedForWhatDoesNotRun) {
  const auto ended = run_to_end(sandbox_, shell("main", "exit 0")).id();
  cri::ReopenContainerLogRequest request;
  request.set_container_id(ended);
  cri::ReopenContainerLogResponse response;
  EXPECT_EQ(client().call(&Runtime::ReopenContainerLog, request, response).error_code(), grpc::StatusCode::UNKNOWN);
  request.set_container_id(kUnknownId);
  EXPECT_EQ(client().call(&Runtime::ReopenContainerLog, request, response).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace keelson::conformance
