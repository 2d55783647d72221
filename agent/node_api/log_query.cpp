#include "agent/node_api/log_query.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <set>

#include "agent/node_api/go_number.hpp"
#include "base/duration.hpp"
#include "base/go_text.hpp"

namespace keelson::node_api {
namespace {

constexpr std::int64_t kMostLines = 100000;
constexpr std::size_t kLongestService = 256;
constexpr std::size_t kMostServices = 4;

// The first value, "" when there is none.
std::string first_of(const QueryFields& fields, std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (key == name) return value;
  }
  return {};
}

std::string invalid(std::string_view field, const std::string& value, const std::string& why) {
  return std::string(field) + ": Invalid value: " + value + ": " + why;
}

// []string{"a", "b"}
std::string go_strings(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + base::go_quote(word);
  return "[]string{" + out + "}";
}

void read_time(const QueryFields& fields, const char* name, std::optional<base::SystemTime>& time,
               std::vector<std::string>& errors) {
  const std::string text = first_of(fields, name);
  if (text.empty()) return;
  const auto parsed = base::parse_rfc3339(text);
  if (parsed.ok()) {
    time = *parsed;
  } else {
    errors.push_back(invalid(name, base::go_quote(text), "invalid time format"));
  }
}

void read_number(const QueryFields& fields, const char* name, std::optional<std::int64_t>& number,
                 std::vector<std::string>& errors) {
  const std::string text = first_of(fields, name);
  if (text.empty()) return;
  const auto parsed = go_integer(text, "Atoi");
  if (parsed.ok()) {
    number = *parsed;
  } else {
    errors.push_back(invalid(name, base::go_quote(text), parsed.error().message()));
  }
}

void read_names(const QueryFields& fields, LogQuery& query, std::vector<std::string>& errors) {
  std::vector<std::string> given;
  for (const auto& [key, value] : fields) {
    if (key != "query") continue;
    given.push_back(value);
    if (value.find_first_of("/\\") != std::string::npos) {
      query.files.push_back(value);
    } else if (value.find_first_not_of(" \t\r\n\v\f") != std::string::npos) {
      query.services.push_back(value);
    }
  }
  if (!given.empty() && query.files.empty() && query.services.empty()) {
    errors.push_back(invalid("query", go_strings(given), "query cannot be empty"));
  }
}

bool is_service_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.:@").find(c) != std::string_view::npos;
}

void check_services(const LogQuery& query, std::vector<std::string>& errors) {
  for (const std::string& service : query.services) {
    if (service.size() > kLongestService) {
      errors.push_back(invalid("query", base::go_quote(service), "length must be less than 100"));
    } else if (!std::all_of(service.begin(), service.end(), is_service_character)) {
      errors.push_back(invalid("query", base::go_quote(service), "input contains unsupported characters"));
    }
  }
  if (query.services.size() > kMostServices) {
    errors.push_back("query: Too many: " + std::to_string(query.services.size()) + ": must have at most " +
                     std::to_string(kMostServices) + " items");
  }
}

void check_names(const LogQuery& query, const std::string& file_problem, std::vector<std::string>& errors) {
  if (query.files.empty() && query.services.empty()) {
    errors.push_back("query: Required value: cannot be empty with options");
  } else if (!query.files.empty() && !query.services.empty()) {
    const std::string both = go_list(query.files) + ", " + go_list(query.services);
    errors.push_back(invalid("query", base::go_quote(both), "cannot specify a file and service"));
  } else if (query.files.size() > 1) {
    errors.push_back(invalid("query", go_strings(query.files), "cannot specify more than one file"));
  } else if (query.files.size() == 1 && query.has_options()) {
    errors.push_back(invalid("query", go_strings(query.files), "cannot specify file with options"));
  } else if (query.files.size() == 1 && !file_problem.empty()) {
    errors.push_back(invalid("query", go_strings(query.files), file_problem));
  }
}

