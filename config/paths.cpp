#include "config/paths.hpp"

#include <vector>

#include "config/values.hpp"

namespace keelson::config {

bool is_absolute(std::string_view path) { return path.starts_with('/'); }

std::string clean_path(std::string_view path) {
  const bool rooted = is_absolute(path);
  std::vector<std::string> kept;
  for (auto& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (part != ".." || !rooted) {
      kept.push_back(std::move(part));
    }
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t i = 0; i < kept.size(); ++i) out += (i > 0 ? "/" : "") + kept[i];
  return out.empty() ? "." : out;
}

std::string folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return clean_path(path.substr(0, slash + 1));
}

std::string resolve_path(std::string_view folder, std::string_view path) {
  if (is_absolute(path)) return std::string(path);
  return clean_path(std::string(folder) + "/" + std::string(path));
}

}  // namespace keelson::config
