// RuntimeHealth: whether the runtime can be worked with, asked every 5 s.
//
// `problem()` is empty while pods may be synced; `network_problem()` is empty while pod-network pods may be started.
// The texts are those of the Ready condition and the NetworkNotReady event. Owner: main(). Thread: the loop. Stops with
// its gate. Source: contract 02 §12 (Status every 5 s, 30 s rule), contract 01 §8.1.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

class RuntimeHealth {
 public:
  static constexpr base::Duration period = std::chrono::seconds(5);
  static constexpr base::Duration good_for = std::chrono::seconds(30);

  RuntimeHealth(base::Clock& clock, cri::RuntimeService& runtime, base::Logger log)
      : clock_(clock), runtime_(runtime), log_(std::move(log)) {
    told_ = problem() + network_problem_;
  }

  // Asks until the gate stops. `changed` is called on the loop when a text changed.
  void start(base::Gate& gate, std::function<void()> changed);
  // One round now; at start, and after the runtime came back.
  base::Task<void> check();

  std::string problem() const;
  // The two halves of it as the Ready condition tells them: no answer with RuntimeReady yet or for 30 s, and what the
  // last answer said.
  std::string status_problem() const;
  const std::string& ready_problem() const { return ready_problem_; }
  std::string network_problem() const { return network_problem_; }
  const std::vector<cri::RuntimeCondition>& conditions() const { return conditions_; }
  const std::vector<cri::RuntimeHandler>& handlers() const { return handlers_; }
  std::optional<bool> supplemental_groups_policy() const { return supplemental_groups_policy_; }
  bool user_namespaces_host_network() const { return user_namespaces_host_network_; }

 private:
  base::Task<void> run();

  base::Clock& clock_;
  cri::RuntimeService& runtime_;
  base::Logger log_;
  std::function<void()> changed_;
  std::string told_;                            // what `changed` was last called for
  std::optional<base::SteadyTime> last_good_;   // answered
  std::optional<base::SteadyTime> last_ready_;  // answered with RuntimeReady
  std::string ready_problem_;
  std::string network_problem_ = "network state unknown";
  std::string call_error_;
  std::vector<cri::RuntimeCondition> conditions_;
  std::vector<cri::RuntimeHandler> handlers_;
  std::optional<bool> supplemental_groups_policy_;
  bool user_namespaces_host_network_ = false;
};

// The problem that the condition of this type tells, empty when it is true. Pure.
std::string condition_problem(const std::vector<cri::RuntimeCondition>& conditions, std::string_view type,
                              std::string_view prefix);

}  // namespace keelson::agent
