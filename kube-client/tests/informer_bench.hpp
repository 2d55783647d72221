// InformerBench: an Informer of pods over a FakeTransport, its story as text, and the events a server would send.
//
// Owner: a test. Thread: the test's.
#pragma once

#include <string>
#include <vector>

#include "kube-client/informer.hpp"
#include "kube-client/tests/fake_transport.hpp"

namespace keelson::kube::testing {

using api::Pod;

inline Pod pod(const std::string& name, const std::string& version, const std::string& uid = {}) {
  Pod out;
  out.mutable_metadata()->set_name(name);
  out.mutable_metadata()->set_namespace_("ns");
  out.mutable_metadata()->set_resourceversion(version);
  out.mutable_metadata()->set_uid(uid.empty() ? "uid-" + name : uid);
  return out;
}

inline Pod bookmark(const std::string& version, bool ends_initial_events = false) {
  Pod out;
  out.mutable_metadata()->set_resourceversion(version);
  if (ends_initial_events) (*out.mutable_metadata()->mutable_annotations())["k8s.io/initial-events-end"] = "true";
  return out;
}

inline api::meta::Status status(int code, const std::string& reason, const std::string& message) {
  api::meta::Status out;
  out.set_status("Failure");
  out.set_code(code);
  out.set_reason(reason);
  out.set_message(message);
  return out;
}

struct InformerBench : Bench {
  explicit InformerBench(api::WireFormat wire = api::WireFormat::json, ClientOptions options = {})
      : InformerBench(wire, options, base::Logger()) {}
  InformerBench(api::WireFormat wire, ClientOptions options, base::Logger log)
      : Bench(options), format(wire), informer(client, random, {.field_selector = "spec.nodeName=n"}, std::move(log)) {
    informer.on_event([this](const Informer<Pod>::Event& event) { told(event); });
    informer.when_synced([this] { story.push_back("synced"); });
  }
  ~InformerBench() { stop(); }

  void told(const Informer<Pod>::Event& event) {
    const char* names[] = {"+", "~", "-"};
    std::string text =
        names[static_cast<int>(event.change)] + event.key + "@" + event.object->metadata().resourceversion();
    if (event.change == Change::modified) text += " was " + event.before->metadata().resourceversion();
    story.push_back(std::move(text));
  }
  std::vector<std::string> take_story() { return std::exchange(story, {}); }

  Headers headers() const {
    if (format == api::WireFormat::json) return kJsonAnswer;
    return {{"content-type", "application/vnd.kubernetes.protobuf;stream=watch"}};
  }
  StreamPtr plan_stream() { return transport.stream(headers()); }
  std::string event(const char* type, const google::protobuf::Message& object) const {
    return api::encode_watch_event(type, object, format);
  }
  void send(const StreamPtr& stream, const char* type, const google::protobuf::Message& object) {
    stream->send(event(type, object));
    pump();
  }
  // Starts the informer with these pods as initial events up to version 100.
  StreamPtr begin(const std::vector<Pod>& pods) {
    auto stream = plan_stream();
    informer.start(gate);
    pump();
    for (const Pod& each : pods) send(stream, "ADDED", each);
    send(stream, "BOOKMARK", bookmark("100", true));
    return stream;
  }
  // What the index-th request asked for, without the lengths that are drawn by lot.
  std::string asked(std::size_t index) const;
  std::vector<std::string> held() const {
    std::vector<std::string> out;
    for (const auto& [key, object] : informer.objects())
      out.push_back(key + "@" + object->metadata().resourceversion());
    return out;
  }

  api::WireFormat format;
  std::vector<std::string> story;
  Informer<Pod> informer;
};

}  // namespace keelson::kube::testing
