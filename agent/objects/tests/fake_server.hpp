// FakeServer: just enough of an API server for watches of single objects and for scripted answers, without sockets.
//
// Objects are put and removed by the test; watches get them as initial events, a bookmark and changes, as JSON. Other
// requests are answered by `answer`. Everything asked is kept. Owner: a test. Thread: the loop.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/envelope.hpp"
#include "api/json_codec.hpp"
#include "api/objects.hpp"
#include "base/backoff.hpp"
#include "base/sync.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent::testing {

using namespace std::chrono_literals;

class FakeServer final : public kube::Transport {
 public:
  struct Request {
    std::string method;
    std::string target;
    std::string body;
    base::SystemTime at{};
  };

  FakeServer(base::Loop& loop, base::Clock& clock) : loop_(loop), clock_(clock) {}

  std::vector<Request> requests;
  std::function<Result<kube::HttpResponse>(const Request&)> answer;
  base::Duration latency{};
  int watch_status = 200;  // of new watches
  bool silent = false;     // new watches say nothing

  // `T` lives under `path`; watches of it are told.
  template <class T>
  void put(const std::string& path, T object) {
    object.mutable_metadata()->set_resourceversion(std::to_string(++version_));
    if (object.metadata().uid().empty()) object.mutable_metadata()->set_uid("uid-" + object.metadata().name());
    auto& kept = objects_[path][object.metadata().name()];
    const char* type = kept == nullptr ? "ADDED" : "MODIFIED";
    kept = std::make_shared<T>(object);
    tell(path, object.metadata().name(), api::encode_watch_event(type, object, api::WireFormat::json));
  }
  template <class T>
  void remove(const std::string& path, const std::string& name) {
    T object = static_cast<const T&>(*objects_[path].at(name));
    object.mutable_metadata()->set_resourceversion(std::to_string(++version_));
    objects_[path].erase(name);
    tell(path, name, api::encode_watch_event("DELETED", object, api::WireFormat::json));
  }

  std::size_t open_watches() const {
    std::size_t open = 0;
    for (const auto& stream : streams_) open += stream.expired() ? 0 : 1;
    return open;
  }
  std::size_t watches_asked() const { return asked_; }

  base::Task<Result<kube::HttpResponse>> send(kube::HttpRequest request, base::Duration) override {
    const Request kept{request.method, request.target, request.body, clock_.now()};
    requests.push_back(kept);
    if (latency > 0ns) co_await clock_.sleep_for(latency);
    co_return answer(kept);
  }

  base::Task<Result<std::unique_ptr<kube::HttpStream>>> open(kube::HttpRequest request, base::Duration) override {
    ++asked_;
    requests.push_back({request.method, request.target, "", clock_.now()});
    auto state = std::make_shared<Stream>(loop_);
    state->status = watch_status;
    state->path = request.target.substr(0, request.target.find('?'));
    const std::string selector = "fieldSelector=metadata.name%3D";
    const auto at = request.target.find(selector);
    if (at != std::string::npos) {
      const auto begin = at + selector.size();
      state->name = request.target.substr(begin, request.target.find('&', begin) - begin);
    }
    if (watch_status == 200 && !silent) send_initial(*state);
    if (watch_status != 200) state->pieces.push_back("");
    streams_.push_back(state);
    std::unique_ptr<kube::HttpStream> stream = std::make_unique<Reader>(state);
    co_return stream;
  }
  void close_idle() override {}
  void close_all() override {}

 private:
  struct Stream {
    explicit Stream(base::Loop& loop) : bell(loop) {}
    int status = 200;
    std::string path;
    std::string name;
    kube::Headers headers = {{"content-type", "application/json"}};
    std::deque<std::string> pieces;
    base::Notification bell;
  };
  class Reader final : public kube::HttpStream {
   public:
    explicit Reader(std::shared_ptr<Stream> state) : state_(std::move(state)) {}
    int status() const override { return state_->status; }
    const kube::Headers& headers() const override { return state_->headers; }
    base::Task<Result<std::string>> read() override { return next(state_); }

