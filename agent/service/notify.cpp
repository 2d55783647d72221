#include "agent/service/notify.hpp"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/duration.hpp"

namespace keelson::agent {
namespace {

// A newline would start another assignment.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

std::uint64_t monotonic_usec() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

}  // namespace

bool Notifier::enabled() {
  const char* address = std::getenv("NOTIFY_SOCKET");
  return address != nullptr && *address != '\0';
}

void Notifier::send(const std::string& state) {
  if (!enabled()) return;
  const int sent = sd_notify(/*unset_environment=*/0, state.c_str());
  if (sent < 0 && !failed_) {
    failed_ = true;
    log_.warning("Cannot notify systemd", {{"error", std::strerror(-sent)}});
  }
}

void Notifier::ready(std::string_view status) {
  if (ready_) return this->status(status);
  ready_ = true;
  status_ = one_line(status);
  send("READY=1\nSTATUS=" + status_);
}

void Notifier::status(std::string_view status) {
  const std::string line = one_line(status);
  if (line == status_) return;
  status_ = line;
  send("STATUS=" + status_);
}

void Notifier::reloading() {
  ready_ = false;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_usec()));
}

void Notifier::stopping(std::string_view status) {
  if (stopping_) return;
  stopping_ = true;
  status_ = one_line(status);
  send("STOPPING=1\nSTATUS=" + status_);
}

void Notifier::watchdog() { send("WATCHDOG=1"); }

Result<std::optional<base::Duration>> watchdog_interval() {
  std::uint64_t usec = 0;
  const int on = sd_watchdog_enabled(/*unset_environment=*/0, &usec);
  if (on < 0) {
    const char* text = std::getenv("WATCHDOG_USEC");
    return Error(ErrorKind::invalid, "WATCHDOG_USEC=" + std::string(text ? text : "") +
                                         " or WATCHDOG_PID is not usable: " + std::strerror(-on) +
                                         "; expected whole microseconds and a process id");
  }
  if (on == 0) return std::optional<base::Duration>();
  const base::Duration interval = std::chrono::microseconds(usec);
  if (interval <= std::chrono::seconds(1)) {
    return Error(ErrorKind::invalid, "the systemd watchdog interval is " + base::format_duration(interval) +
                                         " (WatchdogSec); expected more than 1s");
  }
  return std::optional<base::Duration>(interval);
}

Watchdog::Watchdog(base::Clock& clock, base::Logger log, std::function<void()> ping, std::function<Status()> healthy)
    : clock_(clock), log_(std::move(log)), ping_(std::move(ping)), healthy_(std::move(healthy)) {}

void Watchdog::start(base::Gate& gate, base::Duration interval) { base::spawn(gate, "watchdog", run(interval)); }

base::Task<void> Watchdog::run(base::Duration interval) {
  while (true) {
    const Status health = healthy_();
    if (health.ok()) {
      ping_();
    } else {
      log_.error("Unhealthy: not telling systemd's watchdog that all is well", {{"error", health.error()}});
    }
    co_await clock_.sleep_for(interval / 2);
  }
}

}  // namespace keelson::agent
