#include "tests/sim/runner.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <list>
#include <nlohmann/json.hpp>

namespace keelson::sim {
namespace {

using nlohmann::json;

Outcome play_one(const Plan& plan, std::uint64_t seed) {
  Options options;
  options.seed = seed;
  options.steps = plan.steps;
  options.fault_percent = plan.fault_percent;
  Simulation simulation(std::move(options));
  Outcome outcome = simulation.play();
  if (!plan.twice || !outcome.invariant.empty()) return outcome;
  Options again;
  again.seed = seed;
  again.steps = plan.steps;
  again.fault_percent = plan.fault_percent;
  Simulation second(std::move(again));
  if (second.play().hash != outcome.hash) {
    outcome.invariant = "same-story";
    outcome.violation = "the same seed gave another story";
  }
  return outcome;
}

std::string encode(const Outcome& outcome) {
  return json{{"invariant", outcome.invariant},
              {"violation", outcome.violation},
              {"hash", outcome.hash},
              {"lines", outcome.lines},
              {"handlers", outcome.handlers},
              {"agents", outcome.agents},
              {"virtual", outcome.virtual_time.count()}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Outcome decode(const json& text) {
  Outcome outcome;
  outcome.invariant = text.at("invariant");
  outcome.violation = text.at("violation");
  outcome.hash = text.at("hash");
  outcome.lines = text.at("lines");
  outcome.handlers = text.at("handlers");
  outcome.agents = text.at("agents");
  outcome.virtual_time = base::Duration(text.at("virtual").get<base::Duration::rep>());
  return outcome;
}

struct Child {
  pid_t pid = 0;
  int fd = -1;  // what it tells
  std::uint64_t seed = 0;
};

[[noreturn]] void live_and_tell(const Plan& plan, std::uint64_t seed, int fd) {
  const std::string text = encode(play_one(plan, seed));
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = ::write(fd, text.data() + done, text.size() - done);
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  std::fflush(nullptr);
  ::_exit(0);
}

Child bear(const Plan& plan, std::uint64_t seed) {
  int ends[2];
  KEELSON_CHECK(::pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  KEELSON_CHECK(pid >= 0 && "fork");
  if (pid == 0) {
    ::close(ends[0]);
    live_and_tell(plan, seed, ends[1]);
  }
  ::close(ends[1]);
  return {pid, ends[0], seed};
}

// Waits until one of them has something to tell, or has ended.
std::list<Child>::iterator await_any(std::list<Child>& children) {
  while (true) {
    std::vector<pollfd> polled;
    for (const Child& child : children) polled.push_back({child.fd, POLLIN, 0});
    if (::poll(polled.data(), polled.size(), -1) <= 0) continue;
    auto child = children.begin();
    for (const pollfd& entry : polled) {
      if (entry.revents != 0) return child;
      ++child;
    }
  }
}

// Reads what it tells until its end; the failure, if it is one.
std::optional<Failure> bury(const Plan& plan, const Child& child) {
  std::string text;
  char part[4096];
  ssize_t got = 0;
  while ((got = ::read(child.fd, part, sizeof part)) > 0) text.append(part, static_cast<std::size_t>(got));
  ::close(child.fd);
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  const json told = json::parse(text, nullptr, false);
  if (told.is_discarded() || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string how = WIFSIGNALED(status) ? std::string("by signal ") + ::strsignal(WTERMSIG(status))
                                                : "with status " + std::to_string(WEXITSTATUS(status));
    return Failure{child.seed, "its process ended " + how};
  }
  const Outcome outcome = decode(told);
  if (plan.played) plan.played(child.seed, outcome);
  if (outcome.invariant.empty()) return std::nullopt;
  return Failure{child.seed, outcome.invariant + ": " + outcome.violation};
}

// Lives share what is made once in a process and never changes: tables and descriptors of every kind of object.
void warm_up() {
  Options options;
  options.seed = 0;
  options.steps = 1;
  static const Outcome played = Simulation(std::move(options)).play();
}

}  // namespace

std::vector<Failure> play_all(const Plan& plan) {
  warm_up();
  std::vector<Failure> failures;
  std::list<Child> children;
  std::uint64_t next = plan.seeds.first;
  while (true) {
    const bool more = next <= plan.seeds.last && (failures.empty() || plan.keep_going);
    if (more && static_cast<int>(children.size()) < plan.jobs) {
      children.push_back(bear(plan, next++));
      continue;
    }
    if (children.empty()) return failures;
    const auto child = await_any(children);
    if (auto failure = bury(plan, *child)) {
      if (plan.failed) plan.failed(*failure);
      failures.push_back(std::move(*failure));
    }
    children.erase(child);
  }
}

}  // namespace keelson::sim
