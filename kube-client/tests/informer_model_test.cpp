// Random histories: whatever a server and its connections do, the informer ends up with what the server has, and its
// events tell a consistent story.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "api/json_codec.hpp"
#include "kube-client/tests/informer_bench.hpp"

namespace keelson::kube {
namespace {

using api::Pod;
using testing::bookmark;
using testing::InformerBench;
using testing::Planned;
using testing::pod;
using testing::status;
using testing::StreamPtr;
using namespace std::chrono_literals;

// An API server with one collection, which repeats itself, forgets and breaks off as the test wants.
class ModelServer {
 public:
  struct Past {
    std::string type;
    Pod object;
    int version;
  };

  ModelServer(InformerBench& bench, base::Random& random) : bench_(bench), random_(random) {
    bench_.transport.handler = [this](const HttpRequest& request) { return answer(request); };
  }

  void add(const std::string& name) {
    ++uids_;
    change("ADDED", pod(name, std::to_string(++version_), "uid-" + std::to_string(uids_)));
  }
  void update(const std::string& name) {
    Pod next = pods_.at(name);
    next.mutable_metadata()->set_resourceversion(std::to_string(++version_));
    change("MODIFIED", next);
  }
  void remove(const std::string& name) {
    Pod last = pods_.at(name);
    last.mutable_metadata()->set_resourceversion(std::to_string(++version_));
    change("DELETED", last);
  }
  bool has(const std::string& name) const { return pods_.count(name) > 0; }

  void cut(bool in_a_frame) {
    for (const StreamPtr& stream : std::exchange(streams_, {})) {
      if (in_a_frame) stream->send(bench_.event("MODIFIED", pod("never", "1")).substr(0, 20));
      stream->cut();
    }
  }
  void end() {
    for (const StreamPtr& stream : std::exchange(streams_, {})) stream->end();
  }
  void expire() {
    for (const StreamPtr& stream : std::exchange(streams_, {})) {
      stream->send(bench_.event("ERROR", status(410, "Expired", "too old")));
    }
  }
  void compact() { compacted_ = version_; }
  void mark() {
    for (const StreamPtr& stream : streams_) stream->send(bench_.event("BOOKMARK", bookmark(std::to_string(version_))));
  }
  void repeat() {
    if (past_.empty()) return;
    const std::size_t from = random_() % past_.size();
    for (const StreamPtr& stream : streams_) {
      for (std::size_t i = from; i < past_.size(); ++i)
        stream->send(bench_.event(past_[i].type.c_str(), past_[i].object));
    }
  }

  bool initial_events = true;
  int failures = 0;  // so many next requests go wrong
  std::vector<std::string> held() const {
    std::vector<std::string> out;
    for (const auto& [name, object] : pods_) out.push_back("ns/" + name + "@" + object.metadata().resourceversion());
    return out;
  }
  std::size_t watches() const {
    return static_cast<std::size_t>(
        std::count_if(streams_.begin(), streams_.end(), [](const StreamPtr& stream) { return stream->open(); }));
  }

 private:
  static std::string parameter(const std::string& target, const std::string& name) {
    for (const char* before : {"?", "&"}) {
      const auto at = target.find(before + name + "=");
      if (at == std::string::npos) continue;
      const auto start = at + name.size() + 2;
      return target.substr(start, target.find('&', start) - start);
    }
    return {};
  }

  void change(const std::string& type, const Pod& object) {
    if (type == "DELETED") {
      pods_.erase(object.metadata().name());
    } else {
      pods_[object.metadata().name()] = object;
    }
    past_.push_back({type, object, version_});
    for (const StreamPtr& stream : streams_) stream->send(bench_.event(type.c_str(), object));
  }

  static Planned refuse(int code, const std::string& reason) {
    Planned planned;
    planned.response = HttpResponse{code, testing::kJsonAnswer, api::encode_json(status(code, reason, reason))};
    return planned;
  }

  Planned answer(const HttpRequest& request) {
    if (failures > 0) {
      --failures;
      if (random_() % 2 == 0) return refuse(500, "InternalError");
      Planned planned;
      planned.error = Error(ErrorKind::maybe_applied, "broken");
      return planned;
    }
    if (parameter(request.target, "watch").empty()) return list(request.target);
    const bool initial = !parameter(request.target, "sendInitialEvents").empty();
    const std::string version = parameter(request.target, "resourceVersion");
    if (initial && !initial_events) return refuse(422, "Invalid");
    if (!initial && std::stoi(version) < compacted_) return refuse(410, "Expired");
    Planned planned;
    planned.stream = std::make_shared<testing::FakeStream>(bench_.loop, 200, bench_.headers());
    streams_.push_back(planned.stream);
    if (initial) {
      for (const auto& [name, object] : pods_) planned.stream->send(bench_.event("ADDED", object));
      planned.stream->send(bench_.event("BOOKMARK", bookmark(std::to_string(version_), true)));
      return planned;
    }
    const int from = std::stoi(version) - static_cast<int>(random_() % 4);  // may say things twice
    for (const Past& past : past_) {
      if (past.version > from) planned.stream->send(bench_.event(past.type.c_str(), past.object));
    }
    return planned;
  }

