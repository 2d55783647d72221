// keelson-fake-runtime: the fake runtime as a program, for benchmarks and for trying things by hand.
#include <signal.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/support/fake_runtime.hpp"

namespace {

constexpr char kUsage[] =
    "Usage: keelson-fake-runtime --socket PATH [--script FILE]\n"
    "\n"
    "Serves CRI v1 on a unix socket without running anything, until SIGTERM or SIGINT.\n"
    "  --socket PATH   the socket to make\n"
    "  --script FILE   behaviours, images and faults (YAML or JSON; tests/support/README.md).\n"
    "                  Without it every image can be pulled and every container runs.\n";

int fail(const std::string& text) {
  std::fprintf(stderr, "keelson-fake-runtime: %s\n", text.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string socket;
  std::string script_path;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--help" || arg == "-h") {
      std::fputs(kUsage, stdout);
      return 0;
    }
    if ((arg == "--socket" || arg == "--script") && i + 1 < argc) {
      (arg == "--socket" ? socket : script_path) = argv[++i];
    } else {
      std::fputs(kUsage, stderr);
      return 2;
    }
  }
  if (socket.empty()) {
    std::fputs(kUsage, stderr);
    return 2;
  }

  keelson::fakes::Script script;
  if (script_path.empty()) {
    keelson::fakes::ImageSource any;
    any.name = "*";
    script.pullable.push_back(any);
  } else {
    auto loaded = keelson::fakes::load_script(script_path);
    if (!loaded.ok()) return fail(loaded.error().to_string());
    script = std::move(*loaded);
  }
  // Nobody reads the journal of a program.
  script.runtime.journal_limit = 0;

  // Before any thread is made, so that all of them leave the signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  keelson::fakes::FakeRuntime runtime(std::move(script));
  if (const auto started = runtime.start(socket); !started.ok()) return fail(started.error().to_string());
  std::printf("serving %s\n", runtime.endpoint().c_str());
  std::fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
  runtime.stop();
  return 0;
}
