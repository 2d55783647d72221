// SmallApi: the part of an API server that a node's own objects need, as a Transport on virtual time; and NodeBench, a
// loop with clients over it.
//
// Objects are JSON by path. It keeps resource versions, refuses what exists or was changed meanwhile, and applies
// strategic merge patches. Faults are matched in order. Owner: a test. Thread: the test's.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/events/node_events.hpp"
#include "agent/node/node_conditions.hpp"
#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent::testing {

using namespace std::chrono_literals;
using nlohmann::json;

class SmallApi final : public kube::Transport {
 public:
  struct Fault {
    std::string method;  // empty: any
    std::string path;    // part of the target
    int status = 0;      // 0: nothing but the latency
    int times = 1;       // -1: always
    bool hang = false;
    base::Duration latency{};
  };
  struct Seen {
    base::SteadyTime at;
    std::string method;
    std::string target;
    json body;
    int status = 0;
    std::string content_type;
  };

  explicit SmallApi(base::Clock& clock) : clock_(clock) {}

  std::map<std::string, json> objects;  // "/api/v1/nodes/n" -> object
  std::vector<Fault> faults;
  std::vector<Seen> seen;  // in the order of the requests; status 0 while unanswered
  bool down = false;
  int idle_closed = 0;
  std::function<void(const std::string& path)> changed;

  // As an administrator does.
  void put(const std::string& path, json object);
  void erase(const std::string& path);
  // "METHOD target" of those whose target holds `part`.
  std::vector<std::string> requests(const std::string& part = {}) const;
  std::vector<Seen> all(const std::string& method, const std::string& part) const;

  base::Task<Result<kube::HttpResponse>> send(kube::HttpRequest request, base::Duration limit) override;
  base::Task<Result<std::unique_ptr<kube::HttpStream>>> open(kube::HttpRequest request, base::Duration limit) override;
  void close_idle() override { ++idle_closed; }
  void close_all() override {}

 private:
  std::optional<Fault> take_fault(const kube::HttpRequest& request);
  std::pair<int, json> answer(const kube::HttpRequest& request);
  std::pair<int, json> create(const std::string& path, json object);
  std::pair<int, json> update(const std::string& path, json object);
  std::pair<int, json> patch(const std::string& path, const std::string& body);
  void store(const std::string& path, json object);

  base::Clock& clock_;
  int version_ = 100;
};

class FakeNodeEvents final : public NodeEventRecorder {
 public:
  std::vector<NodeEvent> all;
  void record_node(bool warning, std::string reason, std::string message) override {
    all.push_back({warning, std::move(reason), std::move(message)});
  }
  std::vector<std::string> reasons() const;
};

struct NodeBench {
  NodeBench();
  ~NodeBench() { stop(); }

  void pump();
  void advance(base::Duration duration);
  // Until `condition` holds, in steps of 10 ms; whether it came to hold within `limit`.
  bool until(const std::function<bool()>& condition, base::Duration limit);
  base::Duration elapsed() const { return clock.steady_now().time_since_epoch() - start; }
  void stop();

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{42};
  SmallApi api{clock};
  std::vector<std::string> lines;  // of the log
  base::Logger log;
  kube::Client main;
  kube::Client heartbeat;
  FakeNodeEvents events;
  base::Gate gate{loop};
  base::Duration start = clock.steady_now().time_since_epoch();
};

}  // namespace keelson::agent::testing
