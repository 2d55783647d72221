// IdPool: the IDs of the host that pods with user namespaces may have, as the machine and the configuration say.
//
// The parts are pure; read_id_pool() asks the user database and runs `getsubids`, which may ask another machine: it
// blocks (with a deadline), once, before the loop runs. What fails: the start, with a text that names what was
// expected. Source: contract 02 §2.3; getsubids(1).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

// `length` for each pod, from `first` on.
struct IdPool {
  std::uint32_t first = 65'536;
  std::uint32_t count = 4'294'901'760;  // all from `first` on
  std::uint32_t length = 65'536;
};

// Where there is no user `kubelet` or no `getsubids`: all IDs but those of the first slot.
IdPool default_id_pool(std::uint32_t length);
// The one line that `getsubids kubelet` and `getsubids -g kubelet` must both print: "0: kubelet START COUNT".
Result<IdPool> parse_subids(std::string_view of_users, std::string_view of_groups, std::uint32_t length);
// Whether it can be cut into a slot for every pod, none of which holds the host's own IDs.
Status check_id_pool(const IdPool& pool, std::int64_t max_pods);

// What read_id_pool() asks the machine.
struct IdPoolSource {
  std::function<Result<bool>()> has_kubelet_user;
  std::string getsubids;  // the program's path; "" when it is not on PATH
};
IdPoolSource id_pool_source();
Result<IdPool> read_id_pool(const IdPoolSource& source, std::uint32_t length, std::int64_t max_pods);

}  // namespace keelson::agent
