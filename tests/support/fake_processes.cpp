// How containers and the commands in them run: scripted, or step by step through fake_shell's programs.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/duration.hpp"
#include "tests/support/fake_world.hpp"

namespace keelson::fakes {
namespace {

constexpr int kKilled = 137;
constexpr int kTerminated = 143;

// A container's files: what is mounted is on the host, the rest in memory.
class ContainerFiles : public Files {
 public:
  explicit ContainerFiles(Container& container) : container_(container) {}

  std::optional<std::string> read(const std::string& path) const override {
    if (const auto host = on_host(path); !host.empty()) {
      std::ifstream in(host, std::ios::binary);
      if (!in) return std::nullopt;
      std::ostringstream text;
      text << in.rdbuf();
      return text.str();
    }
    const auto found = container_.files.find(path);
    if (found == container_.files.end()) return std::nullopt;
    return found->second;
  }

  void write(const std::string& path, const std::string& data, bool append) override {
    if (path == "/dev/null") return;
    if (const auto host = on_host(path); !host.empty()) {
      std::ofstream out(host, append ? std::ios::binary | std::ios::app : std::ios::binary | std::ios::trunc);
      out << data;
      return;
    }
    auto& content = container_.files[path];
    content = append ? content + data : data;
  }

  bool remove(const std::string& path) override {
    if (const auto host = on_host(path); !host.empty()) return ::unlink(host.c_str()) == 0;
    return container_.files.erase(path) > 0;
  }

 private:
  std::string on_host(const std::string& path) const {
    const cri::Mount* best = nullptr;
    for (const auto& mount : container_.config.mounts()) {
      const auto& root = mount.container_path();
      const bool inside = path == root || (path.rfind(root, 0) == 0 && path[root.size()] == '/');
      if (inside && (best == nullptr || best->container_path().size() < root.size())) best = &mount;
    }
    return best == nullptr ? "" : best->host_path() + path.substr(best->container_path().size());
  }

