// Container logs as they lie on the disk: names, form, links, and who removes them. Source: contract 02 §19, §3.6.
#include <sys/stat.h>

#include <filesystem>
#include <regex>

#include "tests/integration/book.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

constexpr char kLinks[] = "/var/log/containers";

class LogsTest : public NodeTest {
 protected:
  // The links of this pod's containers: name -> target.
  std::map<std::string, std::string> links_of(const std::string& pod) {
    std::map<std::string, std::string> out;
    for (const auto& link : fs::directory_iterator(kLinks)) {
      std::error_code error;
      const auto target = fs::read_symlink(link.path(), error).string();
      if (!error && target.rfind(directory + "/logs/default_" + pod + "-node_", 0) == 0) {
        out[link.path().filename()] = target;
      }
    }
    return out;
  }
  static std::vector<std::string> names_in(const std::string& path) {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(path)) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
};

TEST_F(LogsTest, LinesHaveTheirTimeStreamAndWhetherTheyAreWhole) {
  // The runtime cuts at 16 KiB; what a process says last may have no end.
  place(pod("speaks",
            {shell("main", "echo out; echo err >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; printf unfinished")},
            {{"restartPolicy", "Never"}}));
  start();
  ASSERT_TRUE(eventually("its end", [&] { return seen("speaks").value("phase", "") == "Succeeded"; }));
  std::istringstream log(log_of("speaks", "main"));
  const std::regex form(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) (stdout|stderr) ([PF]) (.*)$)");
  std::map<std::string, std::string> said;  // stream -> text, with "\n" where a line is whole
  std::string flags;
  for (std::string line; std::getline(log, line);) {
    std::smatch parts;
    ASSERT_TRUE(std::regex_match(line, parts, form)) << line.substr(0, 100);
    const bool whole = parts[3] == "F";
    if (parts[2] == "stdout") flags += parts[3];
    said[parts[2]] += parts[4].str() + (whole ? "\n" : "");
  }
  EXPECT_EQ(said["stderr"], "err\n");
  EXPECT_EQ(said["stdout"], "out\n" + std::string(20000, 'x') + "\nunfinished");
  EXPECT_EQ(flags, "FPFP");
}

TEST_F(LogsTest, EachInstanceHasItsNumberedFileAndALinkWithItsId) {
  Book book(directory + "/book");
  place(book.pod("again", {Book::writer("main", "echo life; " + Book::await("end") + "rm /book/end; exit 1"),
                           shell("beside", std::string("echo beside; ") + kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("again"); }));
  const std::string logs = log_directory("again-node", seen("again")["uid"]);
  const auto link = [&](const std::string& container) {
    return "again-node_default_" + container + "-" + id_of("again", container) + ".log";
  };
  const auto links_are = [&](int instance) {
    return links_of("again") ==
           std::map<std::string, std::string>{{link("main"), logs + "/main/" + std::to_string(instance) + ".log"},
                                              {link("beside"), logs + "/beside/0.log"}};
  };
  EXPECT_EQ(names_in(logs), (std::vector<std::string>{"beside", "main"}));
  EXPECT_EQ(names_in(logs + "/main"), (std::vector<std::string>{"0.log"}));
  EXPECT_TRUE(eventually("the links", [&] { return links_are(0); }));
  struct stat found {};
  ASSERT_EQ(::stat((logs + "/main").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0755u);
  const std::string first = link("main");

  // The log of the dead instance stays with it, and goes when it has to make room for the next.
  book.lay("end");
  ASSERT_TRUE(eventually("the second life", [&] {
    return runs("again") && seen("again", "main")["restarts"] == 1 && names_in(logs + "/main").size() == 2;
  }));
  EXPECT_EQ(names_in(logs + "/main"), (std::vector<std::string>{"0.log", "1.log"}));
  EXPECT_TRUE(eventually("its link", [&] { return links_of("again")[link("main")] == logs + "/main/1.log"; }));
  EXPECT_EQ(links_of("again").count(first), 1u);
  EXPECT_EQ(links_of("again").size(), 3u);

  // The number goes on when the agent has been started anew.
  restart_after_kill();
  ASSERT_TRUE(eventually("the pod to be shown", [&] { return runs("again"); }));
  book.lay("end");
  ASSERT_TRUE(eventually("the third life", [&] { return runs("again") && seen("again", "main")["restarts"] == 2; }));
  EXPECT_TRUE(eventually("the first log to go", [&] {
    return names_in(logs + "/main") == std::vector<std::string>{"1.log", "2.log"} &&
           links_of("again").count(first) == 0;
  }));
  EXPECT_TRUE(
      eventually("its words", [&] { return log_of("again", "main", 2).find("stdout F life\n") != std::string::npos; }));

  const std::string uid = seen("again")["uid"];
  withdraw("again.yaml");
  comes_to_nothing("again", uid);
}

}  // namespace
}  // namespace keelson::integration
