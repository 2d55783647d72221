// A machine in a temporary directory: cgroup hierarchies of either version, /proc, and a runtime's groups in them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/file.hpp"
#include "cgroup-manager/layout.hpp"

namespace keelson::stats {

class FakeTree {
 public:
  explicit FakeTree(cgroups::Version version) : version_(version) {
    char name[] = "/tmp/keelson-stats-XXXXXX";
    top_ = ::mkdtemp(name);
    if (version == cgroups::Version::v2) {
      layout_.unified = top_ + "/cgroup";
    } else {
      for (const char* controller : {"cpu", "cpuacct", "memory", "pids", "blkio"}) {
        layout_.controllers[controller] = top_ + "/cgroup/" + controller;
      }
    }
    layout_.version = version;
    write("proc/meminfo", "MemTotal:       8000 kB\nMemFree: 1 kB\nSwapTotal:  2000 kB\nSwapFree:   1500 kB\n");
    write("proc/stat", "cpu 1 2 3\nbtime 1700000000\n");
    write("proc/loadavg", "0.00 0.01 0.05 1/222 4711\n");
    write("proc/sys/kernel/pid_max", "32768\n");
    write("proc/sys/kernel/threads-max", "190000\n");
    write("proc/1/net/dev", net_dev("eth0", 1000));
    write("proc/diskstats", "");
    write("proc/self/mountinfo", "");
    group("/", 5'000'000'000, 6'000'000, 1'000'000);
  }
  ~FakeTree() { std::filesystem::remove_all(top_); }
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;

  const std::string& top() const { return top_; }
  std::string proc() const { return top_ + "/proc"; }
  const cgroups::Layout& layout() const { return layout_; }
  bool v2() const { return version_ == cgroups::Version::v2; }

  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = std::filesystem::path(top_) / path;
    std::filesystem::create_directories(whole.parent_path());
    ASSERT_TRUE(base::write_file(whole.string(), text, 0644).ok()) << path;
  }
  // A file of a group; on v1 in that controller's hierarchy.
  void file(const char* controller, const std::string& group, const std::string& name, const std::string& text) {
    write("cgroup/" + (v2() ? std::string() : std::string(controller)) + group + "/" + name, text);
  }

  // A group with CPU time, memory in use, and how much of that is inactive file cache.
  void group(const std::string& path, std::uint64_t cpu_ns, std::uint64_t usage, std::uint64_t inactive) {
    cpu(path, cpu_ns);
    const std::string bytes = std::to_string(usage);
    if (v2()) {
      // The root has no file with its usage: it is anon + file.
      file("memory", path, "memory.stat",
           "anon " + std::to_string(usage - inactive) + "\nfile " + std::to_string(inactive) + "\ninactive_file " +
               std::to_string(inactive) + "\nactive_file 7\npgfault 30\npgmajfault 4\n");
      file("memory", path, "cgroup.procs", "");
      if (path == "/") return;
      file("memory", path, "memory.current", bytes + "\n");
      file("memory", path, "memory.max", "max\n");
      file("memory", path, "memory.swap.current", "0\n");
      file("memory", path, "memory.swap.max", "max\n");
      return;
    }
    file("memory", path, "memory.usage_in_bytes", bytes + "\n");
    file("memory", path, "memory.stat",
         "cache 1\nrss 2\npgfault 30\npgmajfault 4\ninactive_file 0\ntotal_cache " + std::to_string(inactive) +
             "\ntotal_rss " + std::to_string(usage - inactive) + "\ntotal_swap 0\ntotal_inactive_file " +
             std::to_string(inactive) + "\ntotal_active_file 7\n");
    file("memory", path, "memory.limit_in_bytes", "9223372036854771712\n");
    file("memory", path, "memory.memsw.limit_in_bytes", "9223372036854771712\n");
    file("memory", path, "cgroup.procs", "");
  }
  void cpu(const std::string& path, std::uint64_t ns) {
    if (v2()) {
      file("cpu", path, "cpu.stat",
           "usage_usec " + std::to_string(ns / 1000) +
               "\nuser_usec 3000000\nsystem_usec 1000000\nnr_periods 9\n"
               "nr_throttled 2\nthrottled_usec 500000\nnr_bursts 0\nburst_usec 0\n");
    } else {
      file("cpuacct", path, "cpuacct.usage", std::to_string(ns) + "\n");
      file("cpuacct", path, "cpuacct.stat", "user 300\nsystem 100\n");
      file("cpu", path, "cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 500000000\n");
    }
  }
  void memory_limit(const std::string& path, std::uint64_t bytes) {
    file("memory", path, v2() ? "memory.max" : "memory.limit_in_bytes", std::to_string(bytes) + "\n");
  }
  void processes(const std::string& path, const std::string& pids) { file("memory", path, "cgroup.procs", pids); }
  void remove_group(const std::string& path) {
    if (v2()) {
      std::filesystem::remove_all(top_ + "/cgroup" + path);
      return;
    }
    for (const auto& [controller, mount] : layout_.controllers) std::filesystem::remove_all(mount + path);
  }

  static std::string net_dev(const std::string& interface, int bytes) {
    return "Inter-|   Receive  |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
           "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  " +
           interface + ": " + std::to_string(bytes) + " 10 2 3 0 0 0 0 " + std::to_string(bytes * 2) +
           " 20 4 5 0 0 0 0\n";
  }

 private:
  cgroups::Version version_;
  std::string top_;
  cgroups::Layout layout_;
};

}  // namespace keelson::stats
