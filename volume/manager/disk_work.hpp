// DiskWork: blocking work on volumes, on the pool: one piece for a volume at a time, and none beside the sweep of its
// pod.
//
// A piece that hangs in the kernel beyond its deadline takes one thread: the next one for the same volume is refused
// (`exhausted`) until it has come back. Owner: the agent's wiring; outlived by the pool. Thread: the loop. Not
// coroutines: GCC 12 frees a closure twice that is made inside one. What fails: the work itself, `deadline_exceeded`
// (it may still take effect), `exhausted`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/blocking_pool.hpp"
#include "base/in_flight.hpp"
#include "volume/manager/manager.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

class DiskWork {
 public:
  template <class T>
  using Work = std::function<Result<T>(Mounts&)>;

  DiskWork(base::BlockingPool& pool, std::shared_ptr<Mounts> mounts, std::string root)
      : pool_(pool), mounts_(std::move(mounts)), root_(std::move(root)) {}

  const std::string& root() const { return root_; }

  // For one volume of a pod.
  template <class T>
  base::Task<Result<T>> on_volume(std::string what, const std::string& uid, const std::string& name,
                                  base::Duration limit, Work<T> work) {
    auto pod = in_flight_.join("pod " + uid);
    auto volume = pod == nullptr ? nullptr : in_flight_.enter("volume " + uid + "/" + name);
    if (volume == nullptr) return still_busy<T>(std::move(what));
    return run<T>(std::move(what), limit, std::move(pod), std::move(volume), std::move(work));
  }
  // For all of a pod.
  template <class T>
  base::Task<Result<T>> on_pod(std::string what, const std::string& uid, base::Duration limit, Work<T> work) {
    auto pod = in_flight_.enter("pod " + uid);
    if (pod == nullptr) return still_busy<T>(std::move(what));
    return run<T>(std::move(what), limit, std::move(pod), nullptr, std::move(work));
  }
  // For a volume of the node.
  template <class T>
  base::Task<Result<T>> on_device(std::string what, const std::string& device, base::Duration limit, Work<T> work) {
    auto token = in_flight_.enter("device " + device);
    if (token == nullptr) return still_busy<T>(std::move(what));
    return run<T>(std::move(what), limit, std::move(token), nullptr, std::move(work));
  }

 private:
  using Token = base::InFlight::Token;

  template <class T>
  base::Task<Result<T>> run(std::string what, base::Duration limit, Token first, Token second, Work<T> work) {
    return pool_.run<T>(std::move(what), limit,
                        [mounts = mounts_, first, second, work = std::move(work)] { return work(*mounts); });
  }
  template <class T>
  static base::Task<Result<T>> still_busy(std::string what) {
    co_return Error(ErrorKind::exhausted, what + ": an earlier attempt still hangs in the kernel");
  }

  base::BlockingPool& pool_;
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
