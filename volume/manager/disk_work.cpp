#include "volume/manager/disk_work.hpp"

#include "volume/local.hpp"
#include "volume/manager/outcome.hpp"
#include "volume/sub_path.hpp"

namespace keelson::volume {
namespace {

constexpr auto kFindLimit = std::chrono::minutes(2);
constexpr auto kSweepLimit = std::chrono::minutes(1);

}  // namespace

base::Task<Result<FoundVolumes>> PodVolumesDisk::find() {
  return work_.on_device<FoundVolumes>("find the volumes of before", "all", kFindLimit,
                                       [root = work_.root()](Mounts& mounts) { return find_volumes(root, mounts); });
}

base::Task<Status> PodVolumesDisk::clear_sub_paths(std::string uid) {
  return without_value(work_.on_sub_paths<Ok>(
      "unmount sub-paths of pod " + uid, uid, kSweepLimit,
      [root = work_.root(), uid](Mounts& mounts) { return as_result(volume::clear_sub_paths(root, uid, mounts)); }));
}

base::Task<Status> PodVolumesDisk::sweep(std::string uid) {
  return without_value(
      work_.on_pod<Ok>("tear down volumes of pod " + uid, uid, kSweepLimit,
                       [root = work_.root(), uid](Mounts& mounts) { return as_result(tear_down(root, uid, mounts)); }));
}

}  // namespace keelson::volume
