#include "volume/mount_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace keelson::volume {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// What comes before `separator`, which is taken off with it.
std::string_view take(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

bool parse_line(std::string_view line, MountEntry& entry) {
  const std::string_view id = take(line, ' ');
  if (std::from_chars(id.data(), id.data() + id.size(), entry.id).ec != std::errc()) return false;
  take(line, ' ');  // the parent's id
  entry.device = take(line, ' ');
  entry.root = unescape(take(line, ' '));
  entry.path = unescape(take(line, ' '));
  entry.options = take(line, ' ');
  for (std::string_view word = take(line, ' '); word != "-"; word = take(line, ' ')) {
    if (line.empty()) return false;
    entry.shared = entry.shared || word.starts_with("shared:");
  }
  entry.type = take(line, ' ');
  entry.source = unescape(take(line, ' '));
  entry.super_options = take(line, ' ');
  return !entry.type.empty();
}

// The path in the file system of what lies at `path` of this mount.
std::string path_in_file_system(const MountEntry& mount, const std::string& path) {
  const std::string below = path.substr(mount.path == "/" ? 0 : mount.path.size());
  if (mount.root == "/") return below.empty() ? "/" : below;
  return below == "/" ? mount.root : mount.root + below;
}

constexpr std::array kGone{"//deleted", " (deleted)"};

}  // namespace

std::vector<MountEntry> parse_mount_table(std::string_view mountinfo) {
  std::vector<MountEntry> table;
  while (!mountinfo.empty()) {
    MountEntry entry;
    if (parse_line(take(mountinfo, '\n'), entry)) table.push_back(std::move(entry));
  }
  return table;
}

std::vector<MountPoint> parse_mountinfo(std::string_view mountinfo) {
  std::vector<MountPoint> mounts;
  for (auto& entry : parse_mount_table(mountinfo)) mounts.push_back({std::move(entry.path), std::move(entry.type)});
  return mounts;
}

bool is_at_or_below(const std::string& path, const std::string& top) {
  return path == top || (path.starts_with(top) && (top.ends_with('/') || path[top.size()] == '/'));
}

bool is_mounted_at(const std::vector<MountEntry>& table, const std::string& path) {
  return std::any_of(table.begin(), table.end(), [&](const MountEntry& entry) {
    if (!entry.path.starts_with(path)) return false;
    const std::string_view rest = std::string_view(entry.path).substr(path.size());
    return rest.empty() || std::find(kGone.begin(), kGone.end(), rest) != kGone.end();
  });
}

// The last of the longest ones is the one that is seen.
const MountEntry* mount_of(const std::vector<MountEntry>& table, const std::string& path) {
  const MountEntry* found = nullptr;
  for (const auto& entry : table) {
    if (!is_at_or_below(path, entry.path)) continue;
    if (found == nullptr || entry.path.size() >= found->path.size()) found = &entry;
  }
  return found;
}

std::vector<std::string> mount_references(const std::vector<MountEntry>& table, const std::string& path) {
  std::vector<std::string> references;
  const MountEntry* own = mount_of(table, path);
  if (own == nullptr) return references;
  const std::string root = path_in_file_system(*own, path);
  for (const auto& entry : table) {
    if (entry.id != own->id && entry.device == own->device && entry.root == root) references.push_back(entry.path);
  }
  return references;
}

bool is_on_shared_mount(std::string_view mountinfo, const std::string& path) {
  const auto table = parse_mount_table(mountinfo);
  const MountEntry* mount = mount_of(table, path);
  return mount != nullptr && mount->shared;
}

bool is_network_type(std::string_view type) {
  constexpr std::array<std::string_view, 7> kTypes{"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "fuse.glusterfs"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

std::string option_value(std::string_view options, std::string_view name) {
  while (!options.empty()) {
    const std::string_view key = options.substr(0, options.find_first_of("=,"));
    options.remove_prefix(key.size());
    const bool has_value = options.starts_with('=');
    const bool quoted = options.starts_with("=\"");
    options.remove_prefix(quoted ? 2 : has_value ? 1 : 0);
    const std::string_view value = take(options, quoted ? '"' : ',');
    if (has_value && key == name) return std::string(value);
    if (quoted) take(options, ',');
  }
  return "";
}

}  // namespace keelson::volume