   private:
    static base::Task<Result<std::string>> next(std::shared_ptr<Stream> state) {
      while (state->pieces.empty()) co_await state->bell.wait();
      std::string piece = std::move(state->pieces.front());
      state->pieces.pop_front();
      co_return piece;
    }
    std::shared_ptr<Stream> state_;
  };

  static bool selects(const Stream& stream, const std::string& path, const std::string& name) {
    return stream.path == path && (stream.name.empty() || stream.name == name);
  }
  void send_initial(Stream& stream) {
    std::string bookmark_type;
    for (const auto& [path, objects] : objects_) {
      for (const auto& [name, object] : objects) {
        if (!selects(stream, path, name)) continue;
        stream.pieces.push_back(api::encode_watch_event("ADDED", *object, api::WireFormat::json));
      }
    }
    stream.pieces.push_back(bookmark(stream.path));
  }
  std::string bookmark(const std::string& path) const {
    struct Row {
      const char* plural;
      const char* kind;
      const char* version;
    };
    constexpr Row kRows[] = {{"configmaps", "ConfigMap", "v1"},
                             {"secrets", "Secret", "v1"},
                             {"services", "Service", "v1"},
                             {"runtimeclasses", "RuntimeClass", "node.k8s.io/v1"},
                             {"clustertrustbundles", "ClusterTrustBundle", "certificates.k8s.io/v1beta1"},
                             {"podcertificaterequests", "PodCertificateRequest", "certificates.k8s.io/v1beta1"}};
    const Row* found = kRows;
    while (!path.ends_with(found->plural)) ++found;
    return std::string("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"") + found->kind + "\",\"apiVersion\":\"" +
           found->version + "\",\"metadata\":{\"resourceVersion\":\"" + std::to_string(version_) +
           "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n";
  }
  void tell(const std::string& path, const std::string& name, const std::string& event) {
    for (const auto& held : streams_) {
      const auto stream = held.lock();
      if (stream == nullptr || !selects(*stream, path, name)) continue;
      stream->pieces.push_back(event);
      stream->bell.notify();
    }
  }

  base::Loop& loop_;
  base::Clock& clock_;
  std::uint64_t version_ = 100;
  std::size_t asked_ = 0;
  std::map<std::string, std::map<std::string, std::shared_ptr<google::protobuf::Message>>> objects_;
  std::list<std::weak_ptr<Stream>> streams_;
};

// A loop on virtual time, the server, and a client that speaks JSON to it.
struct Cluster {
  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{11};
  FakeServer server{loop, clock};
  kube::Client client{loop, clock, server, json_options(), base::Logger()};
  base::Gate gate{loop};

  static kube::ClientOptions json_options() {
    kube::ClientOptions options;
    options.protobuf = false;
    return options;
  }
  void drain() {
    while (loop.poll() > 0) {
    }
  }
  // Starts a task whose answer comes into the returned place.
  template <class T>
  std::shared_ptr<std::optional<T>> begin(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::spawn(gate, "test", base::internal::keep_result<T>(std::move(task), place));
    drain();
    return place;
  }
  // Runs a task to its end without moving time.
  template <class T>
  T run(base::Task<T> task) {
    const auto place = begin(std::move(task));
    KEELSON_CHECK(place->has_value() && "the task waits for something");
    return std::move(**place);
  }
  // Moves time as far as it needs, at most a minute.
  void run(base::Task<void> task) {
    base::spawn(gate, "test", std::move(task));
    drain();
    for (int i = 0; i < 600 && gate.tasks() > 0; ++i) clock.advance(100ms);
    KEELSON_CHECK(gate.tasks() == 0 && "the task does not end");
  }
};

}  // namespace keelson::agent::testing
