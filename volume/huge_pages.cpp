#include "volume/huge_pages.hpp"

#include <optional>
#include <string_view>

#include "api/pod_resources.hpp"
#include "api/quantity.hpp"

namespace keelson::volume {
namespace {

constexpr std::string_view kMedium = "HugePages";
constexpr std::string_view kResource = "hugepages-";

using Requests = api::ResourceMessageMap;

Result<api::Quantity> size_after(std::string_view prefix, const std::string& name) {
  auto size = api::Quantity::parse(std::string_view(name).substr(prefix.size()));
  if (!size.ok()) return std::move(size).error().wrap("page size of " + name);
  return size;
}

// The sizes that are asked for, one after another.
class PageSize {
 public:
  PageSize(const std::string& medium, std::optional<api::Quantity> wanted) : medium_(medium), wanted_(wanted) {}

  Status add(const Requests& requests) {
    for (const auto& [name, amount] : requests) {
      if (!api::is_hugepages(name)) continue;
      auto size = size_after(kResource, name);
      if (!size.ok()) return std::move(size).error();
      if (wanted_ && *size != *wanted_) continue;
      if (found_ && *found_ != *size) {
        return Error(ErrorKind::invalid,
                     "medium: " + medium_ + " can't be used if container requests multiple huge page sizes");
      }
      found_ = *size;
    }
    return {};
  }
  const std::optional<api::Quantity>& found() const { return found_; }

 private:
  const std::string& medium_;
  std::optional<api::Quantity> wanted_;
  std::optional<api::Quantity> found_;
};

}  // namespace

bool is_huge_pages(const std::string& medium) {
  return medium == kMedium || (medium.starts_with(kMedium) && medium[kMedium.size()] == '-');
}

Result<std::string> huge_page_size(const api::core::PodSpec& spec, const std::string& medium) {
  std::optional<api::Quantity> wanted;
  if (medium != kMedium) {
    auto size = size_after(std::string(kMedium) + "-", medium);
    if (!size.ok()) return std::move(size).error();
    wanted = *size;
  }
  PageSize size(medium, wanted);
  KEELSON_TRY(size.add(spec.resources().requests()));
  for (const auto& container : spec.containers()) KEELSON_TRY(size.add(container.resources().requests()));
  for (const auto& container : spec.initcontainers()) KEELSON_TRY(size.add(container.resources().requests()));
  if (!size.found()) {
    return Error(ErrorKind::invalid, "medium " + medium +
                                         ": hugePages storage requested, but there is no resource request for huge "
                                         "pages");
  }
  return size.found()->to_string();
}

Status check_huge_pages(const MountEntry& mounted, const std::string& size) {
  if (mounted.type != "hugetlbfs") {
    return Error(ErrorKind::invalid, "a file system of type " + mounted.type + " is mounted on " + mounted.path);
  }
  // The kernel writes 2M for 2Mi.
  const std::string text = option_value(mounted.super_options, "pagesize");
  const auto found = api::Quantity::parse(text + "i");
  if (!found.ok()) {
    return Error(ErrorKind::invalid, "pageSize for mounted dir " + mounted.path + " is not determined");
  }
  if (*found == api::Quantity::parse(size).value_or({})) return {};
  return Error(ErrorKind::invalid, "mounted dir " + mounted.path + " pagesize '" + found->to_string() +
                                       "' and requested medium size '" + size + "' differ");
}

}  // namespace keelson::volume
