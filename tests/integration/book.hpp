// Book: a directory of the host that containers see as /book, where they write what happens to them line by line, and
// where they find what they wait for. What it says does not depend on when anybody looks.
//
// Owner: a test, whose directory it lies in. Thread: the test's.
#pragma once

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {

class Book {
 public:
  explicit Book(std::string directory) : directory_(std::move(directory)) {
    std::filesystem::create_directory(directory_);
    (void)base::write_file(directory_ + "/lines", "", 0644);
    // Whoever runs in a container may write.
    std::filesystem::permissions(directory_, std::filesystem::perms(0777));
    std::filesystem::permissions(directory_ + "/lines", std::filesystem::perms(0666));
  }

  json volume() const { return {{"name", "book"}, {"hostPath", {{"path", directory_}}}}; }
  // A container that has the book and runs this script.
  static json writer(const std::string& name, const std::string& script, json more = json::object()) {
    more["volumeMounts"].push_back({{"name", "book"}, {"mountPath", "/book"}});
    return shell(name, script, std::move(more));
  }
  // A pod of such containers.
  json pod(const std::string& name, json containers, json spec = json::object()) const {
    spec["volumes"].push_back(volume());
    return integration::pod(name, std::move(containers), std::move(spec));
  }
  // Shell: writes the line; waits until the test has laid that file into the book.
  static std::string say(const std::string& line) { return "echo " + line + " >> /book/lines; "; }
  static std::string await(const std::string& file) {
    return "while ! test -f /book/" + file + "; do sleep 0.1; done; ";
  }

  void lay(const std::string& file) const { (void)base::write_file(directory_ + "/" + file, "", 0644); }
  std::vector<std::string> lines() const {
    std::istringstream text(read_text(directory_ + "/lines"));
    std::vector<std::string> out;
    for (std::string line; std::getline(text, line);) out.push_back(line);
    return out;
  }
  // How often it was written.
  std::size_t count(const std::string& line) const {
    const auto all = lines();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), line));
  }

 private:
  std::string directory_;
};

}  // namespace keelson::integration
