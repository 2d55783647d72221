// From documents to the configuration: the main file, defaults, drop-ins.
//
// A Draft is the configuration while it is being put together: values, which fields nobody has set yet, and where each
// value came from. One thread. Every problem goes to the lists; nothing stops at the first.
//
// Source: contract 01 §1.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/document.hpp"
#include "config/fields.hpp"
#include "config/report.hpp"

namespace keelson::config {

struct Draft {
  KubeletConfiguration values;
  std::set<const Field*> unset;
  Origins origins;
  // Fields whose given value could not be read.
  std::set<std::string> unreadable;
};

struct ReadProblems {
  std::vector<std::string> errors;
  // Unknown fields and doubled keys of the main file: the lenient reading goes on without them.
  std::vector<std::string> ignored;
};

// All defaults. `legacy`: those of a start without --config.
Draft default_draft(bool legacy, const BoolMap& gates_from_flags);

// Reads the main file over an empty draft and fills in the defaults.
Draft read_main_file(const api::Node& root, const std::string& file, const BoolMap& gates_from_flags,
                     ReadProblems& problems);

// Merges one drop-in (JSON merge patch, RFC 7386) and lets defaults return where it removed something.
void merge_drop_in(const api::Node& root, const std::string& file, const BoolMap& gates_from_flags, Draft& draft,
                   ReadProblems& problems);

// Relative paths of the main file start at its own folder.
void resolve_relative_paths(KubeletConfiguration& values, std::string_view folder);

}  // namespace keelson::config
