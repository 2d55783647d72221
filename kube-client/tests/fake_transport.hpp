// FakeTransport: a Transport that answers from a script, and Bench: a loop on virtual time with a Client over it.
//
// Each request takes the next planned answer, or what `handler` makes of it; a request without either hangs until its
// limit. Streams are fed by the test through their handle, piece by piece. Owner: a test. Thread: the test's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/envelope.hpp"
#include "base/backoff.hpp"
#include "base/sync.hpp"
#include "kube-client/client.hpp"

namespace keelson::kube::testing {

using namespace std::chrono_literals;

inline const Headers kProtobufAnswer = {{"content-type", "application/vnd.kubernetes.protobuf"}};
inline const Headers kJsonAnswer = {{"content-type", "application/json"}};

// The far end of one answered watch.
class FakeStream {
 public:
  FakeStream(base::Loop& loop, int status, Headers headers)
      : status_(status), headers_(std::move(headers)), bell_(loop) {}

  void send(std::string bytes) { put(std::move(bytes)); }
  void end() { put(std::string()); }
  void cut() { put(Error(ErrorKind::unavailable, "connection reset by peer")); }
  bool open() const { return open_; }

  int status() const { return status_; }
  const Headers& headers() const { return headers_; }
  base::Task<Result<std::string>> read();
  void leave() { open_ = false; }

 private:
  void put(Result<std::string> piece) {
    pieces_.push_back(std::move(piece));
    bell_.notify();
  }

  int status_;
  Headers headers_;
  bool open_ = true;
  std::deque<Result<std::string>> pieces_;
  base::Notification bell_;
};
using StreamPtr = std::shared_ptr<FakeStream>;

// What comes back for one request; nothing set: it hangs.
struct Planned {
  std::optional<Result<HttpResponse>> response;
  StreamPtr stream;
  std::optional<Error> error;
  base::Duration latency{};
};

class FakeTransport final : public Transport {
 public:
  struct Seen {
    HttpRequest request;
    base::Duration limit;
    base::SteadyTime at;
  };

  FakeTransport(base::Loop& loop, base::Clock& clock) : loop_(loop), clock_(clock) {}

  std::vector<Seen> seen;
  std::function<Planned(const HttpRequest&)> handler;

  void answer(int status, std::string body = {}, Headers headers = {}, base::Duration latency = {}) {
    Planned planned;
    planned.response = HttpResponse{status, std::move(headers), std::move(body)};
    planned.latency = latency;
    plan_.push_back(std::move(planned));
  }
  void answer(const google::protobuf::Message& object) { answer(200, api::encode_binary(object), kProtobufAnswer); }
  void fail(ErrorKind kind, std::string message = "connection broke") {
    Planned planned;
    planned.error = Error(kind, std::move(message));
    plan_.push_back(std::move(planned));
  }
  void hang() { plan_.emplace_back(); }
  StreamPtr stream(Headers headers = kJsonAnswer, int status = 200) {
    Planned planned;
    planned.stream = std::make_shared<FakeStream>(loop_, status, std::move(headers));
    plan_.push_back(planned);
    return planned.stream;
  }
  std::size_t planned() const { return plan_.size(); }
  std::string target(std::size_t index) const { return index < seen.size() ? seen[index].request.target : "(none)"; }

  base::Task<Result<HttpResponse>> send(HttpRequest request, base::Duration limit) override;
  base::Task<Result<std::unique_ptr<HttpStream>>> open(HttpRequest request, base::Duration limit) override;
  void close_idle() override {}
  void close_all() override {}

 private:
  Planned next(HttpRequest request, base::Duration limit);

  base::Loop& loop_;
  base::Clock& clock_;
  std::deque<Planned> plan_;
};

class Bench {
 public:
  explicit Bench(ClientOptions options = {}) : Bench(options, base::Logger()) {}
  Bench(ClientOptions options, base::Logger log)
      : clock(loop), transport(loop, clock), client(loop, clock, transport, options, std::move(log)), gate(loop) {}
  ~Bench() { stop(); }

  void pump() {
    while (loop.poll() > 0) {
    }
  }
  void advance(base::Duration duration) {
    clock.advance(duration);
    pump();
  }
  // Runs `task` as far as it gets without time passing; the answer is there when it has ended.
  template <class T>
  std::shared_ptr<std::optional<T>> start(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::spawn(gate, "test", base::internal::keep_result<T>(std::move(task), place));
    pump();
    return place;
  }
  // The answer of a task that needs no time, or a day of it.
  template <class T>
  T run(base::Task<T> task) {
    auto place = start(std::move(task));
    for (int i = 0; i < 10'000 && !place->has_value() && clock.sleepers() > 0; ++i) {
      advance(clock.next_deadline() - clock.steady_now());
    }
    KEELSON_CHECK(place->has_value() && "the task of the test has ended");
    return std::move(**place);
  }
  void stop();

  base::Loop loop;
  base::VirtualClock clock;
  FakeTransport transport;
  Client client;
  base::Random random{42};
  base::Gate gate;
};

}  // namespace keelson::kube::testing
