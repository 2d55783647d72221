#include "agent/stats/summary_handler.hpp"

#include "agent/server/url_text.hpp"
#include "agent/stats/summary.hpp"

namespace keelson::stats {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kWriteLimit = 10s;
constexpr std::string_view kParameter = "only_cpu_and_memory";

bool is_form(const server::Request& request) {
  const auto type = request.header("Content-Type");
  return request.method == "POST" && type && type->starts_with("application/x-www-form-urlencoded");
}

std::function<Result<std::string>()> writing(SnapshotPtr snapshot, bool only_cpu_and_memory) {
  return [snapshot = std::move(snapshot), only_cpu_and_memory]() -> Result<std::string> {
    return summary_json(make_summary(*snapshot, only_cpu_and_memory));
  };
}

server::Response json(std::string body) {
  server::Response response;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

}  // namespace

bool asks_only_cpu_and_memory(const server::Request& request) {
  std::vector<std::string> values = request.query_values(kParameter);
  if (is_form(request)) {
    for (const auto& [name, value] : server::parse_query(request.body)) {
      if (name == kParameter) values.push_back(value);
    }
  }
  return values.size() == 1 && values.front() == "true";
}

base::Task<void> SummaryHandler::handle(const server::Request& request, server::Reply& reply) {
  const bool only = asks_only_cpu_and_memory(request);
  server::Response response = co_await answer(only);
  // Whether it arrived is nobody's business here.
  (void)co_await reply.send(std::move(response));
}

base::Task<server::Response> SummaryHandler::answer(bool only_cpu_and_memory) {
  const Depth depth = only_cpu_and_memory ? Depth::cpu_and_memory : Depth::summary;
  auto snapshot = co_await sampler_.take(depth);
  if (!snapshot.ok()) co_return failed(snapshot.error());
  auto write = writing(std::move(*snapshot), only_cpu_and_memory);
  auto body = co_await sampler_.pool().run<std::string>("writing the summary", kWriteLimit, std::move(write));
  if (!body.ok()) co_return failed(body.error());
  co_return json(std::move(*body));
}

server::Response SummaryHandler::failed(const Error& error) const {
  sampler_.log().error("The stats summary cannot be made", {{"err", error}});
  return server::plain_text(500, "Internal Error: " + error.to_string());
}

}  // namespace keelson::stats
