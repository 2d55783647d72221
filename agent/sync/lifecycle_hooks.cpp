#include "agent/sync/lifecycle_hooks.hpp"

#include <algorithm>

#include "agent/pod_config/go_text.hpp"
#include "agent/sync/containers.hpp"
#include "probes/http_action.hpp"

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

// contract 02 §18: with the address of the pod where the handler names no host. No time limit.
Result<probes::HttpGet> get_request(const HookRequest& request) {
  const auto& action = request.handler.httpget();
  if (action.host().empty() && request.pod_ips.empty()) {
    return Error(ErrorKind::not_found, "failed to find networking container: the pod has no IP address");
  }
  const std::string host = action.host().empty() ? request.pod_ips.front() : action.host();
  return probes::make_http_get(action, request.container, host, "kube-lifecycle/1.36", {});
}

// The same in plain HTTP, where nobody may read along what was meant for TLS.
probes::HttpGet without_tls(probes::HttpGet request) {
  request.url.scheme = "http";
  std::erase_if(request.headers,
                [](const auto& header) { return probes::canonical_header(header.first) == "Authorization"; });
  return request;
}

PodEvent fallback_event(const probes::HttpGet& request) {
  return {
      true, "LifecycleHTTPFallback",
      "request to HTTPS lifecycle hook " + request.url.authority() + " got HTTP response, retry with HTTP succeeded",
      ""};
}

// Cancellation leaves no other way.
class CountUnless {
 public:
  explicit CountUnless(std::uint64_t& count) : count_(count) {}
  CountUnless(const CountUnless&) = delete;
  CountUnless& operator=(const CountUnless&) = delete;
  ~CountUnless() {
    if (!done_) ++count_;
  }
  void done() { done_ = true; }

 private:
  std::uint64_t& count_;
  bool done_ = false;
};

base::Task<Status> invalid(HookRequest) { co_return Error(ErrorKind::invalid, "Cannot run handler: invalid handler"); }

}  // namespace

base::Task<Status> RuntimeHooks::run(HookRequest request) {
  if (request.handler.has_exec()) return run_exec(std::move(request));
  if (request.handler.has_httpget()) return run_http_get(std::move(request));
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

base::Task<Status> RuntimeHooks::run_http_get(HookRequest request) {
  const std::string hook = "HTTP lifecycle hook (" + request.handler.httpget().path() + ")";
  auto asked = get_request(request);
  if (!asked.ok()) co_return failure(request, hook, asked.error().to_string());
  probes::HttpGet get = *asked;
  auto outcome = co_await http_.get(get);
  if (outcome.kind != probes::HttpOutcome::Kind::failed) co_return Status();  // whatever the status code
  if (outcome.plain_http) {
    probes::HttpGet plain = without_tls(get);
    auto again = co_await http_.get(std::move(plain));
    if (again.kind != probes::HttpOutcome::Kind::failed) {
      ++http_fallbacks_;
      events_.record(*request.pod, fallback_event(get));
      co_return Status();
    }
  }
  co_return failure(request, hook, outcome.error);
}

base::Task<Status> RuntimeHooks::run_sleep(HookRequest request) {
  constexpr std::int64_t kMost = 100ll * 365 * 24 * 3600;  // a clock of nanoseconds holds no more
  CountUnless cut_short(short_sleeps_);
  co_await clock_.sleep_for(std::chrono::seconds(std::min(kMost, request.handler.sleep().seconds())));
  cut_short.done();
  co_return Status();
}

}  // namespace keelson::agent
