#include "agent/node_api/file_answer.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <ctime>

#include "agent/node_api/go_number.hpp"

namespace keelson::node_api {
namespace {

constexpr const char* kHttpTime = "%a, %d %b %Y %H:%M:%S GMT";
constexpr std::array kHttpTimes = {kHttpTime, "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};
constexpr std::size_t kSniffed = 512;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A well-formed entity tag at the front is removed.
bool take_tag(std::string_view& text) {
  const std::size_t start = text.starts_with("W/") ? 2 : 0;
  if (text.size() < start + 2 || text[start] != '"') return false;
  for (std::size_t i = start + 1; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (c != 0x21 && c < 0x23) return false;
    if (c == 0x7f) return false;
  }
  return false;
}

// Whether a list of tags comes to "*": as there are no tags, nothing else in it fits.
bool fits_any(std::string_view list) {
  while (true) {
    list = trim(list);
    if (list.empty()) return false;
    if (list.front() == '*') return true;
    if (list.front() == ',') {
      list.remove_prefix(1);
    } else if (!take_tag(list)) {
      return false;
    }
  }
}

std::int64_t seconds_of(base::SystemTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// The time of a condition; nothing when it was not sent, cannot be read, or the file has no time.
std::optional<std::int64_t> condition_time(const std::string& header, base::SystemTime modified) {
  if (header.empty() || modified == base::SystemTime()) return std::nullopt;
  return parse_http_time(header);
}

Error invalid_range() { return Error(ErrorKind::invalid, "invalid range"); }

// "5-9", "5-", "-5"; nothing when it begins behind the end.
Result<std::optional<ByteRange>> parse_range(std::string_view text, std::int64_t size) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return invalid_range();
  const std::string_view first = trim(text.substr(0, dash));
  const std::string_view last = trim(text.substr(dash + 1));
  ByteRange range;
  if (first.empty()) {
    const auto suffix = go_integer(last, "ParseInt");
    if (last.starts_with('-') || !suffix.ok()) return invalid_range();
    range.length = std::min(*suffix, size);
    range.start = size - range.length;
    return std::optional(range);
  }
  const auto start = go_integer(first, "ParseInt");
  if (!start.ok() || *start < 0) return invalid_range();
  if (*start >= size) return std::optional<ByteRange>();
  range.start = *start;
  range.length = size - range.start;
  if (!last.empty()) {
    const auto end = go_integer(last, "ParseInt");
    if (!end.ok() || *end < range.start) return invalid_range();
    range.length = std::min(*end, size - 1) - range.start + 1;
  }
  return std::optional(range);
}

struct TypeRow {
  std::string_view key;
  std::string_view type;
};
constexpr std::array kExtensions = {
    TypeRow{".avif", "image/avif"},
    TypeRow{".css", "text/css; charset=utf-8"},
    TypeRow{".gif", "image/gif"},
    TypeRow{".htm", "text/html; charset=utf-8"},
    TypeRow{".html", "text/html; charset=utf-8"},
    TypeRow{".jpeg", "image/jpeg"},
    TypeRow{".jpg", "image/jpeg"},
    TypeRow{".js", "text/javascript; charset=utf-8"},
    TypeRow{".json", "application/json"},
    TypeRow{".mjs", "text/javascript; charset=utf-8"},
    TypeRow{".pdf", "application/pdf"},
    TypeRow{".png", "image/png"},
    TypeRow{".svg", "image/svg+xml"},
    TypeRow{".wasm", "application/wasm"},
    TypeRow{".webp", "image/webp"},
    TypeRow{".xml", "text/xml; charset=utf-8"},
};
constexpr std::array kBeginnings = {
    TypeRow{"\x1f\x8b\x08", "application/x-gzip"},
    TypeRow{"PK\x03\x04", "application/zip"},
    TypeRow{"\xfe\xff", "text/plain; charset=utf-16be"},
    TypeRow{"\xff\xfe", "text/plain; charset=utf-16le"},
};

std::string_view type_of_name(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  std::string extension(name.substr(dot));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto row = std::find_if(kExtensions.begin(), kExtensions.end(),
                                [&](const TypeRow& candidate) { return candidate.key == extension; });
  return row == kExtensions.end() ? std::string_view() : row->type;
}

// No text has such a byte.
bool is_binary(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= 0x08 || byte == 0x0b || (byte >= 0x0e && byte <= 0x1a) || (byte >= 0x1c && byte <= 0x1f);
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

// A relative reference, as Go's net/url writes a path.
std::string reference(std::string_view path) {
  constexpr std::string_view kPlain = "-_.~$&+,/:;=@";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  // Else the part before the colon would be taken for a scheme.
  if (path.substr(0, path.find('/')).find(':') != std::string_view::npos) out = "./";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte) != 0) || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string out;
  for (const std::string_view part : parts) out.append("/").append(part);
  return out.empty() ? "/" : out;
}

std::string last_part(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return path.empty() ? "/" : std::string(path);
}

std::string http_time(base::SystemTime time) {
  const std::time_t seconds = seconds_of(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), kHttpTime, &parts);
  return text.data();
}

std::optional<std::int64_t> parse_http_time(const std::string& text) {
  for (const char* form : kHttpTimes) {
    std::tm parts{};
    const char* end = strptime(text.c_str(), form, &parts);
    if (end == nullptr || end != text.c_str() + text.size()) continue;
    return timegm(&parts);
  }
  return std::nullopt;
}

bool is_unchanged(const Conditions& conditions, base::SystemTime modified) {
  const auto since = condition_time(conditions.if_modified_since, modified);
  return since && seconds_of(modified) <= *since;
}

Verdict judge(const Conditions& conditions, base::SystemTime modified) {
  if (!conditions.if_match.empty()) {
    if (!fits_any(conditions.if_match)) return Verdict::precondition_failed;
  } else if (const auto until = condition_time(conditions.if_unmodified_since, modified)) {
    if (seconds_of(modified) > *until) return Verdict::precondition_failed;
  }
  const bool same =
      conditions.if_none_match.empty() ? is_unchanged(conditions, modified) : fits_any(conditions.if_none_match);
  return same ? Verdict::not_modified : Verdict::send;
}

bool range_holds(const Conditions& conditions, base::SystemTime modified) {
  if (conditions.if_range.empty()) return true;
  const auto time = condition_time(conditions.if_range, modified);
  return time && *time == seconds_of(modified);
}

std::string ByteRange::content_range(std::int64_t size) const {
  return "bytes " + std::to_string(start) + "-" + std::to_string(start + length - 1) + "/" + std::to_string(size);
}

Result<std::vector<ByteRange>> parse_ranges(std::string_view header, std::int64_t size) {
  std::vector<ByteRange> ranges;
  // Of an empty file every range is the whole.
  if (header.empty()) return ranges;
  if (!header.starts_with("bytes=")) return invalid_range();
  header.remove_prefix(6);
  bool behind = false;
  std::int64_t sum = 0;
  bool too_much = false;
  while (!header.empty()) {
    const std::size_t comma = header.find(',');
    const std::string_view text = trim(header.substr(0, comma));
    header.remove_prefix(comma == std::string_view::npos ? header.size() : comma + 1);
    if (text.empty()) continue;
    const auto range = parse_range(text, size);
    if (!range.ok()) return range.error();
    if (!*range) {
      behind = true;
      continue;
    }
    if (size == 0) continue;
    ranges.push_back(**range);
    too_much = too_much || (*range)->length > size - sum;
    if (!too_much) sum += (*range)->length;
  }
  if (behind && ranges.empty() && size > 0) return Error(ErrorKind::not_found, "invalid range: failed to overlap");
  // Whoever asks for more than there is wants all of it, or means no good.
  if (too_much) ranges.clear();
  return ranges;
}

bool is_typed_by_name(std::string_view name) { return !type_of_name(name).empty(); }

std::string content_type(std::string_view name, std::string_view beginning) {
  if (const std::string_view type = type_of_name(name); !type.empty()) return std::string(type);
  beginning = beginning.substr(0, kSniffed);
  for (const TypeRow& row : kBeginnings) {
    if (beginning.starts_with(row.key)) return std::string(row.type);
  }
  const bool binary = std::any_of(beginning.begin(), beginning.end(), is_binary);
  return binary ? "application/octet-stream" : "text/plain; charset=utf-8";
}

std::string directory_page(std::vector<ListedName> names) {
  std::sort(names.begin(), names.end(), [](const ListedName& a, const ListedName& b) { return a.name < b.name; });
  std::string page = "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n";
  for (const auto& [name, directory] : names) {
    const std::string shown = directory ? name + "/" : name;
    page += "<a href=\"" + reference(shown) + "\">" + escape_html(shown) + "</a>\n";
  }
  return page + "</pre>\n";
}

}  // namespace keelson::node_api
