// The queries of an informer: watch from initial events, watch from a version, list by pages.
//
// Pure functions, any thread. Source: contract 01 §10 "Watch pattern for all informers"; the recorded requests in
// tests/golden.
#pragma once

#include <chrono>
#include <string>

#include "kube-client/informer.hpp"

namespace keelson::kube {

// A length between the selection's, in whole seconds.
std::chrono::seconds watch_length(const Selection& selection, base::Random& random);

// The set as of `version` or later (empty: the latest), as events of a watch that then goes on.
Query watch_list_query(const Selection& selection, const std::string& version, std::chrono::seconds length);
Query watch_query(const Selection& selection, const std::string& version, std::chrono::seconds length);

inline constexpr int kPageSize = 500;
// The first page; `version` "0" is whatever the server has at hand, empty the latest. Only these two are paged.
Query list_query(const Selection& selection, const std::string& version, bool paged = true);
// A page after the first.
Query continue_query(const Selection& selection, const std::string& token);

}  // namespace keelson::kube
