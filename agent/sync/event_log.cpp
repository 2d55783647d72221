#include "agent/sync/event_log.hpp"

#include "agent/sync/containers.hpp"

namespace keelson::agent {

void EventLog::record(const api::Pod& pod, PodEvent event) {
  Journal* journal = find_ ? find_(pod.metadata().uid()) : nullptr;
  base::LogFields fields = {{"pod", pod_path(pod)}, {"reason", event.reason}, {"message", event.message}};
  if (!event.field_path.empty()) fields.emplace_back("fieldPath", event.field_path);
  // Warnings come with an error of the sync that is logged already; at -v=1 the events themselves are seen too.
  log_.debug(1, "Event", fields);
  if (journal != nullptr) journal->event(event);
}

}  // namespace keelson::agent
