// A very small shell: turns the commands that tests put into containers into steps that the fake runtime plays.
//
// It knows what busybox's sh makes of them, so that one manifest or test case runs the same on the fake and on a real
// runtime: `sleep 5; exit 3`, `trap 'exit 0' TERM; sleep 60 & wait`, `echo done > /dev/termination-log`,
// `while true; do sleep 1; done`, `touch /tmp/healthy && test -f /tmp/healthy`, `cat FILE`, `printenv NAME`.
// Not known: pipes, functions, if/for/case, substitutions other than $NAME and $$.
// Pure functions, any thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keelson::fakes {

struct Step {
  enum class Kind {
    run,        // one of the small commands; see run_small_command
    sleep,      // a child in the foreground: a trapped signal waits until it ends
    wait,       // for what runs in the background: a trapped signal is taken at once
    forever,    // a server: never ends by itself
    exit,       // with `code`, or the last status when it is -1
    trap,       // TERM runs `body` from now on; an empty body ignores it
    kill_self,  // by signal `code`
    jump,       // back to step `code` (a loop)
  };
  enum class Condition { always, after_success, after_failure };

  Kind kind = Kind::run;
  Condition condition = Condition::always;
  std::vector<std::string> words;
  std::chrono::nanoseconds duration{0};
  int code = 0;
  std::vector<Step> body;
  std::string redirect;  // file that takes the output; "/dev/stderr" for >&2
  bool append = false;
};

using Program = std::vector<Step>;

// nullopt: not a command this shell knows (some application).
std::optional<Program> compile_command(const std::vector<std::string>& argv);

// What a small command sees of its container.
class Files {
 public:
  virtual ~Files() = default;
  virtual std::optional<std::string> read(const std::string& path) const = 0;
  virtual void write(const std::string& path, const std::string& data, bool append) = 0;
  virtual bool remove(const std::string& path) = 0;
};

struct CommandOutput {
  int status = 0;
  std::string out;
  std::string err;
};

// echo, printf TEXT, true, false, :, cat, test, [, touch, rm, printenv, env, hostname, ls, id.
CommandOutput run_small_command(const std::vector<std::string>& words, const std::map<std::string, std::string>& env,
                                Files& files);

}  // namespace keelson::fakes
