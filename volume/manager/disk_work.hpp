// DiskWork: blocking work on volumes, on two pools: one piece for a volume at a time, and none beside the sweep of its
// pod.
//
// What may take long or hang (servers, storage networks, walks, paths of the host) has a pool of its own, so that eight
// dead servers do not stop what every pod needs. A piece that hangs in the kernel beyond its deadline takes one thread:
// the next one for the same volume is refused (`exhausted`) until it has come back. Owner: the agent's wiring; outlived
// by the pools. Thread: the loop. Not coroutines: GCC 12 frees a closure twice that is made inside one. What fails: the
// work itself, `deadline_exceeded` (it may still take effect), `exhausted`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/in_flight.hpp"
#include "volume/manager/manager.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

class DiskWork {
 public:
  template <class T>
  using Work = std::function<Result<T>(Mounts&)>;

  struct Pools {
    base::BlockingPool& own;   // for files of ours
    base::BlockingPool& slow;  // for the rest
  };

  DiskWork(Pools pools, std::shared_ptr<Mounts> mounts, std::string root)
      : pools_(pools), mounts_(std::move(mounts)), root_(std::move(root)) {}

  const std::string& root() const { return root_; }

  // For one volume of a pod that is nothing but files of ours.
  template <class T>
  base::Task<Result<T>> on_own_volume(std::string what, const std::string& uid, const std::string& name,
                                      base::Duration limit, Work<T> work) {
    return run<T>(pools_.own, std::move(what), limit, volume_tokens(uid, name), std::move(work));
  }
  // For one volume of a pod.
  template <class T>
  base::Task<Result<T>> on_volume(std::string what, const std::string& uid, const std::string& name,
                                  base::Duration limit, Work<T> work) {
    return run<T>(pools_.slow, std::move(what), limit, volume_tokens(uid, name), std::move(work));
  }
  // For a sub-path of a volume of a pod.
  template <class T>
  base::Task<Result<T>> on_sub_path(std::string what, const std::string& uid, const std::string& name,
                                    base::Duration limit, Work<T> work) {
    Tokens tokens = volume_tokens(uid, name);
    tokens.push_back(in_flight_.join("sub-paths " + uid));
    return run<T>(pools_.slow, std::move(what), limit, std::move(tokens), std::move(work));
  }
  // For all sub-paths of a pod; beside what else its volumes do.
  template <class T>
  base::Task<Result<T>> on_sub_paths(std::string what, const std::string& uid, base::Duration limit, Work<T> work) {
    return run<T>(pools_.slow, std::move(what), limit, {in_flight_.enter("sub-paths " + uid)}, std::move(work));
  }
  // For all of a pod.
  template <class T>
  base::Task<Result<T>> on_pod(std::string what, const std::string& uid, base::Duration limit, Work<T> work) {
    return run<T>(pools_.own, std::move(what), limit, {in_flight_.enter("pod " + uid)}, std::move(work));
  }
  // For a volume of the node, or whatever else has a name.
  template <class T>
  base::Task<Result<T>> on_device(std::string what, const std::string& device, base::Duration limit, Work<T> work) {
    return run<T>(pools_.slow, std::move(what), limit, {in_flight_.enter("device " + device)}, std::move(work));
  }

 private:
  using Tokens = std::vector<base::InFlight::Token>;

  Tokens volume_tokens(const std::string& uid, const std::string& name) {
    Tokens tokens{in_flight_.join("pod " + uid)};
    if (tokens.back() != nullptr) tokens.push_back(in_flight_.enter("volume " + uid + "/" + name));
    return tokens;
  }

  // A token that is missing: something else is in the way.
  template <class T>
  base::Task<Result<T>> run(base::BlockingPool& pool, std::string what, base::Duration limit, Tokens tokens,
                            Work<T> work) {
    for (const auto& token : tokens) {
      if (token == nullptr) return still_busy<T>(std::move(what));
    }
    return pool.run<T>(std::move(what), limit, [mounts = mounts_, tokens = std::move(tokens), work = std::move(work)] {
      return work(*mounts);
    });
  }
  template <class T>
  static base::Task<Result<T>> still_busy(std::string what) {
    co_return Error(ErrorKind::exhausted, what + ": an earlier attempt still hangs in the kernel");
  }

  Pools pools_;
  std::shared_ptr<Mounts> mounts_;  // shared with calls that outlive their deadline
  std::string root_;
  base::InFlight in_flight_;
};

// The volume manager's disk.
class PodVolumesDisk final : public VolumeDisk {
 public:
  explicit PodVolumesDisk(DiskWork& work) : work_(work) {}
  base::Task<Result<FoundVolumes>> find() override;
  base::Task<Status> clear_sub_paths(std::string uid) override;
  base::Task<Status> sweep(std::string uid) override;

 private:
  DiskWork& work_;
};

}  // namespace keelson::volume
