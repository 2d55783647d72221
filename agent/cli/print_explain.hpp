// What `keelson explain` prints: one pod's story for a tired reader. What it waits for comes first, then what to do
// about it, then the containers, and last what was decided, what failed and what was reported. Pure.
#pragma once

#include <string>

#include "agent/control/views.hpp"

namespace keelson::agent {

std::string render_story(const PodStory& story, base::SystemTime now);
// What usually helps with a waiting or termination reason; empty when there is nothing to say.
std::string advice_for(const std::string& reason);

}  // namespace keelson::agent
