#include "agent/cli/print_ps.hpp"

#include <algorithm>
#include <tuple>

#include "agent/cli/table.hpp"
#include "agent/control/views_json.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

bool is_init(const ContainerView& c) { return c.kind == ContainerKind::init || c.kind == ContainerKind::sidecar; }
bool counts_as_ready(const ContainerView& c) { return c.ready && c.state == ContainerPhase::running; }

// How a termination is called: its reason, else signal or exit code.
std::string termination_word(const ContainerView& c) {
  if (!c.reason.empty()) return c.reason;
  if (c.signal.value_or(0) != 0) return "Signal:" + std::to_string(*c.signal);
  return "ExitCode:" + std::to_string(c.exit_code.value_or(0));
}

// The init phase's word, or empty when it is over.
std::string init_word(const PodView& pod) {
  const auto total = std::count_if(pod.containers.begin(), pod.containers.end(), is_init);
  std::ptrdiff_t done = 0;
  for (const auto& c : pod.containers) {
    if (!is_init(c)) continue;
    const bool sidecar = c.kind == ContainerKind::sidecar;
    if (c.state == ContainerPhase::terminated && !sidecar && c.exit_code.value_or(0) == 0) {
      ++done;
    } else if (c.state == ContainerPhase::running && sidecar) {
      ++done;
    } else if (c.state == ContainerPhase::terminated) {
      return "Init:" + termination_word(c);
    } else if (c.state == ContainerPhase::waiting && !c.reason.empty() && c.reason != "PodInitializing") {
      return "Init:" + c.reason;
    } else {
      return "Init:" + std::to_string(done) + "/" + std::to_string(total);
    }
  }
  return "";
}

std::string ordinal(std::int32_t number) {
  const std::int32_t last = number / 10 % 10 == 1 ? 0 : number % 10;
  return std::to_string(number) + (last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

// What the pod, or one of its containers ("container web"), waits for.
std::string with_pulls(std::string note, const PodView& pod, const std::string& used_by, base::SystemTime now) {
  for (const ImagePullView& pull : pod.pulls) {
    const bool of_volume = pull.used_by.starts_with("volume ");
    if (used_by.empty() ? !of_volume : pull.used_by != used_by) continue;
    const std::string image = of_volume ? one_line("image " + pull.image + " of " + pull.used_by) : "image";
    note += (note.empty() ? "" : "; ") + image + ": " + pull_note(pull, now);
  }
  return note;
}

std::string containers_word(const PodView& pod, std::string word) {
  bool running = false;
  for (auto c = pod.containers.rbegin(); c != pod.containers.rend(); ++c) {
    if (c->kind != ContainerKind::regular) continue;
    if (c->state == ContainerPhase::waiting && !c->reason.empty()) word = c->reason;
    if (c->state == ContainerPhase::terminated) word = termination_word(*c);
    running = running || counts_as_ready(*c);
  }
  if (word == "Completed" && running) return "Running";
  return word;
}

}  // namespace

std::string pod_status_word(const PodView& pod) {
  const bool over = pod.phase == "Succeeded" || pod.phase == "Failed";
  if (pod.deletion_at && !over) return "Terminating";
  const std::string word = pod.reason.empty() ? pod.phase : pod.reason;
  if (over && !pod.reason.empty()) return word;
  const std::string init = over ? "" : init_word(pod);
  return init.empty() ? containers_word(pod, word) : init;
}

std::string pod_ready_word(const PodView& pod) {
  int ready = 0;
  int total = 0;
  for (const auto& c : pod.containers) {
    if (c.kind != ContainerKind::regular && c.kind != ContainerKind::sidecar) continue;
    ++total;
    if (counts_as_ready(c)) ++ready;
  }
  return std::to_string(ready) + "/" + std::to_string(total);
}

std::string ago(const ViewTime& time, base::SystemTime now) {
  if (!time) return "-";
  if (*time >= now) return "now";
  return base::format_age(now - *time) + " ago";
}

std::string age_of(const ViewTime& time, base::SystemTime now) {
  return time ? base::format_age(std::max(base::Duration(0), base::Duration(now - *time))) : "-";
}

std::string pod_restarts_word(const PodView& pod, base::SystemTime now) {
  std::int64_t restarts = 0;
  ViewTime last;
  for (const auto& c : pod.containers) {
    restarts += c.restarts;
    if (c.restarts > 0 && c.finished_at && (!last || *c.finished_at > *last)) last = c.finished_at;
  }
  std::string word = std::to_string(restarts);
  if (restarts > 0 && last) word += " (" + ago(last, now) + ")";
  return word;
}

std::string container_note(const ContainerView& c, base::SystemTime now) {
  std::string note = c.state == ContainerPhase::terminated ? termination_word(c) : c.reason;
  const auto add = [&note](const std::string& part) { note += (note.empty() ? "" : "; ") + part; };
  if (!c.message.empty()) note += (note.empty() ? "" : ": ") + one_line(c.message);
  if (c.exit_code && c.state == ContainerPhase::terminated) add("exit " + std::to_string(*c.exit_code));
  if (c.exit_code && c.state != ContainerPhase::terminated) {
    const std::string why = c.last_reason.empty() ? "" : " (" + c.last_reason + ")";
    add("last exit " + std::to_string(*c.exit_code) + why + " " + ago(c.finished_at, now));
  }
  if (c.next_try_at && *c.next_try_at > now) add("next try in " + base::format_age(*c.next_try_at - now));
  if (c.state == ContainerPhase::running && !c.ready) add("not ready");
  return note;
}

std::string pull_note(const ImagePullView& pull, base::SystemTime now) {
  const std::string how_long = " for " + age_of(pull.since, now);
  if (pull.state == "queued") {
    const std::string behind = pull.behind.empty() ? "" : ", behind " + pull.behind;
    return ordinal(pull.place) + " in the queue of pulls" + how_long + one_line(behind);
  }
  return (pull.state == "pulling" ? "being pulled" : "getting credentials") + how_long;
}

std::vector<PodView> select_pods(std::vector<PodView> pods, const std::string& ns) {
  if (!ns.empty()) std::erase_if(pods, [&](const PodView& pod) { return pod.ns != ns; });
  std::sort(pods.begin(), pods.end(),
            [](const PodView& a, const PodView& b) { return std::tie(a.ns, a.name) < std::tie(b.ns, b.name); });
  return pods;
}

std::string render_ps(const std::vector<PodView>& pods, base::SystemTime now) {
  std::vector<TableRow> rows{{"NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "NOTE"}};
  for (const auto& pod : pods) {
    rows.push_back({pod.ns, pod.name, pod_ready_word(pod), pod_status_word(pod), pod_restarts_word(pod, now),
                    age_of(pod.created_at, now), with_pulls(one_line(pod.message), pod, "", now)});
    for (const auto& c : pod.containers) {
      const std::string kind = c.kind == ContainerKind::regular ? "" : " (" + std::string(to_string(c.kind)) + ")";
      const ViewTime& since = c.state == ContainerPhase::terminated ? c.finished_at : c.started_at;
      rows.push_back({"", "  " + c.name + kind, c.ready ? "yes" : "no", std::string(to_string(c.state)),
                      std::to_string(c.restarts), c.state == ContainerPhase::waiting ? "-" : age_of(since, now),
                      with_pulls(container_note(c, now), pod, "container " + c.name, now)});
    }
  }
  return format_table(rows);
}

}  // namespace keelson::agent