// What Go's regexp/syntax calls the same mistake.
const char* go_regexp_problem(re2::RE2::ErrorCode code) {
  switch (code) {
    case re2::RE2::ErrorBadEscape: return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass: return "invalid character class";
    case re2::RE2::ErrorBadCharRange: return "invalid character class range";
    case re2::RE2::ErrorMissingBracket: return "missing closing ]";
    case re2::RE2::ErrorMissingParen: return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen: return "unexpected )";
    case re2::RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize: return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadUTF8: return "invalid UTF-8";
    case re2::RE2::ErrorBadNamedCapture: return "invalid named capture";
    case re2::RE2::ErrorPatternTooLarge: return "expression too large";
    default: return "regexp/syntax: internal error";
  }
}

void check_pattern(const std::string& pattern, std::vector<std::string>& errors) {
  if (pattern.empty()) return;
  const re2::RE2 expression(pattern, re2::RE2::Quiet);
  if (expression.ok()) return;
  const std::string why = std::string("error parsing regexp: ") + go_regexp_problem(expression.error_code()) + ": `" +
                          expression.error_arg() + "`";
  errors.push_back(invalid("pattern", base::go_quote(pattern), why));
}

std::string utc_time(base::SystemTime time, const char* form) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), form, &parts);
  return text.data();
}

}  // namespace

LogQueryReading read_log_query(const QueryFields& fields) {
  LogQueryReading reading;
  LogQuery query;
  read_names(fields, query, reading.errors);
  read_time(fields, "sinceTime", query.since, reading.errors);
  read_time(fields, "untilTime", query.until, reading.errors);
  read_number(fields, "boot", query.boot, reading.errors);
  read_number(fields, "tailLines", query.tail_lines, reading.errors);
  query.pattern = first_of(fields, "pattern");
  if (reading.errors.empty() && query.asks_anything()) reading.query = std::move(query);
  return reading;
}

std::vector<std::string> check_log_query(const LogQuery& query, const std::string& file_problem) {
  std::vector<std::string> errors;
  check_services(query, errors);
  check_names(query, file_problem, errors);
  if (query.since && query.until && *query.since > *query.until) {
    const std::string until = utc_time(*query.until, "%Y-%m-%d %H:%M:%S +0000 UTC");
    errors.push_back(invalid("untilTime", until, "must be after `sinceTime`"));
  }
  if (query.boot && *query.boot > 0) {
    errors.push_back(invalid("boot", std::to_string(*query.boot), "must be less than 1"));
  }
  if (query.tail_lines && (*query.tail_lines < 0 || *query.tail_lines > kMostLines)) {
    errors.push_back(invalid("tailLines", std::to_string(*query.tail_lines),
                             "must be between 0 and " + std::to_string(kMostLines) + ", inclusive"));
  }
  check_pattern(query.pattern, errors);
  return errors;
}

std::string joined_errors(const std::vector<std::string>& errors) {
  std::set<std::string> seen;
  std::string out;
  for (const std::string& error : errors) {
    if (seen.insert(error).second) out += (out.empty() ? "" : ", ") + error;
  }
  return seen.size() > 1 ? "[" + out + "]" : out;
}

std::string go_list(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return "[" + out + "]";
}

std::vector<std::string> journal_arguments(const LogQuery& query, const std::vector<std::string>& services) {
  std::vector<std::string> arguments = {"--utc", "--no-pager", "--output=short-precise"};
  // With its zone: without one journalctl would read it in the node's own.
  constexpr const char* kTime = "%Y-%m-%d %H:%M:%S UTC";
  if (query.since) arguments.push_back("--since=" + utc_time(*query.since, kTime));
  if (query.until) arguments.push_back("--until=" + utc_time(*query.until, kTime));
  if (query.tail_lines) {
    arguments.push_back("--pager-end");
    arguments.push_back("--lines=" + std::to_string(*query.tail_lines));
  }
  for (const std::string& service : services) arguments.push_back("--unit=" + service);
  if (!query.pattern.empty()) arguments.push_back("--grep=" + query.pattern);
  if (query.boot) arguments.push_back("--boot=" + std::to_string(*query.boot));
  return arguments;
}

}  // namespace keelson::node_api
