// FakeApi: an API server's behaviour without sockets: storage, watches, patches, admission, limits of a node, faults.
//
// One object holds the whole state; it is driven by requests (handle()), by the test (the typed helpers, which act as
// an administrator) and by faults. FakeApiTransport gives a kube::Transport over it on virtual time; FakeApiServer
// (fake_api_server.hpp) puts HTTPS in front of it. It answers as a v1.36 API server does for the resources of
// kube-client/resource.cpp. Owner: a test or the fake-apiserver program. Thread: the loop. Stops: with its owner; open
// watches end. Source: contract 01 §9, §10; contract 02 §11; contract 05a.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/transport.hpp"

namespace keelson::fakes {

struct ApiUser {
  std::string name = "system:anonymous";
  std::vector<std::string> groups = {"system:unauthenticated"};
};

struct ApiRequest {
  std::string method;
  std::string target;     // path and query
  kube::Headers headers;  // names in lower case
  std::string body;
  ApiUser user;
};

// The rest of a long answer, piece by piece; empty at its end.
class ApiStream {
 public:
  virtual ~ApiStream() = default;
  virtual base::Task<Result<std::string>> next() = 0;
};

struct ApiAnswer {
  int status = 200;
  kube::Headers headers;
  std::string body;
  std::unique_ptr<ApiStream> stream;     // set: the body comes from here
  bool reset = false;                    // a fault: cut the connection instead of answering
  std::optional<std::size_t> cut_after;  // a fault: so many bytes of the body, then cut the connection
};

// What goes wrong with the requests it matches. All faults that match apply: latencies add up, of the rest the first
// one counts.
struct ApiFault {
  std::string method;       // empty: any
  std::string path_prefix;  // of the target; empty: any
  std::string path_contains;
  int times = 1;              // how many requests; -1: until it is removed
  base::Duration latency{};   // before the answer
  bool hang = false;          // no answer at all
  int status = 0;             // this status instead (429, 500, 503 ...)
  int retry_after = 0;        // seconds, sent with it
  bool reset = false;         // the connection breaks
  bool after_effect = false;  // `status` and `reset` happen after the request took effect
  bool half_body = false;
  bool stale = false;  // a read answers from the state before the last change
  std::string id;      // for remove_fault()
};

// One request that was answered, for assertions and for comparison with recordings.
struct ApiLogEntry {
  base::SystemTime at{};
  std::string verb;  // get list watch create update patch delete deletecollection
  std::string target;
  int status = 0;
  std::string user;
  std::string content_type;
  std::string body;  // as JSON, whatever the wire format was
};

class FakeApi {
 public:
  FakeApi(base::Loop& loop, base::Clock& clock);
  ~FakeApi();

  // Answers when latency and the like have passed.
  base::Task<ApiAnswer> handle(ApiRequest request);

  // --- Who may come in: bearer tokens and certificate subjects to users. Unknown tokens are 401.
  void add_token(std::string token, ApiUser user);
  std::optional<ApiUser> user_of_token(const std::string& token) const;
  // Node authorization and NodeRestriction for users in system:nodes; everybody in system:masters may do all.
  // On at first; off: every user may do all.
  void enforce_node_limits(bool on);

  // --- The state, as an administrator sees it. Types are those of kube-client/resource.cpp.
  template <class T>
  Result<T> create(const T& object);
  template <class T>
  Result<T> update(const T& object);
  template <class T>
  Result<T> update_status(const T& object);
  // What that subresource takes of it: "resize", "ephemeralcontainers".
  template <class T>
  Result<T> update_sub(const T& object, const std::string& subresource);
  template <class T>
  std::optional<T> get(const std::string& ns, const std::string& name) const;
  template <class T>
  std::vector<T> list(const std::string& ns = {}) const;
  // As kubectl delete does; grace none: the object's own.
  template <class T>
  Status remove(const std::string& ns, const std::string& name, std::optional<std::int64_t> grace = std::nullopt);
  // What a scheduler does.
  Status bind(const std::string& ns, const std::string& pod, const std::string& node);

