// What the tests of the fake API server share: one server on virtual time, asked one request after the other.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "api/envelope.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/loop.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::fakes::testing {

using nlohmann::json;

inline const ApiUser kAdmin{"admin", {"system:masters", "system:authenticated"}};
inline const ApiUser kNode{"system:node:n", {"system:nodes", "system:authenticated"}};

struct Reply {
  int status = 0;
  bool reset = false;
  std::string content_type;
  std::string text;
  json body;  // null when it is no JSON
  std::shared_ptr<ApiStream> stream;
  kube::Headers headers;

  std::string message() const { return body.value("message", ""); }
  std::string reason() const { return body.value("reason", ""); }
};

// An open watch whose events are read as they come.
class Watcher {
 public:
  Watcher(base::Loop& loop, std::shared_ptr<ApiStream> stream, api::WireFormat format);
  ~Watcher();

  // "ADDED x", "MODIFIED x", "BOOKMARK 12", "ERROR 410" since the last call.
  std::vector<std::string> take();
  bool ended() const { return state_->ended; }
  bool broken() const { return state_->broken; }
  // All that came, as JSON of type and object.
  const std::vector<json>& events() const { return state_->events; }

 private:
  struct State {
    std::vector<json> events;
    std::vector<std::string> fresh;
    bool ended = false;
    bool broken = false;
  };
  static base::Task<void> follow(std::shared_ptr<ApiStream> stream, api::WireFormat format,
                                 std::shared_ptr<State> state);

  base::Loop& loop_;
  base::Gate gate_;
  std::shared_ptr<State> state_;
};

class ApiWorld {
 public:
  ApiWorld();
  ~ApiWorld();

  // Asks and waits for the answer without time passing; a Reply of status -1 when there is none yet.
  Reply ask(const ApiUser& user, const std::string& method, const std::string& target, const std::string& body = "",
            const std::string& content_type = "application/json", const std::string& accept = "application/json");
  // The same with a body that is built here; texts go to the one above.
  template <class T>
  requires std::is_same_v<T, json> Reply ask(const ApiUser& user, const std::string& method, const std::string& target,
                                             const T& body) {
    return ask(user, method, target, body.dump());
  }
  std::unique_ptr<Watcher> watch(const std::string& target, const std::string& accept = "application/json",
                                 const ApiUser& user = kAdmin);
  // The answer to a question that took time.
  std::shared_ptr<std::optional<ApiAnswer>> begin(ApiRequest request);

  void settle();
  static api::Pod pod(const std::string& name, const std::string& node = "n", const std::string& ns = "default");
  static api::core::Node node(const std::string& name);

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Gate gate{loop};
  std::optional<FakeApi> api;
};

}  // namespace keelson::fakes::testing
