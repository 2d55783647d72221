#include "agent/stats/proc_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

constexpr std::array<std::string_view, 4> kNotShown{"lo", "veth", "docker", "nerdctl"};
constexpr std::array<std::string_view, 3> kNoDisks{"loop", "ram", "sr"};
constexpr std::array<std::string_view, 4> kShownSystems{"xfs", "btrfs", "zfs", "tmpfs"};
constexpr std::uint64_t kKibibyte = 1024;

template <class Prefixes>
bool begins_with_any(std::string_view text, const Prefixes& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [text](const auto& one) { return text.starts_with(one); });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// bytes packets errs drop, at the beginning of eight columns.
Traffic traffic(const std::vector<std::string_view>& words, std::size_t from) {
  Traffic out;
  out.bytes = number_or_zero(words[from]);
  out.packets = number_or_zero(words[from + 1]);
  out.errors = number_or_zero(words[from + 2]);
  out.dropped = number_or_zero(words[from + 3]);
  return out;
}

// Blanks and backslashes are written as octal escapes.
std::string unescaped(std::string_view text) {
  const auto digit = [text](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_shown_system(std::string_view type, std::string_view point) {
  if (type == "overlay") return point == "/";
  return type.starts_with("ext") || std::find(kShownSystems.begin(), kShownSystems.end(), type) != kShownSystems.end();
}

// "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPER-OPTIONS".
std::optional<MountedSystem> mounted_system(std::string_view line) {
  const auto fields = words_of(line);
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 5 || fields.end() - dash < 3) return std::nullopt;
  const std::string_view type = dash[1];
  MountedSystem out;
  out.point = unescaped(fields[4]);
  if (!is_shown_system(type, out.point)) return std::nullopt;
  const auto colon = fields[2].find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  out.major = static_cast<std::uint32_t>(number_or_zero(fields[2].substr(0, colon)));
  out.minor = static_cast<std::uint32_t>(number_or_zero(fields[2].substr(colon + 1)));
  out.device = unescaped(dash[2]);
  if (type == "tmpfs") out.device = out.point;
  if (type == "overlay") out.device += "_" + std::to_string(out.major) + "-" + std::to_string(out.minor);
  return out;
}

}  // namespace

std::vector<Interface> parse_net_dev(std::string_view text) {
  std::vector<Interface> out;
  std::string_view line;
  while (take_line(text, line)) {
    const auto colon = line.find(':');  // the first number may follow it without a blank
    if (colon == std::string_view::npos) continue;
    std::string_view before = line.substr(0, colon);
    const std::string_view name = take_word(before);
    const auto words = words_of(line.substr(colon + 1));
    if (name.empty() || words.size() < 12 || begins_with_any(lower(name), kNotShown)) continue;
    Interface one;
    one.name = std::string(name);
    one.received = traffic(words, 0);
    one.sent = traffic(words, 8);
    out.push_back(std::move(one));
  }
  return out;
}

Memory parse_meminfo(std::string_view text) {
  Memory out;
  each_pair(text, [&out](std::string_view key, std::uint64_t value) {
    if (key == "MemTotal:") out.total = value * kKibibyte;
    if (key == "SwapTotal:") out.swap_total = value * kKibibyte;
    if (key == "SwapFree:") out.swap_free = value * kKibibyte;
  });
  return out;
}

std::optional<std::int64_t> parse_boot_time(std::string_view text) {
  std::optional<std::int64_t> boot;
  each_pair(text, [&boot](std::string_view key, std::uint64_t value) {
    if (key == "btime") boot = static_cast<std::int64_t>(value);
  });
  return boot;
}

std::optional<std::uint64_t> parse_tasks(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() < 4) return std::nullopt;
  const auto slash = words[3].find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return parse_number(words[3].substr(slash + 1));
}

std::vector<Disk> parse_diskstats(std::string_view text) {
  // The columns after the name, in the kernel's order.
  constexpr std::array kColumns{&Disk::reads,       &Disk::reads_merged,  &Disk::sectors_read,    &Disk::read_ms,
                                &Disk::writes,      &Disk::writes_merged, &Disk::sectors_written, &Disk::write_ms,
                                &Disk::in_progress, &Disk::io_ms,         &Disk::weighted_io_ms};
  std::vector<Disk> out;
  std::string_view line;
  while (take_line(text, line)) {
    const auto words = words_of(line);
    if (words.size() < 3 + kColumns.size() || begins_with_any(words[2], kNoDisks)) continue;
    Disk disk;
    disk.major = static_cast<std::uint32_t>(number_or_zero(words[0]));
    disk.minor = static_cast<std::uint32_t>(number_or_zero(words[1]));
    disk.name = std::string(words[2]);
    for (std::size_t i = 0; i < kColumns.size(); ++i) disk.*kColumns[i] = number_or_zero(words[3 + i]);
    out.push_back(std::move(disk));
  }
  return out;
}

std::vector<MountedSystem> parse_mounts(std::string_view text, const std::vector<std::string>& without) {
  std::vector<MountedSystem> out;
  std::set<std::string> seen;
  std::string_view line;
  while (take_line(text, line)) {
    auto mounted = mounted_system(line);
    if (!mounted || begins_with_any(mounted->point, without)) continue;
    if (seen.insert(mounted->device).second) out.push_back(std::move(*mounted));
  }
  return out;
}

std::optional<std::int64_t> parse_open_files_limit(std::string_view text) {
  constexpr std::string_view kName = "Max open files";
  std::string_view line;
  while (take_line(text, line)) {
    if (!line.starts_with(kName)) continue;
    line.remove_prefix(kName.size());
    const std::string_view soft = take_word(line);
    if (soft == "unlimited") return -1;
    const auto value = parse_number(soft);
    return value ? std::optional<std::int64_t>(static_cast<std::int64_t>(*value)) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace keelson::stats
