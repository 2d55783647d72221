// What `keelson ps` prints: a line for each pod as kubectl would say it, and one for each of its containers.
//
// Pure functions of the views and the time, any thread. Source: kubectl's STATUS, READY and RESTARTS columns.
#pragma once

#include <string>
#include <vector>

#include "agent/control/views.hpp"

namespace keelson::agent {

// "Running", "Init:1/2", "CrashLoopBackOff", "Terminating" ...
std::string pod_status_word(const PodView& pod);
// "1/2": containers and sidecars that are ready, of all of them.
std::string pod_ready_word(const PodView& pod);
// "3 (12s ago)"
std::string pod_restarts_word(const PodView& pod, base::SystemTime now);
// "CrashLoopBackOff: back-off 40s ...; last exit 1 (Error); next try in 12s"
std::string container_note(const ContainerView& container, base::SystemTime now);
// "3rd in the queue of pulls for 12s, behind registry/big:1 for ns/name"
std::string pull_note(const ImagePullView& pull, base::SystemTime now);

// `ns` empty: all namespaces.
std::vector<PodView> select_pods(std::vector<PodView> pods, const std::string& ns);
std::string render_ps(const std::vector<PodView>& pods, base::SystemTime now);

// "12s ago"; "now" for what is not past; "-" when there is no time.
std::string ago(const ViewTime& time, base::SystemTime now);
std::string age_of(const ViewTime& time, base::SystemTime now);

}  // namespace keelson::agent
