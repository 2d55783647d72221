#include "agent/node/image_list.hpp"

#include <algorithm>
#include <cctype>

namespace keelson::agent {
namespace {

constexpr std::size_t kNamesOfAnImage = 5;

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (true) {
    const auto at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

bool are_identifiers(std::string_view text) {
  for (const auto part : split(text, '.')) {
    if (part.empty()) return false;
    const bool fine =
        std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
    if (!fine) return false;
  }
  return true;
}

// "-rc.1+build.5" behind the numbers of a semantic version.
bool is_semantic_tail(std::string_view tail) {
  if (tail.empty()) return true;
  const auto plus = tail.find('+');
  if (plus != std::string_view::npos && !are_identifiers(tail.substr(plus + 1))) return false;
  const std::string_view pre = tail.substr(0, plus);
  return pre.empty() || (pre.front() == '-' && are_identifiers(pre.substr(1)));
}

// "v1.7.2-rc.1" -> "1.7.2-rc.1", "1.6.20~ds1" -> "1.6.20"; empty when there are no two numbers.
std::string clean_version(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  if (!text.empty() && text.front() == 'v') text.remove_prefix(1);
  const auto end = text.find_first_not_of("0123456789.");
  std::string_view numbers = text.substr(0, end);
  while (!numbers.empty() && numbers.back() == '.') numbers.remove_suffix(1);
  const std::string_view tail = text.substr(numbers.size());
  const auto parts = split(numbers, '.');
  if (parts.size() < 2 || !std::all_of(parts.begin(), parts.end(), all_digits)) return "";
  const bool semantic = parts.size() == 3 && is_semantic_tail(tail) &&
                        std::none_of(parts.begin(), parts.end(),
                                     [](std::string_view part) { return part.size() > 1 && part.front() == '0'; });
  return std::string(semantic ? text : numbers);
}

void add_names(const std::vector<std::string>& names, api::core::ContainerImage& image) {
  for (const auto& name : names) {
    if (static_cast<std::size_t>(image.names_size()) < kNamesOfAnImage) image.add_names(name);
  }
}

}  // namespace

NodeImages node_images(std::vector<cri::Image> images, std::int32_t most) {
  std::sort(images.begin(), images.end(),
            [](const cri::Image& a, const cri::Image& b) { return a.size != b.size ? a.size > b.size : a.id > b.id; });
  if (most >= 0 && images.size() > static_cast<std::size_t>(most)) images.resize(static_cast<std::size_t>(most));
  NodeImages out;
  out.reserve(images.size());
  for (const auto& image : images) {
    auto& entry = out.emplace_back();
    add_names(image.repo_digests, entry);
    add_names(image.repo_tags, entry);
    if (image.size > 0) entry.set_sizebytes(static_cast<std::int64_t>(image.size));
  }
  return out;
}

std::string runtime_version_text(const cri::Version& version) {
  const std::string clean = clean_version(version.runtime_version);
  return clean.empty() ? "Unknown" : version.runtime_name + "://" + clean;
}

ImageList::ImageList(base::Loop& loop, base::Clock& clock, cri::RuntimeService& runtime, cri::ImageService& images,
                     std::int32_t most, std::string agent_version, base::Logger log)
    : clock_(clock),
      runtime_(runtime),
      service_(images),
      most_(most),
      agent_version_(std::move(agent_version)),
      log_(std::move(log)),
      bell_(loop) {}

void ImageList::start(base::Gate& gate) { base::spawn(gate, "image list", run()); }

base::Task<void> ImageList::run() {
  while (true) {
    co_await refresh();
    co_await bell_.wait_for(clock_, period);
  }
}

base::Task<void> ImageList::refresh() {
  auto version = co_await runtime_.version(agent_version_);
  version_ = version.ok() ? runtime_version_text(*version) : "Unknown";
  auto images = co_await service_.list_images();
  const std::string problem = images.ok() ? "" : images.error().to_string();
  if (problem != problem_ && !images.ok()) log_.warning("Images cannot be listed", {{"err", problem}});
  problem_ = problem;
  if (!images.ok()) co_return;
  NodeImages next = node_images(std::move(*images), most_);
  current_ = std::make_shared<const NodeImages>(std::move(next));
}

}  // namespace keelson::agent
