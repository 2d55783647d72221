#include "agent/node_api/debug.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "agent/node_api/answers.hpp"
#include "agent/node_api/go_number.hpp"
#include "agent/server/endpoints.hpp"
#include "base/file.hpp"

namespace keelson::node_api {
namespace {

constexpr std::string_view kPprof = "/debug/pprof/";

std::string command_line() {
  auto read = base::read_file("/proc/self/cmdline");
  if (!read.ok()) return {};
  std::string text = std::move(*read);
  if (text.ends_with('\0')) text.pop_back();
  return text;
}

// One line a thread: its number and its name.
std::string threads() {
  const std::string tasks = "/proc/self/task";
  const auto numbers = base::list_subdirectories(tasks);
  if (!numbers.ok()) return numbers.error().to_string() + "\n";
  std::string out = "threads: " + std::to_string(numbers->size()) + "\n";
  for (const std::string& number : *numbers) {
    const auto name = base::read_file(tasks + "/" + number + "/comm");
    out += number + " " + (name.ok() ? *name : std::string("(ended)\n"));
  }
  return out;
}

// There are function names only in the debug symbols, which are not here.
std::string symbols() { return "num_symbols: 0\n"; }

struct Profile {
  std::string_view name;
  std::string (*answer)();   // null: no counterpart
  std::string_view instead;  // what helps; PID is put in
};
constexpr std::array kProfiles = {
    Profile{"cmdline", command_line, ""},
    Profile{"symbol", symbols, ""},
    Profile{"threadcreate", threads, ""},
    Profile{"profile", nullptr, "use `perf record -g -p PID` on the node"},
    Profile{"trace", nullptr, "use `perf trace -p PID` on the node"},
    Profile{"heap", nullptr, "use `heaptrack -p PID` on the node"},
    Profile{"allocs", nullptr, "use `heaptrack -p PID` on the node"},
    Profile{"goroutine", nullptr, "use `keelson ps` and `keelson explain POD` on the node"},
    Profile{"block", nullptr, "one event loop does the work; use `perf sched record -p PID` on the node"},
    Profile{"mutex", nullptr, "one event loop does the work, without locks"},
};

server::Response pprof_answer(std::string_view path) {
  const std::string_view name = path.starts_with(kPprof) ? path.substr(kPprof.size()) : std::string_view();
  const auto known = std::find_if(kProfiles.begin(), kProfiles.end(), [&](const Profile& p) { return p.name == name; });
  if (known == kProfiles.end()) {
    server::Response unknown = server::error_text(404, "Unknown profile");
    unknown.headers.emplace_back("X-Go-Pprof", "1");
    return unknown;
  }
  if (known->answer == nullptr) {
    std::string instead(known->instead);
    if (const std::size_t at = instead.find("PID"); at != std::string::npos) {
      instead.replace(at, 3, std::to_string(getpid()));
    }
    return server::error_text(501,
                              std::string(name) + ": this agent is no Go program and has no such profile; " + instead);
  }
  server::Response response = server::plain_text(200, known->answer());
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return response;
}

server::Response plain_line(int status, const std::string& text) {
  server::Response response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "text/plain");
  response.body = text + "\n";
  return response;
}

}  // namespace

base::Task<void> PprofHandler::handle(const server::Request& request, server::Reply& reply) {
  server::Response response = pprof_answer(request.path);
  co_await answer(reply, std::move(response));
}

server::Response LogLevelHandler::set(const std::string& text) {
  const auto level = go_integer(text, "ParseInt", 32);
  if (!level.ok()) {
    return plain_line(400, "failed set klog.logging.verbosity " + text + ": " + level.error().message());
  }
  const int before = sink_->verbosity();
  sink_->set_verbosity(static_cast<int>(*level));
  log_.info("The verbosity of the log was changed", {{"from", before}, {"to", *level}});
  return plain_line(200, "successfully set klog.logging.verbosity to " + text);
}

base::Task<void> LogLevelHandler::handle(const server::Request& request, server::Reply& reply) {
  server::Response response = set(request.body);
  co_await answer(reply, std::move(response));
}

}  // namespace keelson::node_api
