// Notifier and Watchdog: what systemd hears from us (sd_notify(3)).
//
// Notifier sends the state changes; each does nothing when NOTIFY_SOCKET is not set. Watchdog sends WATCHDOG=1 at half
// of WATCHDOG_USEC, from a task on the loop and only while `healthy` says so: a stalled loop or a failing check makes
// systemd restart us. Owner: main(). Thread: the loop. Stops: the watchdog with its gate. What fails:
// watchdog_interval(), a start error: WATCHDOG_USEC is no number, or 1 s or less. Sending never fails for the caller;
// the first failure is kept for the log. Source: contract 01 §4.1; sd_notify(3), sd_watchdog_enabled(3).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"

namespace keelson::agent {

class Notifier {
 public:
  explicit Notifier(base::Logger log) : log_(std::move(log)) {}

  static bool enabled();

  // READY=1 with a status line; the first call, and the first after reloading(), sends it.
  void ready(std::string_view status);
  // STATUS=: one line for `systemctl status`; sent only when it differs from the last.
  void status(std::string_view status);
  // RELOADING=1 with MONOTONIC_USEC; follow with ready().
  void reloading();
  // STOPPING=1, once.
  void stopping(std::string_view status);
  void watchdog();

  bool is_ready() const { return ready_; }

 private:
  void send(const std::string& state);

  base::Logger log_;
  bool ready_ = false;
  bool stopping_ = false;
  bool failed_ = false;
  std::string status_;
};

// WATCHDOG_USEC when it is set and meant for this process; nullopt: no watchdog.
Result<std::optional<base::Duration>> watchdog_interval();

class Watchdog {
 public:
  Watchdog(base::Clock& clock, base::Logger log, std::function<void()> ping, std::function<Status()> healthy);

  // Pings now, then each interval/2.
  void start(base::Gate& gate, base::Duration interval);

 private:
  base::Task<void> run(base::Duration interval);

  base::Clock& clock_;
  base::Logger log_;
  std::function<void()> ping_;
  std::function<Status()> healthy_;
};

}  // namespace keelson::agent
