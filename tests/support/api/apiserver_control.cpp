#include "tests/support/api/apiserver_control.hpp"

#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/gate.hpp"

namespace keelson::fakes {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;
using Json = nlohmann::json;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kLongestLine = 1 << 20;

std::string answer(Json fields = Json::object()) {
  fields["ok"] = true;
  return fields.dump() + "\n";
}

std::string complaint(const std::string& text) { return Json{{"error", text}}.dump() + "\n"; }

base::Duration seconds_of(const Json& value) {
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(value.get<double>()));
}

// Fields of a fault to what they set; throws what the JSON library throws for a wrong type.
const std::map<std::string, std::function<void(ApiFault&, const Json&)>>& fault_fields() {
  static const std::map<std::string, std::function<void(ApiFault&, const Json&)>> all = {
      {"method", [](ApiFault& fault, const Json& value) { fault.method = value; }},
      {"path_prefix", [](ApiFault& fault, const Json& value) { fault.path_prefix = value; }},
      {"path_contains", [](ApiFault& fault, const Json& value) { fault.path_contains = value; }},
      {"times", [](ApiFault& fault, const Json& value) { fault.times = value; }},
      {"latency", [](ApiFault& fault, const Json& value) { fault.latency = seconds_of(value); }},
      {"hang", [](ApiFault& fault, const Json& value) { fault.hang = value; }},
      {"status", [](ApiFault& fault, const Json& value) { fault.status = value; }},
      {"retry_after", [](ApiFault& fault, const Json& value) { fault.retry_after = value; }},
      {"reset", [](ApiFault& fault, const Json& value) { fault.reset = value; }},
      {"after_effect", [](ApiFault& fault, const Json& value) { fault.after_effect = value; }},
      {"half_body", [](ApiFault& fault, const Json& value) { fault.half_body = value; }},
      {"stale", [](ApiFault& fault, const Json& value) { fault.stale = value; }},
      {"id", [](ApiFault& fault, const Json& value) { fault.id = value; }},
  };
  return all;
}

Result<ApiFault> fault_of(const Json& fields) {
  ApiFault fault;
  if (!fields.is_object()) return Error(ErrorKind::invalid, "fault: expected an object");
  for (const auto& [name, value] : fields.items()) {
    const auto setter = fault_fields().find(name);
    if (setter == fault_fields().end()) return Error(ErrorKind::invalid, "fault." + name + ": no such field");
    try {
      setter->second(fault, value);
    } catch (const Json::exception&) {
      return Error(ErrorKind::invalid, "fault." + name + ": " + value.dump() + " is of a wrong type");
    }
  }
  return fault;
}

}  // namespace

Result<ApiFault> parse_fault(const std::string& json) { return fault_of(Json::parse(json, nullptr, false)); }

struct ApiServerControl::State {
  State(base::Loop& event_loop, FakeApi& the_api, FakeApiServer& the_server, base::Clock& the_clock)
      : loop(event_loop),
        api(the_api),
        server(the_server),
        clock(the_clock),
        gate(event_loop),
        acceptor(event_loop.context()) {}

  static base::Task<void> accept_loop(State* self);
  static base::Task<void> serve(State* self, std::shared_ptr<Socket> socket);
  static base::Task<void> come_back(State* self, base::Duration after);
  static base::Task<void> shine_again(State* self, base::Duration after);
  std::string run(const std::string& command, const Json& value);
  std::string run_all(const std::string& line);
  Json stats() const;
  Json log() const;

  base::Loop& loop;
  FakeApi& api;
  FakeApiServer& server;
  base::Clock& clock;
  base::Gate gate;
  asio::local::stream_protocol::acceptor acceptor;
  std::string path;
};

// --- Commands

base::Task<void> ApiServerControl::State::come_back(State* self, base::Duration after) {
  co_await self->clock.sleep_for(after);
  // The port is our own again unless somebody took it: then the next try may have it.
  while (!self->server.refuse(false).ok()) co_await self->clock.sleep_for(std::chrono::milliseconds(100));
}

base::Task<void> ApiServerControl::State::shine_again(State* self, base::Duration after) {
  co_await self->clock.sleep_for(after);
  self->server.blackhole(false);
}

Json ApiServerControl::State::stats() const {
  const auto counts = server.counts();
  return {{"accepted", counts.accepted},
          {"connections", counts.connections},
          {"requests", counts.requests},
          {"in_progress", counts.in_progress},
          {"most_in_progress", counts.most_in_progress},
          {"watches", api.open_watches()}};
}

