// What requests to the node's API bring: a path, then, each on a line of its own, Accept, Range, a date, and parameters
// of a log query as key=value.
#include <sstream>
#include <string>
#include <vector>

#include "agent/node_api/file_answer.hpp"
#include "agent/node_api/log_query.hpp"
#include "agent/node_api/media_types.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson::node_api;

void check_path(const std::string& text) {
  const std::string path = clean_path(text);
  KEELSON_CHECK(path.starts_with('/') && clean_path(path) == path);
  KEELSON_CHECK((path + "/").find("/../") == std::string::npos);
  KEELSON_CHECK(!last_part(text).empty());
  ListedName name;
  name.name = text;
  (void)directory_page({name});
}

void check_ranges(const std::string& text) {
  for (const std::int64_t size : {0, 1, 1000}) {
    const auto ranges = parse_ranges(text, size);
    if (!ranges.ok()) continue;
    std::int64_t sum = 0;
    for (const ByteRange& range : *ranges) {
      KEELSON_CHECK(range.start >= 0 && range.length >= 0 && range.length <= size - range.start);
      sum += range.length;
    }
    KEELSON_CHECK(sum <= size);
  }
}

void check_date(const std::string& text) {
  Conditions conditions;
  conditions.if_modified_since = text;
  conditions.if_match = text;
  conditions.if_range = text;
  const keelson::base::SystemTime modified(std::chrono::seconds(1'784'000'000));
  (void)judge(conditions, modified);
  (void)range_holds(conditions, modified);
}

void check_query(const QueryFields& fields) {
  const auto reading = read_log_query(fields);
  KEELSON_CHECK(!reading.query || reading.errors.empty());
  if (!reading.query || !check_log_query(*reading.query, "").empty()) return;
  // Nothing that a client says becomes an option of its own.
  for (const std::string& argument : journal_arguments(*reading.query, reading.query->services)) {
    KEELSON_CHECK(argument.starts_with("--"));
  }
  for (const std::string& service : reading.query->services) {
    KEELSON_CHECK(service.find_first_of("/ \n") == std::string::npos);
  }
}

}  // namespace

KEELSON_FUZZ_ENTRY(keelson_fuzz_node_api) {
  std::istringstream lines{std::string(input)};
  std::string line;
  if (std::getline(lines, line)) check_path(line);
  if (std::getline(lines, line)) {
    const auto choice = choose_zpage(line, "Statusz");
    KEELSON_CHECK(!choice || choice->version.empty() == (choice->form == ZPageChoice::Form::text));
    (void)choose_status(line);
  }
  if (std::getline(lines, line)) check_ranges(line);
  if (std::getline(lines, line)) check_date(line);
  QueryFields fields;
  while (std::getline(lines, line)) {
    const std::size_t equals = line.find('=');
    fields.emplace_back(line.substr(0, equals), equals == std::string::npos ? "" : line.substr(equals + 1));
  }
  check_query(fields);
}
