// keelson-sim: plays random lives of a node; see tests/sim/README.md.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/sim/runner.hpp"

namespace {

using keelson::sim::Outcome;
using keelson::sim::Plan;

constexpr char kUsage[] =
    "keelson-sim --seed N       plays that life and prints its story\n"
    "keelson-sim --seeds A-B    plays those lives, each in a process of its own; stops at the first that fails\n"
    "  --jobs N                 so many at once (1)\n"
    "  --steps N                inputs in each life (by chance, 10 to 60)\n"
    "  --faults N               percent of the inputs that are faults (45)\n"
    "  --twice                  plays each life twice and compares the stories\n"
    "  --keep-going             goes on after a failure and lists all of them\n"
    "  --quiet                  with --seed: only what came of it; with --seeds: only the sum\n";

struct Arguments {
  Plan plan;
  bool one = true;
  bool quiet = false;
};

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "keelson-sim: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

std::uint64_t number(const std::string& name, const std::string& text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') refuse(name + ": expected a number, not \"" + text + "\"");
  return value;
}

bool take_switch(const std::string& name, Arguments& out) {
  if (name == "--twice") return out.plan.twice = true;
  if (name == "--quiet") return out.quiet = true;
  if (name == "--keep-going") return out.plan.keep_going = true;
  return false;
}

void take_value(const std::string& name, const std::string& value, Arguments& out) {
  if (name == "--seed") {
    out.plan.seeds = {number(name, value), number(name, value)};
  } else if (name == "--seeds") {
    const auto dash = value.find('-');
    if (dash == std::string::npos) refuse("--seeds: expected FIRST-LAST, not \"" + value + "\"");
    out.plan.seeds = {number(name, value.substr(0, dash)), number(name, value.substr(dash + 1))};
    out.one = false;
  } else if (name == "--jobs") {
    out.plan.jobs = static_cast<int>(number(name, value));
  } else if (name == "--steps") {
    out.plan.steps = static_cast<int>(number(name, value));
  } else if (name == "--faults") {
    out.plan.fault_percent = static_cast<int>(number(name, value));
  } else {
    refuse("unknown argument \"" + name + "\"");
  }
}

Arguments parse(int count, char** values) {
  Arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    if (name == "--help" || name == "-h") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (take_switch(name, out)) continue;
    if (i + 1 == count) refuse("unknown argument, or one without a value: \"" + name + "\"");
    take_value(name, values[++i], out);
  }
  return out;
}

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

int play_one(const Arguments& arguments) {
  keelson::sim::Options options;
  options.seed = arguments.plan.seeds.first;
  options.steps = arguments.plan.steps;
  options.fault_percent = arguments.plan.fault_percent;
  if (!arguments.quiet) options.print = print_line;
  keelson::sim::Simulation simulation(std::move(options));
  const Outcome outcome = simulation.play();
  std::printf("seed %llu: %s of virtual time, %llu agents, %llu handlers, a story of %llu lines with hash %016llx\n",
              static_cast<unsigned long long>(arguments.plan.seeds.first),
              keelson::sim::time_text(outcome.virtual_time).c_str(), static_cast<unsigned long long>(outcome.agents),
              static_cast<unsigned long long>(outcome.handlers), static_cast<unsigned long long>(outcome.lines),
              static_cast<unsigned long long>(outcome.hash));
  if (outcome.invariant.empty()) return 0;
  std::printf("VIOLATED %s: %s\n  it must hold because %s\n", outcome.invariant.c_str(), outcome.violation.c_str(),
              outcome.reason.c_str());
  return 1;
}

int play_many(Arguments arguments) {
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t played = 0;
  keelson::base::Duration lived{};
  arguments.plan.played = [&](std::uint64_t, const Outcome& outcome) {
    ++played;
    lived += outcome.virtual_time;
    if (!arguments.quiet && played % 1000 == 0) {
      std::printf("%llu lives\n", static_cast<unsigned long long>(played));
      std::fflush(stdout);
    }
  };
  arguments.plan.failed = [](const keelson::sim::Failure& failure) {
    std::printf("seed %llu FAILS: %s\n", static_cast<unsigned long long>(failure.seed), failure.text.c_str());
    std::fflush(stdout);
  };
  const auto failures = keelson::sim::play_all(arguments.plan);
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf("%llu lives of %s together, %zu failed, in %.1f s (%.1f a second)\n",
              static_cast<unsigned long long>(played), keelson::sim::time_text(lived).c_str(), failures.size(), took,
              static_cast<double>(played) / took);
  if (!failures.empty()) {
    const std::string steps = arguments.plan.steps > 0 ? " --steps " + std::to_string(arguments.plan.steps) : "";
    std::printf("play one again: keelson-sim --seed %llu%s --faults %d\n",
                static_cast<unsigned long long>(failures.front().seed), steps.c_str(), arguments.plan.fault_percent);
  }
  return failures.empty() ? 0 : 1;
}

}  // namespace

int main(int count, char** values) {
  Arguments arguments = parse(count, values);
  return arguments.one ? play_one(arguments) : play_many(std::move(arguments));
}
