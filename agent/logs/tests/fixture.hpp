// What the tests of logs share: a directory of their own, a runtime that writes logs, and a loop with its pool.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/gate.hpp"
#include "base/loop.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::logs {

using namespace std::chrono_literals;

class TempDirectory {
 public:
  TempDirectory() {
    char name[] = "/tmp/keelson-logs-XXXXXX";
    KEELSON_CHECK(::mkdtemp(name) != nullptr);
    top_ = name;
  }
  ~TempDirectory() { (void)base::remove_tree(top_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  std::string path(const std::string& name) const { return top_ + "/" + name; }
  std::vector<std::string> names() const { return base::list_directory(top_).value_or({}); }

 private:
  std::string top_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// A record of a given second with a full line.
inline std::string record(std::string_view text, int second = 1) {
  const std::string two = std::to_string(100 + second).substr(1);
  return "2026-01-02T03:04:" + two + ".000000000Z stdout F " + std::string(text) + "\n";
}

// The runtime's end of a log file: it stays open, whatever becomes of its name.
class Writer {
 public:
  explicit Writer(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640)) {
    KEELSON_CHECK(fd_.get() >= 0);
  }
  void write(std::string_view bytes) {
    KEELSON_CHECK(::write(fd_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void line(std::string_view text, int second = 1) { write(record(text, second)); }
  void close() { fd_.reset(); }

 private:
  base::UniqueFd fd_;
};

inline void write_log(const std::string& path, std::string_view bytes) { Writer(path).write(bytes); }
inline void rename_file(const std::string& from, const std::string& to) {
  KEELSON_CHECK(::rename(from.c_str(), to.c_str()) == 0);
}

// When the file was written to last, in seconds after some time: the clock of the file system is too coarse for tests.
inline void set_written(const std::string& path, int second) {
  const timespec times[2] = {{1'767'225'600 + second, 0}, {1'767'225'600 + second, 0}};
  KEELSON_CHECK(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

class LoopTest : public ::testing::Test {
 protected:
  // Runs the loop until neither it nor the pool has anything to do; no time passes.
  void settle() {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    for (int quiet = 0; quiet < 2;) {
      if (std::chrono::steady_clock::now() > deadline) FAIL() << "the loop does not come to rest";
      const bool ran = loop.poll() > 0;
      const bool waiting = pool.busy() + pool.queued() > 0;
      quiet = ran || waiting ? 0 : quiet + 1;
      if (!ran && waiting) base::testing::pump_until(loop, [this] { return pool.busy() + pool.queued() == 0; });
    }
  }
  void pass(base::Duration time) {
    clock.advance(time);
    settle();
  }
  template <class Service>
  void stop(Service& service) {
    base::Gate ending(loop);
    base::spawn(ending, "stop", service.stop());
    settle();
    KEELSON_CHECK(ending.tasks() == 0);
  }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::BlockingPool pool{loop, clock, 4};
};

}  // namespace keelson::logs
