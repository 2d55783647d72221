// UserNamespaces: which range of the host's IDs each pod with `hostUsers: false` has.
//
// The node's range is cut into slots of idsPerPod IDs, one for each pod; a free one is picked at random and written
// durably to ROOT/pods/UID/userns before it is used, so that an agent that starts anew gives nobody a range that is
// taken. Owner: the engine; load() comes before the first of(). Thread: the loop; the calls for one pod never overlap.
// What fails: a file that cannot be read or written, or no slot left; the pod's sandbox is not made then. Source:
// contract 02 §2.3.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "agent/pod_config/namespaces.hpp"
#include "agent/sync/id_pool.hpp"
#include "agent/sync/pod_files.hpp"
#include "base/backoff.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

class UserNamespaces {
 public:
  UserNamespaces(base::Random& random, PodFiles& files, const IdPool& pool, base::Logger log)
      : random_(random), files_(files), pool_(pool), log_(std::move(log)) {}

  // Reads what earlier agents gave out.
  base::Task<void> load();
  // The range of the pod, given out at the first call; nothing for a pod that uses the host's IDs.
  base::Task<Result<std::optional<UserNamespaceRange>>> of(api::PodPtr pod);
  // The pod has ended, or nobody knows it any more.
  base::Task<void> release(std::string uid);

 private:
  struct Given {
    UserNamespaceRange range;
    bool written = false;  // else the next call writes it
  };
  Status adopt(const std::string& uid, std::string_view text);
  std::optional<UserNamespaceRange> pick();
  std::uint32_t slot_of(const UserNamespaceRange& range) const {
    return (range.host_first - pool_.first) / pool_.length;
  }

  base::Random& random_;
  PodFiles& files_;
  const IdPool& pool_;
  base::Logger log_;
  std::map<std::string, Given> given_;       // by UID
  std::map<std::string, Error> unreadable_;  // by UID: it has a file, but nobody can tell its range
  std::set<std::uint32_t> taken_;            // slots, counted from the pool's first
};

// The content of the file, as the kubelet writes it.
std::string write_user_namespace(const UserNamespaceRange& range);
// What fails: anything but one map of IDs from 0 on, the same for users and groups.
Result<UserNamespaceRange> read_user_namespace(std::string_view text);

}  // namespace keelson::agent