  // Pages of three, of the set as it was when the first was asked for.
  Planned list(const std::string& target) {
    const std::string token = parameter(target, "continue");
    if (token.empty()) {
      snapshot_.clear();
      for (const auto& [name, object] : pods_) snapshot_.push_back(object);
      snapshot_version_ = version_;
    } else if (random_() % 4 == 0) {
      return refuse(410, "Expired");
    }
    const std::size_t first = token.empty() ? 0 : std::stoul(token);
    const bool paged = !parameter(target, "limit").empty();
    const std::size_t last = paged ? std::min(first + 3, snapshot_.size()) : snapshot_.size();
    api::core::PodList page;
    page.mutable_metadata()->set_resourceversion(std::to_string(snapshot_version_));
    for (std::size_t i = first; i < last; ++i) *page.add_items() = snapshot_[i];
    if (last < snapshot_.size()) page.mutable_metadata()->set_continue_(std::to_string(last));
    Planned planned;
    const bool json = bench_.format == api::WireFormat::json;
    planned.response = HttpResponse{200, json ? testing::kJsonAnswer : testing::kProtobufAnswer,
                                    json ? api::encode_json(page) : api::encode_binary(page)};
    return planned;
  }

  InformerBench& bench_;
  base::Random& random_;
  int version_ = 1;
  int uids_ = 0;
  int compacted_ = 0;
  std::map<std::string, Pod> pods_;
  std::vector<Past> past_;
  std::vector<StreamPtr> streams_;
  std::vector<Pod> snapshot_;
  int snapshot_version_ = 0;
};

// Follows the events and objects to any contradiction.
class Follower {
 public:
  void follow(const Informer<Pod>::Event& event) {
    const auto known = seen_.find(event.key);
    const std::string uid = event.object->metadata().uid();
    switch (event.change) {
      case Change::added:
        EXPECT_EQ(known, seen_.end()) << event.key << " is added twice";
        EXPECT_TRUE(told_.insert(uid).second) << uid << " comes back from the dead";
        break;
      case Change::modified:
        ASSERT_NE(known, seen_.end()) << event.key << " is modified but was never added";
        EXPECT_EQ(known->second, event.before);
        EXPECT_EQ(event.before->metadata().uid(), uid);
        EXPECT_LT(std::stoi(event.before->metadata().resourceversion()),
                  std::stoi(event.object->metadata().resourceversion()));
        break;
      case Change::removed:
        ASSERT_NE(known, seen_.end()) << event.key << " is removed but was never added";
        EXPECT_EQ(known->second->metadata().uid(), uid);
        seen_.erase(known);
        return;
    }
    seen_[event.key] = event.object;
  }
  const std::map<std::string, Informer<Pod>::Ptr>& seen() const { return seen_; }

 private:
  std::map<std::string, Informer<Pod>::Ptr> seen_;
  std::set<std::string> told_;
};

void act(ModelServer& server, InformerBench& bench, base::Random& random) {
  const std::string name(1, static_cast<char>('a' + random() % 8));
  switch (random() % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: server.has(name) ? server.update(name) : server.add(name); break;
    case 5:
    case 6:
      if (server.has(name)) server.remove(name);
      break;
    case 7:
      if (server.has(name)) server.remove(name);
      server.add(name);
      break;
    case 8: server.cut(random() % 2 == 0); break;
    case 9: server.end(); break;
    case 10: server.compact(); break;
    case 11: server.expire(); break;
    case 12: server.mark(); break;
    case 13: server.repeat(); break;
    case 14: server.failures = static_cast<int>(random() % 4); break;
    case 15: bench.advance(std::chrono::milliseconds(random() % 5000)); break;
  }
  if (random() % 2 == 0) bench.pump();
}

void live_through(std::uint64_t seed, api::WireFormat format) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  InformerBench bench(format, ClientOptions{.qps = 0});
  ModelServer server(bench, random);
  server.initial_events = random() % 3 != 0;
  Follower follower;
  bench.informer.on_event([&follower](const Informer<Pod>::Event& event) { follower.follow(event); });
  bench.informer.start(bench.gate);
  for (int round = 0; round < 20; ++round) {
    const int steps = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < steps; ++i) act(server, bench, random);
    bench.advance(3min);
    if (server.watches() == 0) bench.advance(1min);  // it has just given up a silent stream
    ASSERT_TRUE(bench.informer.synced());
    ASSERT_EQ(server.watches(), 1U) << bench.informer.problem();
    ASSERT_EQ(bench.held(), server.held());
    ASSERT_EQ(follower.seen(), bench.informer.objects());
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
  bench.stop();
}

TEST(InformerModel, EndsUpWithWhatTheServerHasAfterAnyHistory) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    live_through(seed, seed % 2 == 0 ? api::WireFormat::json : api::WireFormat::protobuf);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

}  // namespace
}  // namespace keelson::kube
