// Huge pages of emptyDir volumes: which page size a volume gets.
//
// Pure functions, any thread. What fails: `invalid` when the pod asks for no huge pages, for several sizes where the
// medium names none, or what is mounted already has pages of another size. Source: contract 04 §4 (HugePages).
#pragma once

#include <string>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "volume/mount_table.hpp"

namespace keelson::volume {

// "HugePages" or "HugePages-SIZE".
bool is_huge_pages(const std::string& medium);

// "2Mi": the page size of a volume of this medium, by the requests of the pod, its init and its regular containers.
Result<std::string> huge_page_size(const api::core::PodSpec& spec, const std::string& medium);

// Whether what is mounted there already serves for `size`.
Status check_huge_pages(const MountEntry& mounted, const std::string& size);

}  // namespace keelson::volume
