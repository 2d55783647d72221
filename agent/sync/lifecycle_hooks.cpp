#include "agent/sync/lifecycle_hooks.hpp"

#include "agent/pod_config/go_text.hpp"
#include "agent/sync/containers.hpp"

namespace keelson::agent {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// contract 02 §18: `Exec lifecycle hook ([true]) for Container "main" in Pod "a_b(c)" failed - error: ERR`.
Error failure(const HookRequest& request, const std::string& hook, const std::string& error) {
  return Error(ErrorKind::internal, hook + " for Container " + go_quote(request.container.name()) + " in Pod " +
                                        go_quote(pod_description(*request.pod)) + " failed - error: " + error);
}

base::Task<Status> invalid(HookRequest) { co_return Error(ErrorKind::invalid, "Cannot run handler: invalid handler"); }

}  // namespace

base::Task<Status> RuntimeHooks::run(HookRequest request) {
  if (request.handler.has_exec()) return run_exec(std::move(request));
  if (request.handler.has_sleep()) return run_sleep(std::move(request));
  return invalid(std::move(request));
}

base::Task<Status> RuntimeHooks::run_exec(HookRequest request) {
  const auto& given = request.handler.exec().command();
  std::vector<std::string> command(given.begin(), given.end());
  const std::string words = joined(command);
  auto ran = co_await runtime_.exec_sync(request.container_id, std::move(command), std::chrono::seconds(0));
  std::string error;
  std::string output;
  if (!ran.ok()) {
    error = ran.error().to_string();
  } else if (ran->exit_code != 0) {
    // contract 02 §1.
    error = "command '" + words + "' exited with " + std::to_string(ran->exit_code) + ": " + ran->stderr_data;
    output = ran->stdout_data + ran->stderr_data;
  }
  if (error.empty()) co_return Status();
  co_return failure(request, "Exec lifecycle hook ([" + words + "])", error + ", message: " + go_quote(output));
}

base::Task<Status> RuntimeHooks::run_sleep(HookRequest request) {
  constexpr std::int64_t kMost = 100ll * 365 * 24 * 3600;  // a clock of nanoseconds holds no more
  co_await clock_.sleep_for(std::chrono::seconds(std::min(kMost, request.handler.sleep().seconds())));
  co_return Status();
}

}  // namespace keelson::agent
