// LogQuery: which logs of the node a request asks for (`/logs/?query=kubelet&tailLines=10`), read and checked.
//
// Pure functions, any thread; errors are in the words of the kubelet. Source: contract 05 §7; journalctl(1).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace keelson::node_api {

struct LogQuery {
  std::vector<std::string> services;
  std::vector<std::string> files;
  std::optional<base::SystemTime> since;
  std::optional<base::SystemTime> until;
  std::optional<std::int64_t> tail_lines;
  std::optional<std::int64_t> boot;
  std::string pattern;

  bool has_options() const { return since || until || tail_lines || boot || !pattern.empty(); }
  bool asks_anything() const { return has_options() || !services.empty() || !files.empty(); }
  // One file and nothing else: whether it is there is still to be seen.
  bool is_one_file() const { return files.size() == 1 && services.empty() && !has_options(); }
};

// Parameters of a URL, decoded, in their order.
using QueryFields = std::vector<std::pair<std::string, std::string>>;

struct LogQueryReading {
  std::optional<LogQuery> query;    // nothing: it is no query but a plain request
  std::vector<std::string> errors;  // there is no query then
};
LogQueryReading read_log_query(const QueryFields& fields);

// What is against the rules. `file_problem`: why the one file cannot be had; empty: it can.
std::vector<std::string> check_log_query(const LogQuery& query, const std::string& file_problem);

// Errors as one text: "a", or "[a, b]".
std::string joined_errors(const std::vector<std::string>& errors);
// Words as Go prints a list: "[a b]".
std::string go_list(const std::vector<std::string>& words);

// The arguments of journalctl for these services of the query.
std::vector<std::string> journal_arguments(const LogQuery& query, const std::vector<std::string>& services);

}  // namespace keelson::node_api