  Container& container_;
};

}  // namespace

void World::open_log(Container& container) {
  if (container.log_fd >= 0) ::close(container.log_fd);
  container.log_fd = -1;
  if (container.log_path.empty()) return;
  std::error_code ignored;  // open() tells
  std::filesystem::create_directories(std::filesystem::path(container.log_path).parent_path(), ignored);
  container.log_fd = ::open(container.log_path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0640);
}

// `<time> <stream> <tag> <text>` per line, tag F for a whole line and P for one without its end.
void World::write_log(Container& container, const std::string& text, bool error) {
  if (container.log_fd < 0) return;
  const std::string prefix =
      base::format_rfc3339_nano(std::chrono::system_clock::now()) + (error ? " stderr " : " stdout ");
  std::string lines;
  for (std::size_t start = 0; start < text.size();) {
    const auto end = text.find('\n', start);
    const bool whole = end != std::string::npos;
    lines += prefix + (whole ? "F " : "P ") + text.substr(start, whole ? end - start : std::string::npos) + "\n";
    start = whole ? end + 1 : text.size();
  }
  if (::write(container.log_fd, lines.data(), lines.size()) < 0) return;  // a full disk loses log lines
}

std::map<std::string, std::string> World::environment(const Container& container) const {
  std::map<std::string, std::string> env{{"PATH", "/bin:/usr/bin"}};
  if (const auto sandbox = sandboxes_.find(container.sandbox_id); sandbox != sandboxes_.end()) {
    env["HOSTNAME"] = sandbox->second->config.hostname();
  }
  for (const auto& variable : container.config.envs()) env[variable.key()] = variable.value();
  return env;
}

bool World::acts_as_init(const Container& container) const {
  return container.config.linux().security_context().namespace_options().pid() == cri::CONTAINER;
}

void World::launch(const std::shared_ptr<Container>& container) {
  if (container->behaviour) return launch_scripted(container);
  std::vector<std::string> argv(container->config.command().begin(), container->config.command().end());
  argv.insert(argv.end(), container->config.args().begin(), container->config.args().end());
  auto program = compile_command(argv);
  if (!program) {
    // Some application: it runs, and ends when it is asked to.
    container->behaviour.emplace();
    return launch_scripted(container);
  }
  auto process = std::make_shared<Process>();
  process->program = std::move(*program);
  process->init = acts_as_init(*container);
  process->print = [this, raw = container.get()](const std::string& text, bool error) { write_log(*raw, text, error); };
  process->exited = [this, raw = container.get()](int status) { finish(*raw, status, ""); };
  container->process = process;
  advance(process, container);
}

void World::launch_scripted(const std::shared_ptr<Container>& container) {
  const auto& behaviour = *container->behaviour;
  for (const auto& line : behaviour.log) write_log(*container, line + "\n", false);
  if (!behaviour.exit_after) return;
  const int code = behaviour.oom ? kKilled : behaviour.exit_code;
  const std::string reason = behaviour.oom ? "OOMKilled" : "";
  timers_.after(*behaviour.exit_after, [this, weak = std::weak_ptr<Container>(container), code, reason] {
    std::lock_guard lock(mutex_);
    const auto alive = weak.lock();
    if (alive && alive->state == cri::CONTAINER_RUNNING) finish(*alive, code, reason);
  });
}

void World::finish(Container& container, int code, const std::string& reason) {
  if (container.state == cri::CONTAINER_EXITED) return;
  if (container.process) {
    timers_.cancel(container.process->timer);
    container.process->done = true;
  }
  container.state = cri::CONTAINER_EXITED;
  container.finished_at = now();
  container.exit_code = code;
  container.reason = !reason.empty() ? reason : code == 0 ? "Completed" : "Error";
  if (container.behaviour && !container.behaviour->termination_message.empty()) {
    const auto path = container.config.annotations().find("io.kubernetes.container.terminationMessagePath");
    ContainerFiles(container).write(
        path == container.config.annotations().end() ? "/dev/termination-log" : path->second,
        container.behaviour->termination_message, false);
  }
  for (const auto& command : std::vector(container.commands)) end_process(command, kKilled);
  if (container.log_fd >= 0) ::close(container.log_fd);
  container.log_fd = -1;
  emit(container.id, container.sandbox_id, cri::CONTAINER_STOPPED_EVENT);
  const auto waiters = std::move(container.when_ended);
  container.when_ended.clear();
  for (const auto& waiter : waiters) waiter();
}

void World::kill_container(Container& container) { finish(container, kKilled, ""); }

void World::end_process(const std::shared_ptr<Process>& process, int status) {
  if (process->done) return;
  process->done = true;
  timers_.cancel(process->timer);
  process->exited(status);
}

// --- signals ---

void World::deliver_term(const std::shared_ptr<Container>& container) {
  if (container->process) return take_term(container->process, container);
  const auto& behaviour = *container->behaviour;
  if (behaviour.ignore_term) return;
  const int code = behaviour.stop_code;
  if (behaviour.stop_after == Nanoseconds(0)) return finish(*container, code, "");
  timers_.after(behaviour.stop_after, [this, weak = std::weak_ptr<Container>(container), code] {
    std::lock_guard lock(mutex_);
    const auto alive = weak.lock();
    if (alive && alive->state == cri::CONTAINER_RUNNING) finish(*alive, code, "");
  });
}

void World::take_term(const std::shared_ptr<Process>& process, const std::shared_ptr<Container>& container) {
  if (process->done) return;
  if (!process->trap) {
    if (!process->init) end_process(process, kTerminated);
    return;
  }
  if (process->trap->empty()) return;
  process->term_pending = true;
  // A shell looks at its traps between commands; only `wait` is interrupted.
  const bool between = process->at < process->program.size() && process->program[process->at].kind == Step::Kind::wait;
  if (between) {
    timers_.cancel(process->timer);
    ++process->at;
    advance(process, container);
  }
}

// --- steps ---

void World::advance(const std::shared_ptr<Process>& process, const std::shared_ptr<Container>& container) {
  // A loop that never sleeps would hang the fake: let it count as a server that is busy.
  int budget = 10000;
  while (!process->done) {
    if (process->term_pending) {
      process->term_pending = false;
      Program body = *process->trap;
      body.insert(body.end(), process->program.begin() + static_cast<std::ptrdiff_t>(process->at),
                  process->program.end());
      for (auto& step : body) {
        if (step.kind == Step::Kind::jump) step.kind = Step::Kind::forever;  // positions have moved
      }
      process->program = std::move(body);
      process->at = 0;
    }
    if (process->at >= process->program.size()) return end_process(process, process->last_status);
    const Step step = process->program[process->at];
    const bool skip = (step.condition == Step::Condition::after_success && process->last_status != 0) ||
                      (step.condition == Step::Condition::after_failure && process->last_status == 0);
    if (skip) {
      ++process->at;
      continue;
    }
    if (--budget < 0 || !run_step(step, process, container)) return;
  }
}

// False: the process now waits for a timer or a signal, or has ended.
bool World::run_step(const Step& step, const std::shared_ptr<Process>& process,
                     const std::shared_ptr<Container>& container) {
  switch (step.kind) {
    case Step::Kind::run: {
      ContainerFiles files(*container);
      auto output = run_small_command(step.words, environment(*container), files);
      process->last_status = output.status;
      if (step.redirect == "/dev/stderr") {
        process->print(output.out, true);
      } else if (!step.redirect.empty()) {
        files.write(step.redirect, output.out, step.append);
      } else if (!output.out.empty()) {
        process->print(output.out, false);
      }
      if (!output.err.empty()) process->print(output.err, true);
      ++process->at;
      return true;
    }
    case Step::Kind::sleep:
    case Step::Kind::wait:
      process->timer = timers_.after(step.duration, [this, weak = std::weak_ptr<Process>(process), container] {
        std::lock_guard lock(mutex_);
        const auto alive = weak.lock();
        if (!alive || alive->done) return;
        alive->last_status = 0;
        ++alive->at;
        advance(alive, container);
      });
      return false;
    case Step::Kind::forever: return false;
    case Step::Kind::exit: end_process(process, step.code < 0 ? process->last_status : step.code); return false;
    case Step::Kind::trap:
      process->trap = step.body;
      ++process->at;
      return true;
    case Step::Kind::kill_self:
      // Process 1 cannot kill itself by a signal it does not handle.
      if (process->init) {
        ++process->at;
        return true;
      }
      end_process(process, 128 + step.code);
      return false;
    case Step::Kind::jump: process->at = static_cast<std::size_t>(step.code); return true;
  }
  return false;
}

// --- commands in containers ---

void World::exec_sync(const cri::ExecSyncRequest& request, Reply<cri::ExecSyncResponse> reply) {
  std::lock_guard lock(mutex_);
  const auto found = containers_.find(request.container_id());
  if (found == containers_.end()) {
    return reply({grpc::StatusCode::NOT_FOUND,
                  "failed to find container \"" + request.container_id() + "\" in store: not found"},
                 {});
  }
  const auto container = found->second;
  if (container->state != cri::CONTAINER_RUNNING) {
    return reply({grpc::StatusCode::UNKNOWN, "failed to exec in container: container is in " +
                                                 cri::ContainerState_Name(container->state) + " state"},
                 {});
  }
  const std::vector<std::string> argv(request.cmd().begin(), request.cmd().end());
  if (!argv.empty() && argv[0].rfind("/nonexistent", 0) == 0) {
    return reply({grpc::StatusCode::UNKNOWN,
                  "failed to exec in container: failed to start exec: OCI runtime exec failed: "
                  "exec failed: unable to start container process: exec: \"" +
                      argv[0] + "\": stat " + argv[0] + ": no such file or directory: unknown"},
                 {});
  }

  struct Answer {
    cri::ExecSyncResponse response;
    bool sent = false;
  };
  auto answer = std::make_shared<Answer>();
  auto process = std::make_shared<Process>();
  process->print = [answer](const std::string& text, bool error) {
    (error ? answer->response.mutable_stderr() : answer->response.mutable_stdout())->append(text);
  };
  process->exited = [answer, reply, raw = container.get(), self = process.get()](int status) {
    std::erase_if(raw->commands, [&](const auto& other) { return other.get() == self; });
    if (std::exchange(answer->sent, true)) return;
    answer->response.set_exit_code(status);
    reply(grpc::Status::OK, answer->response);
  };
  container->commands.push_back(process);

  if (request.timeout() > 0) {
    const Nanoseconds limit = features_.quick_timers ? Nanoseconds(std::chrono::milliseconds(request.timeout()))
                                                     : Nanoseconds(std::chrono::seconds(request.timeout()));
    const std::string text = "failed to exec in container: timeout " + std::to_string(request.timeout()) +
                             "s exceeded: context deadline exceeded";
    timers_.after(limit, [this, answer, reply, text, weak = std::weak_ptr<Process>(process)] {
      std::lock_guard relock(mutex_);
      const auto late = weak.lock();
      if (!late || late->done || std::exchange(answer->sent, true)) return;
      reply({grpc::StatusCode::DEADLINE_EXCEEDED, text}, {});
      end_process(late, kKilled);
    });
  }

  if (container->behaviour) {
    std::string command;
    for (const auto& word : argv) command += (command.empty() ? "" : " ") + word;
    for (auto& exec : container->behaviour->exec) {
      if (exec.times <= 0 || command.find(exec.command) == std::string::npos) continue;
      if (exec.times != kAlways) --exec.times;
      process->print(exec.out, false);
      process->print(exec.err, true);
      if (exec.hang) return;
      Step wait;
      wait.kind = Step::Kind::sleep;
      wait.duration = exec.after;
      Step exit;
      exit.kind = Step::Kind::exit;
      exit.code = exec.exit_code;
      process->program = exec.after > Nanoseconds(0) ? Program{wait, exit} : Program{exit};
      return advance(process, container);
    }
  }
  // An unknown command succeeds silently.
  process->program = compile_command(argv).value_or(Program{});
  advance(process, container);
}

}  // namespace keelson::fakes
