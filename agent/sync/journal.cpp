#include "agent/sync/journal.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t kKept = 20;

template <class T>
void push_bounded(std::vector<T>& list, T entry) {
  if (list.size() == kKept) list.erase(list.begin());
  list.push_back(std::move(entry));
}

}  // namespace

void Journal::decided(std::string text) {
  if (!decisions_.empty() && decisions_.back().text == text) {
    decisions_.back().time = clock_.now();
    return;
  }
  log_.debug(2, "Decided", {{"decision", text}});
  push_bounded(decisions_, DecisionView{clock_.now(), std::move(text)});
}

void Journal::failed(std::string text) {
  if (!errors_.empty() && errors_.back().text == text) {
    errors_.back().last = clock_.now();
    ++errors_.back().count;
    log_.debug(2, "Pod sync failed again", {{"err", text}});
    return;
  }
  log_.warning("Pod sync failed", {{"err", text}});
  push_bounded(errors_, ErrorView{clock_.now(), clock_.now(), std::move(text), 1});
}

void Journal::event(const PodEvent& event) {
  // "container web: Container started": the message alone does not say of which one.
  const auto brace = event.field_path.find('{');
  const std::string message = brace == std::string::npos
                                  ? event.message
                                  : "container " +
                                        event.field_path.substr(brace + 1, event.field_path.size() - brace - 2) + ": " +
                                        event.message;
  if (!events_.empty() && events_.back().reason == event.reason && events_.back().message == message) {
    events_.back().time = clock_.now();
    ++events_.back().count;
    return;
  }
  push_bounded(events_, EventView{clock_.now(), event.warning ? "Warning" : "Normal", event.reason, message, 1});
}

void Journal::waits_for(std::string what, std::optional<base::SteadyTime> next_try) {
  if (waiting_.what != what) waiting_.since = what.empty() ? ViewTime{} : ViewTime{clock_.now()};
  waiting_.what = std::move(what);
  waiting_.next_try_at.reset();
  if (next_try) {
    const auto left = *next_try - clock_.steady_now();
    waiting_.next_try_at = clock_.now() + std::chrono::duration_cast<base::SystemTime::duration>(left);
  }
}

}  // namespace keelson::agent
