// Manifests that cannot be used: one clear line each, and nobody else is disturbed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

class ManifestFaultsTest : public NodeTest {
 protected:
  // What is told about a manifest, as the log does it: one line for each thing wrong.
  int lines_about(const std::string& file) {
    return keelson->lines_with({"Static pod manifest", "source=\"" + manifest_path(file) + "\"", "problem="});
  }
  // What doctor says about it; empty when nothing.
  std::string finding_about(const std::string& file) {
    const json doctor = keelson->doctor();
    if (!doctor.is_object()) return "";
    for (const auto& finding : doctor["findings"]) {
      const std::string message = finding.value("message", "");
      if (message.find(manifest_path(file)) != std::string::npos) return message;
    }
    return "";
  }
};

TEST_F(ManifestFaultsTest, AreToldOnceEachAndDisturbNobody) {
  struct Row {
    std::string file;
    std::string text;
    std::string told;
  };
  const std::vector<Row> rows = {
      {"empty.yaml", "", "empty"},
      {"big.yaml", "# " + std::string(11 << 20, 'x'), "10 MiB"},
      {"utf8.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: \"bad\xff\xfe\"}\n", "UTF-8"},
      {"cut.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: cut", "cut.yaml"},
      {"other-kind.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n", "Service"},
      {"nameless.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: b}]}\n", "name"},
      {"wrong-type.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: wrong}\nspec: {containers: 5}\n", "containers"},
      {"no-image.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: no}\nspec: {containers: [{name: a}]}\n", "image"},
  };
  place(pod("good", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the good pod to run", [&] { return runs("good"); }));
  const std::string good = id_of("good", "main");

  for (const auto& row : rows) place(row.file, row.text);
  fs::create_directory(manifest_path("directory.yaml"));
  fs::create_symlink("loop-2.yaml", manifest_path("loop-1.yaml"));
  fs::create_symlink("loop-1.yaml", manifest_path("loop-2.yaml"));
  fs::create_symlink("/nowhere/at/all", manifest_path("dangling.yaml"));
  ASSERT_EQ(::mkfifo(manifest_path("pipe.yaml").c_str(), 0644), 0);
  place(".hidden.yaml", "{{{");
  std::string unknown = pod("unknown-field", {shell("main", kSleep)}).dump();
  unknown.insert(unknown.find("\"spec\":{") + 8, "\"colour\":\"blue\",");
  place("unknown-field.yaml", unknown);
  place("z-after.yaml", pod("after", {shell("main", kSleep)}).dump());

  ASSERT_TRUE(eventually("the pods that are good enough", [&] { return runs("after") && runs("unknown-field"); }));
  std::vector<std::string> refused = {"loop-1.yaml", "loop-2.yaml", "dangling.yaml", "unknown-field.yaml"};
  for (const auto& row : rows) refused.push_back(row.file);
  for (const auto& file : refused) {
    SCOPED_TRACE(file);
    ASSERT_TRUE(eventually("it to be told", [&] { return lines_about(file) > 0; }));
    EXPECT_EQ(lines_about(file), 1);
    EXPECT_NE(finding_about(file), "") << "doctor does not know it";
  }
  for (const auto& row : rows) {
    EXPECT_GT(keelson->lines_with({"Static pod manifest refused", row.file, row.told}), 0) << row.file;
  }
  EXPECT_EQ(lines_about("directory.yaml"), 0);
  EXPECT_EQ(lines_about(".hidden.yaml"), 0);
  EXPECT_GT(keelson->lines_with({"unknown-field.yaml", "colour"}), 0);
  EXPECT_EQ(id_of("good", "main"), good);
  EXPECT_EQ(keelson->ps()["pods"].size(), 3u);
  EXPECT_EQ(keelson->healthz().status, 200);

  // Put right, it runs, and the complaint is gone.
  place("empty.yaml", pod("filled", {shell("main", kSleep)}).dump());
  ASSERT_TRUE(eventually("the corrected one", [&] { return runs("filled"); }));
  EXPECT_EQ(finding_about("empty.yaml"), "");
}

TEST_F(ManifestFaultsTest, OfOneNameGiveOnePodAndOneComplaint) {
  place("a.yaml", pod("twin", {shell("main", kSleep)}).dump());
  start();
  ASSERT_TRUE(eventually("the first to run", [&] { return runs("twin"); }));
  const std::string id = id_of("twin", "main");
  place("b.yaml", pod("twin", {shell("main", kSleep), shell("more", kSleep)}).dump());
  ASSERT_TRUE(eventually("the second to be told", [&] { return lines_about("b.yaml") > 0; }));
  EXPECT_EQ(lines_about("b.yaml"), 1);
  place(pod("after", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("another pod to run", [&] { return runs("after"); }));
  EXPECT_EQ(id_of("twin", "main"), id);
  EXPECT_EQ(runtime->sandboxes_of("twin-node").size(), 1u);
}

TEST_F(ManifestFaultsTest, ThatTurnBadKeepTheirPods) {
  place(pod("kept", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("kept"); }));
  const std::string id = id_of("kept", "main");
  const std::string text = read_text(manifest_path("kept.yaml"));
  place("kept.yaml", text.substr(0, text.size() / 2));
  ASSERT_TRUE(eventually("the refusal", [&] { return lines_about("kept.yaml") == 1; }));
  EXPECT_GT(keelson->lines_with({"kept.yaml", "running_pod_kept=true"}), 0);
  EXPECT_NE(finding_about("kept.yaml"), "");
  place(pod("after", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("another pod to run", [&] { return runs("after"); }));
  EXPECT_EQ(id_of("kept", "main"), id);

  place("kept.yaml", text);
  ASSERT_TRUE(eventually("the problem to be gone", [&] { return finding_about("kept.yaml").empty(); }));
  EXPECT_TRUE(runs("kept"));
  EXPECT_EQ(id_of("kept", "main"), id);
}

TEST_F(ManifestFaultsTest, AreNotReadBeforeTheyAreWrittenToTheEnd) {
  start();
  // Its first half is a good manifest already, of another pod.
  const std::string first =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: halves}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n"
      "  - {name: first, image: \"keelson.local/busybox:1\", imagePullPolicy: Never, command: [sleep, \"1000\"]}\n";
  const std::string second =
      "  - {name: second, image: \"keelson.local/busybox:1\", imagePullPolicy: Never, command: [sleep, \"1000\"]}\n";
  base::UniqueFd file(::open(manifest_path("halves.yaml").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::write(file.get(), first.data(), first.size()), static_cast<ssize_t>(first.size()));
  // Another manifest has gone its whole way meanwhile.
  place(pod("other", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("the other to run", [&] { return runs("other"); }));
  EXPECT_TRUE(seen("halves").empty());
  ASSERT_EQ(::write(file.get(), second.data(), second.size()), static_cast<ssize_t>(second.size()));
  file.reset();
  ASSERT_TRUE(eventually("both halves to run", [&] { return runs("halves"); }));
  EXPECT_EQ(seen("halves")["containers"].size(), 2u);
  EXPECT_EQ(runtime->sandboxes_of("halves-node").size(), 1u);
}

}  // namespace
}  // namespace keelson::integration