  // --- Watches and history
  // Ends all watches (of that plural; empty: all).
  void cut_watches(const std::string& plural = {});
  // Forgets history: resuming from an older version is answered with 410.
  void compact();
  // Whether `sendInitialEvents` is understood (older servers refuse it).
  void offer_watch_list(bool on);
  void offer_protobuf(bool on);
  // Pods get the projected volume of their service account's token, as in a cluster; off at first.
  void mount_service_account_tokens(bool on);
  // CSRs of nodes are approved and signed at once by the signer's own CA.
  void sign_requests(bool on);
  std::string ca_certificate() const;
  // The CA with its key: who serves HTTPS issues certificates with it (fake_ca.hpp).
  kube::Identity authority() const;

  void add_fault(ApiFault fault);
  void remove_fault(const std::string& id);
  void clear_faults();

  base::Loop& loop() { return loop_; }
  const std::vector<ApiLogEntry>& log() const;
  // On at first; who plays whole days has no use for it.
  void keep_log(bool on);
  void clear_log();
  std::size_t open_watches() const;
  // Called after each change, with the JSON of the watch event's object.
  void on_change(std::function<void(const std::string& type, const google::protobuf::Message& object)> listener);

 private:
  Result<std::unique_ptr<google::protobuf::Message>> do_create(const google::protobuf::Message& object);
  Result<std::unique_ptr<google::protobuf::Message>> do_update(const google::protobuf::Message& object,
                                                               const std::string& subresource);
  std::unique_ptr<google::protobuf::Message> do_get(const google::protobuf::Descriptor* type, const std::string& ns,
                                                    const std::string& name) const;
  std::vector<std::unique_ptr<google::protobuf::Message>> do_list(const google::protobuf::Descriptor* type,
                                                                  const std::string& ns) const;
  Status do_remove(const google::protobuf::Descriptor* type, const std::string& ns, const std::string& name,
                   std::optional<std::int64_t> grace);

  struct State;
  static base::Task<ApiAnswer> answer(std::shared_ptr<State> state, ApiRequest request);
  base::Loop& loop_;
  std::shared_ptr<State> state_;  // also held by requests in progress
};

// --- definitions of the typed helpers
template <class T>
Result<T> FakeApi::create(const T& object) {
  auto made = do_create(object);
  if (!made.ok()) return made.error();
  return static_cast<const T&>(**made);
}
template <class T>
Result<T> FakeApi::update(const T& object) {
  auto made = do_update(object, "");
  if (!made.ok()) return made.error();
  return static_cast<const T&>(**made);
}
template <class T>
Result<T> FakeApi::update_status(const T& object) {
  auto made = do_update(object, "status");
  if (!made.ok()) return made.error();
  return static_cast<const T&>(**made);
}
template <class T>
Result<T> FakeApi::update_sub(const T& object, const std::string& subresource) {
  auto made = do_update(object, subresource);
  if (!made.ok()) return made.error();
  return static_cast<const T&>(**made);
}
template <class T>
std::optional<T> FakeApi::get(const std::string& ns, const std::string& name) const {
  const auto found = do_get(T::descriptor(), ns, name);
  if (found == nullptr) return std::nullopt;
  return static_cast<const T&>(*found);
}
template <class T>
std::vector<T> FakeApi::list(const std::string& ns) const {
  std::vector<T> out;
  for (const auto& object : do_list(T::descriptor(), ns)) out.push_back(static_cast<const T&>(*object));
  return out;
}
template <class T>
Status FakeApi::remove(const std::string& ns, const std::string& name, std::optional<std::int64_t> grace) {
  return do_remove(T::descriptor(), ns, name, grace);
}

// A kube::Transport straight into a FakeApi, as one user. Requests and answers take the FakeApi's latency; `down` makes
// the server unreachable: new requests fail, open streams are cut.
class FakeApiTransport final : public kube::Transport {
 public:
  FakeApiTransport(FakeApi& api, base::Clock& clock, ApiUser user);
  ~FakeApiTransport() override;

  base::Task<Result<kube::HttpResponse>> send(kube::HttpRequest request, base::Duration limit) override;
  base::Task<Result<std::unique_ptr<kube::HttpStream>>> open(kube::HttpRequest request, base::Duration limit) override;
  void close_idle() override {}
  void close_all() override;
  void set_down(bool down);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::fakes
