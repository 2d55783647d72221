// Fields: names with values in the order they came, of headers and queries alike. Plain values, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::server {

using Fields = std::vector<std::pair<std::string, std::string>>;

// ASCII letters count as equal in either case.
bool same_name(std::string_view a, std::string_view b);
// The first of that name, in any case.
std::optional<std::string_view> find_field(const Fields& fields, std::string_view name);
// Removes all of that name.
void drop_fields(Fields& fields, std::string_view name);
std::string_view trimmed(std::string_view text);  // without blanks and tabs around it
// The values of all headers of that name as one list: split at commas, trimmed, empty ones left out.
std::vector<std::string_view> list_of(const Fields& fields, std::string_view name);

}  // namespace keelson::server
