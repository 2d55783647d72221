// ExecCredentials: a token or a certificate from a program (client.authentication.k8s.io/v1 and v1beta1).
//
// The program runs when a request needs credentials and there are none, they have expired, or the server refused them;
// callers that come meanwhile wait for the same run. A failed run is not repeated within two seconds. It gets 60
// seconds, our environment, and KUBERNETES_EXEC_INFO. Owner: the wiring. Thread: the loop. Stops: with the gate it was
// started in; outlives the tasks that await it. Fails with what the program said on standard error. Source: client-go
// credential plugins.
#pragma once

#include <optional>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/configured_credentials.hpp"
#include "kube-client/kubeconfig.hpp"

namespace keelson::kube {

// What a program answered.
struct ExecAnswer {
  std::string token;
  std::optional<Identity> identity;
  std::optional<base::SystemTime> expires;
};
// The value of KUBERNETES_EXEC_INFO.
std::string exec_info(const ExecPlugin& plugin);
Result<ExecAnswer> parse_exec_answer(std::string_view text, const std::string& api_version);

class ExecCredentials final : public StartedCredentials {
 public:
  ExecCredentials(base::Loop& loop, base::Clock& clock, ExecPlugin plugin, Environment environment, base::Logger log);

  void start(base::Gate& gate) override { gate_ = &gate; }
  std::optional<Identity> identity() override { return answer_.identity; }
  base::Task<Result<std::string>> authorization() override;
  void rejected() override { refused_ = true; }
  void on_identity_change(std::function<void()> listener) override { listener_ = std::move(listener); }

  std::size_t runs() const { return runs_; }

 private:
  bool usable() const;
  bool failed_just_now() const;
  base::Task<void> run();
  base::Task<Result<ExecAnswer>> ask();
  void keep(ExecAnswer answer);

  base::Loop& loop_;
  base::Clock& clock_;
  ExecPlugin plugin_;
  Environment environment_;
  base::Logger log_;
  base::Gate* gate_ = nullptr;
  std::function<void()> listener_;

  ExecAnswer answer_;
  bool answered_ = false;
  bool refused_ = false;
  std::optional<Error> failure_;
  base::SteadyTime failed_at_{};
  bool running_ = false;
  std::size_t runs_ = 0;  // that have ended
  base::Notification ended_;
};

}  // namespace keelson::kube
