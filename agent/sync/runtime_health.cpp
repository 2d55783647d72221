#include "agent/sync/runtime_health.hpp"

namespace keelson::agent {

std::string condition_problem(const std::vector<cri::RuntimeCondition>& conditions, std::string_view type,
                              std::string_view prefix) {
  for (const auto& condition : conditions) {
    if (condition.type != type) continue;
    if (condition.status) return "";
    return std::string(prefix) + ": " + std::string(type) + "=false reason:" + condition.reason +
           " message:" + condition.message;
  }
  return std::string(prefix) + ": " + std::string(type) + "=false reason: message:the runtime does not report " +
         std::string(type);
}

void RuntimeHealth::start(base::Gate& gate, std::function<void()> changed) {
  changed_ = std::move(changed);
  base::spawn(gate, "runtime health", run());
}

base::Task<void> RuntimeHealth::run() {
  while (true) {
    co_await check();
    co_await clock_.sleep_for(period);
  }
}

base::Task<void> RuntimeHealth::check() {
  auto status = co_await runtime_.status();
  if (!status.ok()) {
    const std::string text = status.error().to_string();
    if (text != call_error_) log_.warning("Container runtime does not answer", {{"err", text}});
    call_error_ = text;
  } else {
    if (!call_error_.empty()) log_.info("Container runtime answers again");
    call_error_.clear();
    last_good_ = clock_.steady_now();
    conditions_ = std::move(status->conditions);
    handlers_ = std::move(status->handlers);
    ready_problem_ = condition_problem(conditions_, "RuntimeReady", "container runtime not ready");
    if (ready_problem_.empty()) last_ready_ = last_good_;
    supplemental_groups_policy_ = status->supplemental_groups_policy;
    user_namespaces_host_network_ = status->user_namespaces_host_network;
    network_problem_ = condition_problem(conditions_, "NetworkReady", "container runtime network not ready");
  }
  // Compared with what was told, not with the round before: time alone makes a silent runtime one that is down.
  std::string now = problem() + network_problem_;
  if (now == told_) co_return;
  if (status.ok() && !now.empty()) log_.warning("Container runtime is not ready", {{"problem", now}});
  told_ = std::move(now);
  if (changed_) changed_();
}

std::string RuntimeHealth::status_problem() const {
  if (!last_ready_) return "container runtime status check may not have completed yet";
  if (clock_.steady_now() - *last_ready_ > good_for) return "container runtime is down";
  return "";
}

std::string RuntimeHealth::problem() const {
  if (!last_good_) return "container runtime status check may not have completed yet";
  if (clock_.steady_now() - *last_good_ > good_for) return "container runtime is down";
  return ready_problem_;
}

}  // namespace keelson::agent
