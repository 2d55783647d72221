// What the tests of config share: files that are not there, and short ways to load.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "config/dump.hpp"
#include "config/files.hpp"
#include "config/load.hpp"

namespace keelson::config::testing {

// Files in memory. Folders are there when a file is below them, or when made.
class FakeFiles final : public Files {
 public:
  FakeFiles() = default;
  FakeFiles(std::initializer_list<std::pair<const std::string, std::string>> files) : files_(files) {}

  void put(const std::string& path, const std::string& text) { files_[path] = text; }
  void make_directory(const std::string& path) { directories_.push_back(path); }

  Result<std::string> read(const std::string& path) const override {
    const auto it = files_.find(path);
    if (it == files_.end()) return Error(ErrorKind::not_found, "open " + path + ": No such file or directory");
    return it->second;
  }
  Result<std::vector<Entry>> list(const std::string& path) const override {
    std::map<std::string, bool> names;
    for (const auto& [file, text] : files_) {
      if (!file.starts_with(path + "/")) continue;
      const std::string rest = file.substr(path.size() + 1);
      names[rest.substr(0, rest.find('/'))] |= rest.find('/') != std::string::npos;
    }
    if (names.empty() && !is_directory(path)) {
      return Error(ErrorKind::not_found, "open " + path + ": No such file or directory");
    }
    std::vector<Entry> entries;
    for (const auto& [name, directory] : names) entries.insert(entries.begin(), Entry{name, directory});  // unsorted
    return entries;
  }
  bool is_directory(const std::string& path) const override {
    for (const std::string& directory : directories_) {
      if (directory == path) return true;
    }
    for (const auto& [file, text] : files_) {
      if (file.starts_with(path + "/")) return true;
    }
    return false;
  }
  std::string working_directory() const override { return "/cwd"; }

 private:
  std::map<std::string, std::string> files_;
  std::vector<std::string> directories_;
};

inline const std::string kHeader = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

inline std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

// The errors of an outcome; none when it is no refusal.
inline std::vector<std::string> errors_of(const Outcome& outcome) {
  const auto* refuse = std::get_if<Refuse>(&outcome);
  return refuse == nullptr ? std::vector<std::string>{} : refuse->errors;
}

inline std::vector<std::string> warnings_of(const Outcome& outcome) {
  return std::visit([](const auto& alternative) { return alternative.warnings; }, outcome);
}

// Loads `body` (below the usual header) as /etc/kubelet.yaml, with an API server.
inline Outcome load_body(const std::string& body, std::vector<std::string> more = {}, FakeFiles files = {}) {
  files.put("/etc/kubelet.yaml", kHeader + body);
  std::vector<std::string> args = {"--config=/etc/kubelet.yaml", "--kubeconfig=/etc/kubelet.conf"};
  args.insert(args.end(), more.begin(), more.end());
  return load(args, files);
}

// The configuration of an outcome that must be one to run with.
inline Configuration must_run(const Outcome& outcome) {
  const auto* run = std::get_if<Run>(&outcome);
  EXPECT_NE(run, nullptr) << "refused:\n" << joined(errors_of(outcome));
  return run == nullptr ? Configuration{} : run->configuration;
}

// The value at a dotted path of /configz; null when it is left out.
inline nlohmann::json shown_at(const KubeletConfiguration& configuration, const std::string& path) {
  nlohmann::json node = to_json(configuration);
  std::size_t start = 0;
  while (start <= path.size() && node.is_object()) {
    const auto dot = std::min(path.find('.', start), path.size());
    const auto it = node.find(path.substr(start, dot - start));
    if (it == node.end()) return nullptr;
    const nlohmann::json below = *it;
    node = below;
    if (dot == path.size()) return node;
    start = dot + 1;
  }
  return nullptr;
}

}  // namespace keelson::config::testing
