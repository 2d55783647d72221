// A runtime that is asked about containers, and a client that takes log bytes as fast as it is let.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "agent/logs/container_lives.hpp"
#include "agent/logs/log_reader.hpp"
#include "base/sync.hpp"

namespace keelson::logs {

class FakeState final : public ContainerState {
 public:
  explicit FakeState(base::Loop& loop) : answer_(loop) {}

  base::Task<Result<bool>> running(std::string container_id) override {
    ++asked[container_id];
    while (hanging) co_await answer_.wait();
    if (away) co_return Error(ErrorKind::unavailable, "no runtime");
    if (gone.count(container_id) > 0) co_return Error(ErrorKind::not_found, "no such container");
    co_return ended.count(container_id) == 0;
  }
  void let_go() {
    hanging = false;
    answer_.notify();
  }
  int total() const {
    int sum = 0;
    for (const auto& [id, times] : asked) sum += times;
    return sum;
  }

  std::map<std::string, int> asked;
  std::set<std::string> ended;
  std::set<std::string> gone;
  bool away = false;
  bool hanging = false;

 private:
  base::Notification answer_;
};

class FakeSink final : public LogSink {
 public:
  explicit FakeSink(base::Loop& loop) : room_(loop) {}

  base::Task<Status> write(std::string bytes) override {
    ++writes;
    while (blocked) co_await room_.wait();
    if (broken) co_return Error(ErrorKind::unavailable, "the client has gone");
    largest = std::max(largest, bytes.size());
    text += bytes;
    co_return Status();
  }
  void let_go() {
    blocked = false;
    room_.notify();
  }

  std::string text;
  std::size_t largest = 0;
  int writes = 0;
  bool blocked = false;
  bool broken = false;

 private:
  base::Notification room_;
};

}  // namespace keelson::logs
