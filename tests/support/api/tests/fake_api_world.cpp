#include "tests/support/api/tests/fake_api_world.hpp"

#include <gtest/gtest.h>

#include "api/json_codec.hpp"

namespace keelson::fakes::testing {
namespace {

using base::Task;

void drain(base::Loop& loop) {
  while (loop.poll() > 0) {
  }
}

Task<void> stop_gate(base::Gate* gate) { co_await gate->stop(); }

void stop(base::Loop& loop, base::Gate& gate) {
  base::Gate own(loop);
  base::spawn(own, "stop", stop_gate(&gate));
  drain(loop);
}

Task<void> ask_one(FakeApi* api, ApiRequest request, std::shared_ptr<std::optional<ApiAnswer>> place) {
  ApiAnswer answer = co_await api->handle(std::move(request));
  place->emplace(std::move(answer));
}

std::string label(const json& event) {
  const std::string type = event.at("type");
  const json& object = event.at("object");
  if (type == "ERROR") return type + " " + std::to_string(object.value("code", 0));
  if (object.value("kind", "") == "Table") return type + " Table " + std::to_string(object.at("rows").size());
  const json& meta = object.at("metadata");
  if (type != "BOOKMARK") return type + " " + meta.value("name", "");
  const bool initial = meta.contains("annotations") && meta["annotations"].contains("k8s.io/initial-events-end");
  return initial ? "BOOKMARK initial" : "BOOKMARK";
}

json event_json(const api::WatchEvent& event) {
  return {{"type", event.type}, {"object", json::parse(api::encode_json(*event.object.message))}};
}

}  // namespace

Watcher::Watcher(base::Loop& loop, std::shared_ptr<ApiStream> stream, api::WireFormat format)
    : loop_(loop), gate_(loop), state_(std::make_shared<State>()) {
  base::spawn(gate_, "follow", follow(std::move(stream), format, state_));
  drain(loop_);
}

Watcher::~Watcher() { stop(loop_, gate_); }

Task<void> Watcher::follow(std::shared_ptr<ApiStream> stream, api::WireFormat format, std::shared_ptr<State> state) {
  api::WatchReader reader(format);
  std::string text;
  while (true) {
    auto piece = co_await stream->next();
    if (!piece.ok()) {
      state->broken = true;
      co_return;
    }
    if (piece->empty()) break;
    if (format == api::WireFormat::json) {
      // Tables are no objects of the registry: JSON is read as JSON.
      text += *piece;
      for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
        state->events.push_back(json::parse(text.substr(0, end)));
        state->fresh.push_back(label(state->events.back()));
        text.erase(0, end + 1);
      }
      continue;
    }
    reader.feed(*piece);
    while (true) {
      auto event = reader.next();
      EXPECT_TRUE(event.ok());
      if (!event.ok() || !event->has_value()) break;
      state->events.push_back(event_json(**event));
      state->fresh.push_back(label(state->events.back()));
    }
  }
  state->ended = true;
}

std::vector<std::string> Watcher::take() {
  drain(loop_);
  return std::exchange(state_->fresh, {});
}

ApiWorld::ApiWorld() { api.emplace(loop, clock); }

ApiWorld::~ApiWorld() { stop(loop, gate); }

void ApiWorld::settle() { drain(loop); }

std::shared_ptr<std::optional<ApiAnswer>> ApiWorld::begin(ApiRequest request) {
  auto place = std::make_shared<std::optional<ApiAnswer>>();
  base::spawn(gate, "ask", ask_one(&*api, std::move(request), place));
  settle();
  return place;
}

Reply ApiWorld::ask(const ApiUser& user, const std::string& method, const std::string& target, const std::string& body,
                    const std::string& content_type, const std::string& accept) {
  ApiRequest request;
  request.method = method;
  request.target = target;
  request.body = body;
  request.user = user;
  request.headers = {{"accept", accept}};
  if (!body.empty()) request.headers.emplace_back("content-type", content_type);
  const auto place = begin(std::move(request));
  Reply out;
  out.status = -1;
  if (!place->has_value()) return out;
  ApiAnswer& answer = **place;
  out.status = answer.status;
  out.reset = answer.reset;
  out.headers = answer.headers;
  const std::string* type = kube::find_header(answer.headers, "content-type");
  if (type != nullptr) out.content_type = *type;
  out.text = std::move(answer.body);
  out.stream = std::move(answer.stream);
  out.body = json::parse(out.text, nullptr, false);
  if (out.body.is_discarded()) out.body = json();
  return out;
}

std::unique_ptr<Watcher> ApiWorld::watch(const std::string& target, const std::string& accept, const ApiUser& user) {
  Reply reply = ask(user, "GET", target, "", "", accept);
  EXPECT_EQ(reply.status, 200) << reply.text;
  if (reply.stream == nullptr) return nullptr;
  const bool binary = reply.content_type.starts_with("application/vnd.kubernetes.protobuf");
  return std::make_unique<Watcher>(loop, std::move(reply.stream),
                                   binary ? api::WireFormat::protobuf : api::WireFormat::json);
}

api::Pod ApiWorld::pod(const std::string& name, const std::string& node, const std::string& ns) {
  api::Pod out;
  out.mutable_metadata()->set_name(name);
  out.mutable_metadata()->set_namespace_(ns);
  out.mutable_spec()->set_nodename(node);
  auto& container = *out.mutable_spec()->add_containers();
  container.set_name("main");
  container.set_image("busybox:1");
  return out;
}

api::core::Node ApiWorld::node(const std::string& name) {
  api::core::Node out;
  out.mutable_metadata()->set_name(name);
  return out;
}

}  // namespace keelson::fakes::testing
