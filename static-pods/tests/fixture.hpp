// What the tests of this module share: a temporary directory, a listener that remembers, manifests, a pump.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/loop.hpp"
#include "static-pods/source.hpp"

namespace keelson::static_pods::testing {

namespace fs = std::filesystem;

class TempDir {
 public:
  TempDir() {
    std::string name = (fs::temp_directory_path() / "keelson-static-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
}

// As careful tools do it: written beside, then moved into place.
inline void place(const std::string& path, const std::string& content) {
  const auto slash = path.find_last_of('/');
  const std::string temporary = path.substr(0, slash + 1) + ".new-" + path.substr(slash + 1);
  write(temporary, content);
  fs::rename(temporary, path);
}

inline std::string manifest(const std::string& name, const std::string& image = "busybox:1.37") {
  return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name +
         "\nspec:\n  containers:\n  - name: main\n    image: " + image + "\n";
}

class Recorder final : public Listener {
 public:
  void on_pods(std::vector<StaticPod> pods) override {
    ++deliveries;
    current = std::move(pods);
  }
  void on_event(SourceEvent event) override { events.push_back(std::move(event)); }

  std::vector<std::string> names() const {
    std::vector<std::string> list;
    for (const auto& pod : current) list.push_back(pod.pod->metadata().name());
    return list;
  }
  std::string image(std::size_t i = 0) const { return current.at(i).pod->spec().containers(0).image(); }

  int deliveries = 0;
  std::vector<StaticPod> current;
  std::vector<SourceEvent> events;
};

using Strings = std::vector<std::string>;

inline base::Task<void> note_end(base::Task<void> task, bool* ended) {
  co_await std::move(task);
  *ended = true;
}

// A loop on real time (files and inotify are real), pumped until something holds.
class Bench {
 public:
  Bench()
      : clock(loop),
        pool(loop, clock, 2),
        log(std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                            [this](auto line) { lines.emplace_back(line); })) {}

  // False after ten seconds.
  bool until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    auto keep_waiting = boost::asio::make_work_guard(loop.context());
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop.context().restart();
      loop.context().run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  // Whether `holds` stays true for that long; for what must not happen.
  bool stays(std::chrono::milliseconds time, const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      if (!holds()) return false;
      loop.context().restart();
      loop.context().run_one_for(std::chrono::milliseconds(5));
    }
    return holds();
  }
  void finish(base::Task<void> task) {
    base::Gate gate(loop);
    bool ended = false;
    base::spawn(gate, "finish", note_end(std::move(task), &ended));
    EXPECT_TRUE(until([&] { return ended && gate.tasks() == 0; }));
  }
  int lines_with(const std::string& text) const {
    int count = 0;
    for (const auto& line : lines) count += line.find(text) != std::string::npos ? 1 : 0;
    return count;
  }

  std::vector<std::string> lines;
  base::Loop loop;
  base::RealClock clock;
  base::BlockingPool pool;
  base::Logger log;
};

}  // namespace keelson::static_pods::testing