Json ApiServerControl::State::log() const {
  Json entries = Json::array();
  for (const auto& entry : api.log()) {
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(entry.at.time_since_epoch()).count();
    entries.push_back({{"at", static_cast<double>(since) / 1e6},
                       {"verb", entry.verb},
                       {"target", entry.target},
                       {"status", entry.status},
                       {"user", entry.user},
                       {"content_type", entry.content_type},
                       {"body", entry.body}});
  }
  return entries;
}

std::string ApiServerControl::State::run(const std::string& command, const Json& value) {
  if (command == "cut_watches") {
    api.cut_watches(value.is_string() ? value.get<std::string>() : std::string());
  } else if (command == "down") {
    (void)server.refuse(true);
    server.close_all();
    base::spawn(gate, "come back", come_back(this, seconds_of(value)));
  } else if (command == "blackhole") {
    server.blackhole(true);
    base::spawn(gate, "shine again", shine_again(this, seconds_of(value)));
  } else if (command == "close_all") {
    server.close_all();
  } else if (command == "go_away") {
    server.go_away();
  } else if (command == "compact") {
    api.compact();
  } else if (command == "watch_list") {
    api.offer_watch_list(value.get<bool>());
  } else if (command == "protobuf") {
    api.offer_protobuf(value.get<bool>());
  } else if (command == "node_limits") {
    api.enforce_node_limits(value.get<bool>());
  } else if (command == "sign_requests") {
    api.sign_requests(value.get<bool>());
  } else if (command == "fault") {
    auto fault = fault_of(value);
    if (!fault.ok()) return complaint(fault.error().to_string());
    api.add_fault(std::move(*fault));
  } else if (command == "remove_fault") {
    api.remove_fault(value.get<std::string>());
  } else if (command == "clear_faults") {
    api.clear_faults();
  } else if (command == "stats") {
    return answer({{"stats", stats()}});
  } else if (command == "log") {
    return answer({{"log", log()}});
  } else if (command == "clear_log") {
    api.clear_log();
  } else {
    return complaint("unknown command \"" + command + "\"");
  }
  return answer();
}

std::string ApiServerControl::State::run_all(const std::string& line) {
  const Json parsed = Json::parse(line, nullptr, false);
  if (!parsed.is_object() || parsed.size() != 1) {
    return complaint("expected one JSON object with one command, as {\"cut_watches\":\"pods\"}");
  }
  const std::string command = parsed.begin().key();
  try {
    return run(command, parsed.begin().value());
  } catch (const Json::exception&) {
    return complaint(command + ": " + parsed.begin().value().dump() + " is of a wrong type");
  }
}

// --- The socket

base::Task<void> ApiServerControl::State::accept_loop(State* self) {
  for (;;) {
    auto [error, socket] = co_await self->acceptor.async_accept(kTuple);
    if (!self->acceptor.is_open()) co_return;
    if (error) continue;
    base::spawn(self->gate, "control connection", serve(self, std::make_shared<Socket>(std::move(socket))));
  }
}

base::Task<void> ApiServerControl::State::serve(State* self, std::shared_ptr<Socket> socket) {
  std::string buffer;
  for (;;) {
    auto input = asio::dynamic_buffer(buffer, kLongestLine);
    const auto [error, size] = co_await asio::async_read_until(*socket, input, '\n', kTuple);
    if (error) co_return;
    const std::string reply = self->run_all(buffer.substr(0, size));
    buffer.erase(0, size);
    const auto [failed, written] = co_await asio::async_write(*socket, asio::buffer(reply), kTuple);
    if (failed) co_return;
  }
}

ApiServerControl::ApiServerControl(base::Loop& loop, FakeApi& api, FakeApiServer& server, base::Clock& clock)
    : state_(std::make_unique<State>(loop, api, server, clock)) {}
ApiServerControl::~ApiServerControl() = default;

Status ApiServerControl::start(const std::string& path) {
  ::unlink(path.c_str());
  boost::system::error_code error;
  auto& acceptor = state_->acceptor;
  try {
    const asio::local::stream_protocol::endpoint endpoint(path);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(16, error);
  } catch (const boost::system::system_error& failed) {
    error = failed.code();
  }
  if (error) return Error(ErrorKind::invalid, "listen on " + path + ": " + error.message(), error.value());
  state_->path = path;
  base::spawn(state_->gate, "control", State::accept_loop(state_.get()));
  return {};
}

base::Task<void> ApiServerControl::stop() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  if (!state_->path.empty()) ::unlink(state_->path.c_str());
  co_await state_->gate.stop();
}

std::string ApiServerControl::run(const std::string& line) { return state_->run_all(line); }

}  // namespace keelson::fakes
