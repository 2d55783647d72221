// What the files with the rows of the field table share.
#pragma once

#include "config/fields.hpp"

// The slot of a member of KubeletConfiguration, as a function without captures.
#define KEELSON_SLOT(member) [](KubeletConfiguration& configuration) -> Slot { return &configuration.member; }
