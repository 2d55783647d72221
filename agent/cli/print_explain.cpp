#include "agent/cli/print_explain.hpp"

#include <array>
#include <set>
#include <utility>

#include "agent/cli/print_ps.hpp"
#include "agent/cli/table.hpp"
#include "agent/control/views_json.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> advice{{
    {"CrashLoopBackOff",
     "the container starts and ends again; read its last output under the pod's log directory (link in "
     "/var/log/containers), and check its command, configuration and exit code"},
    {"ErrImagePull", "check the image's name and tag, the registry's reach from this node, and its credentials"},
    {"ImagePullBackOff", "check the image's name and tag, the registry's reach from this node, and its credentials"},
    {"InvalidImageName", "the image's name cannot be parsed; correct it in the manifest"},
    {"ErrImageNeverPull", "imagePullPolicy is Never and the image is not on this node; import it or change the policy"},
    {"CreateContainerConfigError", "something the container refers to is missing or unusable; the message names it"},
    {"CreateContainerError", "the runtime refused the container; `keelson doctor` and the runtime's log say more"},
    {"RunContainerError", "the runtime could not start it: most often the command does not exist in the image"},
    {"StartError", "the runtime could not start it: most often the command does not exist in the image"},
    {"OOMKilled", "it used more memory than its limit; raise the limit or find the leak"},
    {"DeadlineExceeded", "activeDeadlineSeconds has passed; the pod will not be started again"},
    {"Evicted", "the node ran short of memory, disk or processes; `keelson doctor` shows the pressure"},
}};

std::string when(base::SystemTime time, base::SystemTime now) {
  return base::format_rfc3339(time) + "  (" + ago(time, now) + ")";
}

std::string heading(const PodView& pod, const PodStory& story, base::SystemTime now) {
  std::string text = pod.ns + "/" + pod.name + ": " + pod_status_word(pod) + ", " + pod_ready_word(pod) + " ready\n";
  std::vector<TableRow> rows;
  const auto row = [&rows](const std::string& key, const std::string& value) {
    if (!value.empty()) rows.push_back({key, one_line(value)});
  };
  row("uid", pod.uid);
  row("from", story.manifest.empty() ? pod.source : pod.source + " " + story.manifest);
  row("phase", pod.phase + (pod.reason.empty() ? "" : " (" + pod.reason + ")"));
  row("message", pod.message);
  row("restart policy", story.restart_policy);
  std::string ips;
  for (const auto& ip : pod.ips) ips += (ips.empty() ? "" : ", ") + ip;
  row("addresses", ips);
  if (pod.created_at) row("created", when(*pod.created_at, now));
  if (pod.deletion_at) {
    const std::string grace = pod.grace_seconds ? ", grace " + std::to_string(*pod.grace_seconds) + "s" : "";
    row("being removed", "since " + when(*pod.deletion_at, now) + grace);
  }
  return text + format_table(rows, "  ");
}

std::string waiting(const WaitView& wait, const std::vector<ImagePullView>& pulls, base::SystemTime now) {
  if (wait.what.empty()) return "\nIt waits for nothing.\n";
  std::string text = "\nIt waits for: " + one_line(wait.what) + "\n";
  if (wait.since) text += "  since " + when(*wait.since, now) + "\n";
  if (wait.next_try_at) {
    const bool due = *wait.next_try_at <= now;
    text += "  next try " + (due ? std::string("now") : "in " + base::format_age(*wait.next_try_at - now)) + "\n";
  }
  for (const ImagePullView& pull : pulls) {
    text += "  image " + one_line(pull.image + " of " + pull.used_by) + ": " + pull_note(pull, now) + "\n";
  }
  return text;
}

std::string what_helps(const PodView& pod) {
  std::set<std::string> said;
  std::string text;
  const auto say = [&](const std::string& who, const std::string& reason) {
    const std::string hint = advice_for(reason);
    if (!hint.empty() && said.insert(reason).second) text += "  " + who + reason + ": " + hint + "\n";
  };
  say("", pod.reason);
  for (const auto& c : pod.containers) {
    say(c.name + ": ", c.reason);
    say(c.name + ": ", c.last_reason);
  }
  return text.empty() ? "" : "\nWhat usually helps\n" + text;
}

std::string containers(const PodView& pod, base::SystemTime now) {
  std::vector<TableRow> rows{{"NAME", "KIND", "STATE", "READY", "RESTARTS", "SINCE", "IMAGE", "NOTE"}};
  for (const auto& c : pod.containers) {
    const ViewTime& since = c.state == ContainerPhase::terminated ? c.finished_at : c.started_at;
    rows.push_back({c.name, std::string(to_string(c.kind)), std::string(to_string(c.state)), c.ready ? "yes" : "no",
                    std::to_string(c.restarts), c.state == ContainerPhase::waiting ? "-" : age_of(since, now), c.image,
                    container_note(c, now)});
  }
  return "\nContainers\n" + format_table(rows, "  ");
}

std::string section(const std::string& title, const std::vector<TableRow>& rows) {
  return rows.empty() ? "" : "\n" + title + "\n" + format_table(rows, "  ");
}

std::string times(std::int64_t count) { return count > 1 ? std::to_string(count) + " times, " : ""; }

}  // namespace

std::string advice_for(const std::string& reason) {
  for (const auto& [known, text] : advice) {
    if (known == reason) return std::string(text);
  }
  return "";
}

std::string render_story(const PodStory& story, base::SystemTime now) {
  std::string text = heading(story.pod, story, now) + waiting(story.waiting, story.pod.pulls, now) +
                     what_helps(story.pod) + containers(story.pod, now);
  std::vector<TableRow> rows;
  for (const auto& d : story.decisions) rows.push_back({when(d.time, now), one_line(d.text)});
  text += section("Last decisions, newest last", rows);
  rows.clear();
  for (const auto& e : story.errors) rows.push_back({when(e.last, now), times(e.count) + one_line(e.text)});
  text += section("Last errors, newest last", rows);
  rows.clear();
  for (const auto& c : story.conditions) {
    rows.push_back({c.type, c.status, age_of(c.since, now), c.reason, one_line(c.message)});
  }
  text += section("Conditions", rows);
  rows.clear();
  for (const auto& e : story.events) {
    rows.push_back({when(e.time, now), e.type, e.reason, times(e.count) + one_line(e.message)});
  }
  text += section("Events, newest last", rows);
  return text;
}

}  // namespace keelson::agent
