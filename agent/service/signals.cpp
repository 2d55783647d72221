#include "agent/service/signals.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace keelson::agent {
namespace {

// What the signal handler touches: lock-free atomics only (signal-safety(7)).
std::atomic<int> bell_fd{-1};
std::atomic<int> stop_signal{0};
std::atomic<bool> reload_asked{false};
std::atomic<std::int64_t> limit_usec{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

void ring_bell() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(bell_fd.load(), &one, sizeof one);
}

[[noreturn]] void exit_now(const char* why) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, why, std::strlen(why));
  _exit(1);
}

void handle(int signal) {
  const int saved_errno = errno;
  if (signal == SIGHUP) {
    reload_asked = true;
    ring_bell();
  } else if (signal == SIGALRM) {
    exit_now("keelson: the stop did not finish in time, exiting now; pods keep running\n");
  } else if (int none = 0; !stop_signal.compare_exchange_strong(none, signal)) {
    exit_now("keelson: second stop signal, exiting now; pods keep running\n");
  } else {
    const std::int64_t usec = limit_usec;
    const itimerval timer{.it_interval = {}, .it_value = {.tv_sec = usec / 1'000'000, .tv_usec = usec % 1'000'000}};
    setitimer(ITIMER_REAL, &timer, nullptr);
    ring_bell();
  }
  errno = saved_errno;
}

constexpr std::array handled{SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGPIPE};

}  // namespace

struct Signals::State : std::enable_shared_from_this<Signals::State> {
  State(base::Loop& l, SignalHooks h, int fd) : loop(l), hooks(std::move(h)), bell(l.context(), fd) {}

  void listen() {
    bell.async_read_some(base::asio::buffer(count),
                         [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                           if (error || self->closed) return;
                           self->deliver();
                           if (!self->closed) self->listen();
                         });
  }

  void deliver() {
    if (reload_asked.exchange(false) && hooks.on_reload) hooks.on_reload();
    const int signal = stop_signal;
    if (signal != 0 && !std::exchange(stopping, true)) hooks.on_stop(signal);
  }

  base::Loop& loop;
  SignalHooks hooks;
  base::asio::posix::stream_descriptor bell;
  std::array<std::uint64_t, 1> count{};
  std::array<struct sigaction, handled.size()> former{};
  bool stopping = false;
  bool closed = false;
};

Result<std::unique_ptr<Signals>> Signals::create(base::Loop& loop, SignalHooks hooks, base::Duration limit) {
  KEELSON_ASSERT_ON_LOOP(loop);
  if (bell_fd >= 0) return Error(ErrorKind::already_exists, "signals are handled already in this process");
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return errno_error("eventfd for signals", errno);
  auto state = std::make_shared<State>(loop, std::move(hooks), fd);
  bell_fd = fd;
  stop_signal = 0;
  reload_asked = false;
  limit_usec = std::chrono::duration_cast<std::chrono::microseconds>(limit).count();

  struct sigaction action {};
  sigfillset(&action.sa_mask);
  for (std::size_t i = 0; i < handled.size(); ++i) {
    action.sa_handler = handled[i] == SIGPIPE ? SIG_IGN : handle;
    // Without SA_RESTART: a blocking wait at start (the lock file) must end when we are told to stop.
    sigaction(handled[i], &action, &state->former[i]);
  }
  state->listen();
  return std::unique_ptr<Signals>(new Signals(std::move(state)));
}

Signals::Signals(std::shared_ptr<State> state) : state_(std::move(state)) {}

Signals::~Signals() {
  const itimerval off{};
  setitimer(ITIMER_REAL, &off, nullptr);
  for (std::size_t i = 0; i < handled.size(); ++i) sigaction(handled[i], &state_->former[i], nullptr);
  bell_fd = -1;
  state_->closed = true;
  boost::system::error_code ignored;
  state_->bell.close(ignored);
}

}  // namespace keelson::agent
