// The views as JSON and back: what travels over the control socket and what `--json` prints.
//
// Field names are camelCase, times RFC 3339 in UTC, absent values are left out. Reading is lenient: an unknown field is
// ignored and a missing one keeps its default, so that a newer command line can talk to an older agent; a wrong type or
// text that is not JSON is `invalid`. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/control/views.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct DoctorView {
  AgentInfo info;
  std::vector<ManifestProblem> manifest_problems;
};

std::string pods_to_json(const std::vector<PodView>& pods);
std::string story_to_json(const PodStory& story);
std::string doctor_to_json(const DoctorView& view);
std::string info_to_json(const AgentInfo& info);
// {"error": {"code": 404, "message": "..."}}
std::string error_to_json(int code, const std::string& message);

Result<std::vector<PodView>> pods_from_json(std::string_view text);
Result<PodStory> story_from_json(std::string_view text);
Result<DoctorView> doctor_from_json(std::string_view text);
Result<AgentInfo> info_from_json(std::string_view text);
// The message of an error answer, or the text itself.
std::string error_message_from_json(std::string_view text);

std::string_view to_string(ContainerKind kind);
std::string_view to_string(ContainerPhase state);

}  // namespace keelson::agent
