#include "agent/node_api/logs_handler.hpp"

#include "agent/node_api/answers.hpp"
#include "agent/server/endpoints.hpp"
#include "base/go_text.hpp"

namespace keelson::node_api {
namespace {

constexpr std::string_view kPrefix = "/logs/";

}  // namespace

base::Task<std::string> LogsHandler::problem_of(std::string file) {
  const auto opened = co_await files_.open(file);
  if (opened.ok()) co_return std::string();
  const Error& error = opened.error();
  if (error.code() == 0) co_return error.to_string();
  co_return "stat " + files_.root() + clean_path(file) + ": " + base::go_errno(error.code());
}

base::Task<bool> LogsHandler::answer_query(const server::Request& request, server::Reply& reply, std::string& path) {
  LogQueryReading reading = read_log_query(request.query);
  if (!reading.errors.empty()) {
    server::Response unread = server::error_text(400, joined_errors(reading.errors));
    co_await answer(reply, std::move(unread));
    co_return true;
  }
  if (!reading.query) co_return false;
  LogQuery query = std::move(*reading.query);
  if (!path.empty() && path != "/") {
    server::Response refused = server::error_text(406, "path not allowed in query mode");
    co_await answer(reply, std::move(refused));
    co_return true;
  }
  std::string file_problem;
  if (query.is_one_file()) file_problem = co_await problem_of(query.files[0]);
  const auto errors = check_log_query(query, file_problem);
  if (!errors.empty()) {
    server::Response refused = server::error_text(406, joined_errors(errors));
    co_await answer(reply, std::move(refused));
    co_return true;
  }
  if (!query.services.empty()) {
    LogOutput out(reply, request.header("Accept-Encoding").value_or("") == "gzip");
    const auto written = co_await services_.write(std::move(query), out);
    if (written.ok()) (void)co_await out.end();
    co_return true;
  }
  path = query.files[0];
  co_return false;
}

base::Task<void> LogsHandler::handle(const server::Request& request, server::Reply& reply) {
  std::string path = request.path;
  if (path.starts_with(kPrefix)) path.erase(0, kPrefix.size());
  if (options_.query) {
    const bool answered = co_await answer_query(request, reply, path);
    if (answered) co_return;
  }
  co_await file_server_.serve(std::move(path), request, reply);
}

}  // namespace keelson::node_api
