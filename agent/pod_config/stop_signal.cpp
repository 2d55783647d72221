#include "agent/pod_config/stop_signal.hpp"

#include <algorithm>
#include <array>

namespace keelson::agent {
namespace {

constexpr std::array<std::string_view, 66> kSignals{"",
                                                    "SIGABRT",
                                                    "SIGALRM",
                                                    "SIGBUS",
                                                    "SIGCHLD",
                                                    "SIGCLD",
                                                    "SIGCONT",
                                                    "SIGFPE",
                                                    "SIGHUP",
                                                    "SIGILL",
                                                    "SIGINT",
                                                    "SIGIO",
                                                    "SIGIOT",
                                                    "SIGKILL",
                                                    "SIGPIPE",
                                                    "SIGPOLL",
                                                    "SIGPROF",
                                                    "SIGPWR",
                                                    "SIGQUIT",
                                                    "SIGSEGV",
                                                    "SIGSTKFLT",
                                                    "SIGSTOP",
                                                    "SIGSYS",
                                                    "SIGTERM",
                                                    "SIGTRAP",
                                                    "SIGTSTP",
                                                    "SIGTTIN",
                                                    "SIGTTOU",
                                                    "SIGURG",
                                                    "SIGUSR1",
                                                    "SIGUSR2",
                                                    "SIGVTALRM",
                                                    "SIGWINCH",
                                                    "SIGXCPU",
                                                    "SIGXFSZ",
                                                    "SIGRTMIN",
                                                    "SIGRTMIN+1",
                                                    "SIGRTMIN+2",
                                                    "SIGRTMIN+3",
                                                    "SIGRTMIN+4",
                                                    "SIGRTMIN+5",
                                                    "SIGRTMIN+6",
                                                    "SIGRTMIN+7",
                                                    "SIGRTMIN+8",
                                                    "SIGRTMIN+9",
                                                    "SIGRTMIN+10",
                                                    "SIGRTMIN+11",
                                                    "SIGRTMIN+12",
                                                    "SIGRTMIN+13",
                                                    "SIGRTMIN+14",
                                                    "SIGRTMIN+15",
                                                    "SIGRTMAX-14",
                                                    "SIGRTMAX-13",
                                                    "SIGRTMAX-12",
                                                    "SIGRTMAX-11",
                                                    "SIGRTMAX-10",
                                                    "SIGRTMAX-9",
                                                    "SIGRTMAX-8",
                                                    "SIGRTMAX-7",
                                                    "SIGRTMAX-6",
                                                    "SIGRTMAX-5",
                                                    "SIGRTMAX-4",
                                                    "SIGRTMAX-3",
                                                    "SIGRTMAX-2",
                                                    "SIGRTMAX-1",
                                                    "SIGRTMAX"};

}  // namespace

std::int32_t stop_signal_number(std::string_view name) {
  const auto found = std::find(kSignals.begin(), kSignals.end(), name);
  return found == kSignals.end() ? 0 : static_cast<std::int32_t>(found - kSignals.begin());
}

std::string stop_signal_name(std::int32_t number) {
  const bool known = number > 0 && static_cast<std::size_t>(number) < kSignals.size();
  return known ? std::string(kSignals[static_cast<std::size_t>(number)]) : std::string();
}

std::int32_t stop_signal_of(const api::core::Container& container) {
  return stop_signal_number(container.lifecycle().stopsignal());
}

}  // namespace keelson::agent
