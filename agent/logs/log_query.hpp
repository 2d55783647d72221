// parse_log_query(): the query of /containerLogs becomes LogOptions, or the answer that says what is wrong with it.
//
// Pure, any thread. An error's code is the HTTP status and its message the body. That a single stream is refused is not
// said here: the kubelet looks for the pod and the container first. Source: contract 05 §8; for empty values the
// kubelet's query decoder (strconv.ParseInt, metav1.Time).
#pragma once

#include <string>

#include "agent/logs/log_options.hpp"
#include "agent/server/message.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::logs {

// `now` is when the request came: sinceSeconds counts back from it.
Result<LogOptions> parse_log_query(const server::Fields& query, base::SystemTime now);

}  // namespace keelson::logs
