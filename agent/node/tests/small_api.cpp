#include "agent/node/tests/small_api.hpp"

#include "api/patch.hpp"
#include "api/proto/core_v1.pb.h"
#include "base/duration.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent::testing {
namespace {

json failure(int code, const std::string& reason, const std::string& message) {
  return {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
          {"status", "Failure"}, {"message", message}, {"reason", reason},
          {"code", code}};
}

std::string reason_of(int code) {
  switch (code) {
    case 403: return "Forbidden";
    case 409: return "Conflict";
    case 500: return "InternalError";
    case 503: return "ServiceUnavailable";
    default: return "Unknown";
  }
}

kube::ClientOptions json_only(bool heartbeat) {
  kube::ClientOptions options;
  options.protobuf = false;
  if (heartbeat) {
    options.qps = 0;
    options.timeout = 10s;
    options.timeout_in_query = true;
  }
  return options;
}

}  // namespace

void SmallApi::store(const std::string& path, json object) {
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  objects[path] = std::move(object);
  if (changed) changed(path);
}

void SmallApi::put(const std::string& path, json object) {
  if (!object["metadata"].contains("uid")) object["metadata"]["uid"] = "uid-" + std::to_string(version_ + 1);
  store(path, std::move(object));
}

void SmallApi::erase(const std::string& path) {
  objects.erase(path);
  if (changed) changed(path);
}

std::vector<std::string> SmallApi::requests(const std::string& part) const {
  std::vector<std::string> out;
  for (const auto& entry : seen) {
    if (entry.target.find(part) != std::string::npos) out.push_back(entry.method + " " + entry.target);
  }
  return out;
}

std::vector<SmallApi::Seen> SmallApi::all(const std::string& method, const std::string& part) const {
  std::vector<Seen> out;
  for (const auto& entry : seen) {
    if (entry.method == method && entry.target.find(part) != std::string::npos) out.push_back(entry);
  }
  return out;
}

std::optional<SmallApi::Fault> SmallApi::take_fault(const kube::HttpRequest& request) {
  for (auto& fault : faults) {
    if (fault.times == 0 || (!fault.method.empty() && fault.method != request.method)) continue;
    if (request.target.find(fault.path) == std::string::npos) continue;
    if (fault.times > 0) --fault.times;
    return fault;
  }
  return std::nullopt;
}

base::Task<Result<kube::HttpResponse>> SmallApi::send(kube::HttpRequest request, base::Duration limit) {
  const std::size_t index = seen.size();
  const auto* type = kube::find_header(request.headers, "content-type");
  Seen entry;
  entry.at = clock_.steady_now();
  entry.method = request.method;
  entry.target = request.target;
  if (!request.body.empty()) entry.body = json::parse(request.body);
  if (type != nullptr) entry.content_type = *type;
  seen.push_back(std::move(entry));
  const auto fault = take_fault(request);
  if (fault && fault->hang) {
    co_await clock_.sleep_for(limit);
    co_return Error(ErrorKind::deadline_exceeded, "no answer in time");
  }
  if (fault && fault->latency.count() > 0) co_await clock_.sleep_for(fault->latency);
  if (down) co_return Error(ErrorKind::unavailable, "connection refused");
  auto [status, body] =
      fault && fault->status != 0
          ? std::pair<int, json>(fault->status, failure(fault->status, reason_of(fault->status), "no"))
          : answer(request);
  seen[index].status = status;
  kube::HttpResponse response;
  response.status = status;
  response.headers.emplace_back("content-type", "application/json");
  response.body = body.dump();
  co_return response;
}

base::Task<Result<std::unique_ptr<kube::HttpStream>>> SmallApi::open(kube::HttpRequest, base::Duration) {
  co_return Error(ErrorKind::unavailable, "this server has no watches");
}

std::pair<int, json> SmallApi::answer(const kube::HttpRequest& request) {
  std::string path = request.target.substr(0, request.target.find('?'));
  const std::string tail = "/status";
  if (path.size() > tail.size() && path.compare(path.size() - tail.size(), tail.size(), tail) == 0) {
    path.resize(path.size() - tail.size());
  }
  if (request.method == "POST") return create(path, json::parse(request.body));
  if (request.method == "DELETE" && path.find("resourceslices") != std::string::npos) return {200, failure(0, "", "")};
  if (objects.count(path) == 0) return {404, failure(404, "NotFound", path + " not found")};
  if (request.method == "GET") return {200, objects[path]};
  if (request.method == "PUT") return update(path, json::parse(request.body));
  if (request.method == "PATCH") return patch(path, request.body);
  if (request.method == "DELETE") {
    erase(path);
    return {200, {{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object()}, {"status", "Success"}}};
  }
  return {405, failure(405, "MethodNotAllowed", request.method)};
}

std::pair<int, json> SmallApi::create(const std::string& collection, json object) {
  const std::string path = collection + "/" + object["metadata"]["name"].get<std::string>();
  if (objects.count(path) > 0) return {409, failure(409, "AlreadyExists", path + " already exists")};
  object["metadata"]["uid"] = "uid-" + std::to_string(version_ + 1);
  object["metadata"]["creationTimestamp"] = base::format_rfc3339(clock_.now());
  store(path, std::move(object));
  return {201, objects[path]};
}

std::pair<int, json> SmallApi::update(const std::string& path, json object) {
  const auto& given = object["metadata"];
  if (given.contains("resourceVersion") && given["resourceVersion"] != objects[path]["metadata"]["resourceVersion"]) {
    return {409, failure(409, "Conflict", path + " was changed meanwhile")};
  }
  store(path, std::move(object));
  return {200, objects[path]};
}

std::pair<int, json> SmallApi::patch(const std::string& path, const std::string& body) {
  const auto now = api::parse_json(objects[path].dump());
  const auto change = api::parse_json(body);
  auto made = api::strategic_merge_apply(*now, *change, api::core::Node::descriptor());
  if (!made.ok()) return {422, failure(422, "Invalid", made.error().to_string())};
  const json next = json::parse(api::to_json(*made));
  if (next != objects[path]) store(path, next);
  return {200, objects[path]};
}

std::vector<std::string> FakeNodeEvents::reasons() const {
  std::vector<std::string> out;
  for (const auto& event : all) out.push_back(event.reason);
  return out;
}

NodeBench::NodeBench()
    : log(std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                          [this](std::string_view line) { lines.emplace_back(line); })),
      main(loop, clock, api, json_only(false), base::Logger()),
      heartbeat(loop, clock, api, json_only(true), base::Logger()) {}

void NodeBench::pump() {
  while (loop.poll() > 0) {
  }
}

void NodeBench::advance(base::Duration duration) {
  pump();
  clock.advance(duration);
  pump();
}

bool NodeBench::until(const std::function<bool()>& condition, base::Duration limit) {
  pump();
  for (base::Duration waited{}; waited < limit; waited += 10ms) {
    if (condition()) return true;
    advance(10ms);
  }
  return condition();
}

void NodeBench::stop() { KEELSON_CHECK(base::testing::stop_now(loop, gate) && "the bench's tasks end"); }

}  // namespace keelson::agent::testing
