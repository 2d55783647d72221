#include "agent/wiring/cgroups_adapter.hpp"

#include "agent/pod_config/qos.hpp"
#include "agent/pod_config/resources.hpp"
#include "agent/sync/containers.hpp"
#include "cgroup-manager/cgroup_files.hpp"
#include "cgroup-manager/cgroupfs.hpp"
#include "cgroup-manager/formulas.hpp"
#include "cgroup-manager/in_force.hpp"
#include "cgroup-manager/layout.hpp"

namespace keelson::agent {
namespace {

constexpr auto kLimit = std::chrono::seconds(30);
constexpr auto kTiers = {cgroups::QosClass::guaranteed, cgroups::QosClass::burstable, cgroups::QosClass::best_effort};

cgroups::QosClass tier_class(const api::Pod& pod) {
  switch (qos_class(pod)) {
    case QosClass::guaranteed: return cgroups::QosClass::guaranteed;
    case QosClass::burstable: return cgroups::QosClass::burstable;
    case QosClass::best_effort: break;
  }
  return cgroups::QosClass::best_effort;
}

base::Task<Status> nothing_to_do() { co_return Status(); }
base::Task<Result<PodMemoryUsage>> no_cgroups() {
  co_return Error(ErrorKind::unavailable, "pods have no cgroups of their own here (cgroupsPerQOS is off)");
}
base::Task<Result<std::vector<std::string>>> no_pods() { co_return std::vector<std::string>{}; }

}  // namespace

struct CgroupsAdapter::Driver {
  explicit Driver(cgroups::Layout found) : layout(found), cgroupfs(files, std::move(found)) {}
  cgroups::Layout layout;
  cgroups::RealCgroupFiles files;
  cgroups::CgroupfsDriver cgroupfs;
};

CgroupsAdapter::CgroupsAdapter(base::BlockingPool& pool, base::Logger log, const NodeInfo& node)
    : pool_(pool), log_(std::move(log)), node_(node) {}

CgroupsAdapter::~CgroupsAdapter() = default;

Result<std::unique_ptr<CgroupsAdapter>> CgroupsAdapter::create(base::BlockingPool& pool, base::Logger log,
                                                               const config::KubeletConfiguration& kubelet,
                                                               const NodeInfo& node) {
  std::unique_ptr<CgroupsAdapter> adapter(new CgroupsAdapter(pool, std::move(log), node));
  adapter->per_qos_ = kubelet.cgroups_per_qos;
  adapter->pids_limit_ = kubelet.pod_pids_limit;
  if (!kubelet.cgroups_per_qos) return adapter;
  auto root = cgroups::parse_root(kubelet.effective_cgroup_root());
  if (!root.ok()) return root.error().wrap("cgroupRoot");
  adapter->root_ = std::move(*root);
  auto layout = cgroups::find_layout();
  if (!layout.ok()) return layout.error().wrap("while looking for the cgroup hierarchies");
  adapter->driver_ = std::make_shared<Driver>(std::move(*layout));
  return adapter;
}

std::string CgroupsAdapter::parent_of(const api::Pod& pod) const {
  if (!per_qos_) return "";
  const auto driver = systemd_ ? cgroups::Driver::systemd : cgroups::Driver::cgroupfs;
  return cgroups::path(driver, cgroups::pod(root_, tier_class(pod), pod.metadata().uid()));
}

std::string CgroupsAdapter::pods_path() const {
  if (!per_qos_) return "";
  return cgroups::path(systemd_ ? cgroups::Driver::systemd : cgroups::Driver::cgroupfs, cgroups::pods_root(root_));
}

std::vector<std::string> CgroupsAdapter::tier_paths() const {
  std::vector<std::string> out;
  if (!per_qos_) return out;
  const auto driver = systemd_ ? cgroups::Driver::systemd : cgroups::Driver::cgroupfs;
  for (const auto qos : {cgroups::QosClass::burstable, cgroups::QosClass::best_effort}) {
    out.push_back(cgroups::path(driver, cgroups::tier(root_, qos)));
  }
  return out;
}

base::Task<bool> CgroupsAdapter::exists(api::PodPtr pod) {
  if (idle()) co_return true;
  auto there = co_await look_for(pod);
  // What cannot be told now must not end a pod.
  co_return !there.ok() || *there;
}

base::Task<Status> CgroupsAdapter::ensure(api::PodPtr pod) {
  if (idle()) co_return Status();
  const base::SteadyTime begun = pool_.clock().steady_now();
  auto made = co_await make(pod);
  // One that was there already was only looked at.
  if (!made.ok() || made->created) durations_[{"create"}].observe(pool_.clock().steady_now() - begun);
  if (!made.ok()) co_return made.error();
  for (const Error& warning : made->warnings) {
    log_.warning("A limit of a pod cgroup was not set", {{"pod", pod_path(*pod)}, {"err", warning}});
  }
  co_return Status();
}

base::Task<Status> CgroupsAdapter::timed(const char* operation, base::Task<Status> work) {
  const base::SteadyTime begun = pool_.clock().steady_now();
  auto done = co_await std::move(work);
  durations_[{operation}].observe(pool_.clock().steady_now() - begun);
  co_return done;
}

// The rest are no coroutines: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<cgroups::Ensured>> CgroupsAdapter::make(api::PodPtr pod) {
  const cgroups::CgroupName name = cgroups::pod(root_, tier_class(*pod), pod->metadata().uid());
  const cgroups::Limits limits = pod_cgroup_limits(*pod, node_, pids_limit_, false);
  return pool_.run<cgroups::Ensured>("make the pod's cgroup", kLimit, [driver = driver_, name, limits] {
    return driver->cgroupfs.ensure(name, limits);
  });
}

base::Task<Result<bool>> CgroupsAdapter::look_for(api::PodPtr pod) {
  const cgroups::CgroupName name = cgroups::pod(root_, tier_class(*pod), pod->metadata().uid());
  return pool_.run<bool>("look for the pod's cgroup", kLimit,
                         [driver = driver_, name]() -> Result<bool> { return driver->cgroupfs.exists(name); });
}

base::Task<std::optional<PodCgroupValues>> CgroupsAdapter::values(api::PodPtr pod) {
  if (!driver_) co_return std::nullopt;
  auto seen = co_await read(pod);
  if (!seen.ok()) co_return std::nullopt;
  co_return *seen;
}

base::Task<Result<PodCgroupValues>> CgroupsAdapter::read(api::PodPtr pod) {
  return pool_.run<PodCgroupValues>(
      "read the pod's cgroup", kLimit, [driver = driver_, path = parent_of(*pod)]() -> Result<PodCgroupValues> {
        const auto seen = cgroups::read_in_force(driver->files, driver->layout, path);
        return PodCgroupValues{seen.cpu_shares, seen.cpu_quota_us, seen.cpu_period_us, seen.memory_limit_bytes};
      });
}

base::Task<Status> CgroupsAdapter::set(api::PodPtr pod, PodCgroupValues values) {
  if (idle()) return nothing_to_do();
  cgroups::Limits limits;
  limits.cpu_shares = values.cpu_shares;
  limits.cpu_quota = values.cpu_quota_us;
  limits.cpu_period = values.cpu_period_us;
  limits.memory = values.memory_limit_bytes;
  const cgroups::CgroupName name = cgroups::pod(root_, tier_class(*pod), pod->metadata().uid());
  auto work = pool_.run<void>("set the values of the pod's cgroup", kLimit,
                              [driver = driver_, name, limits] { return driver->cgroupfs.update(name, limits); });
  return timed("update", std::move(work));
}

base::Task<Result<PodMemoryUsage>> CgroupsAdapter::memory_usage(api::PodPtr pod,
                                                                std::vector<std::string> container_ids) {
  if (!driver_) return no_cgroups();
  return pool_.run<PodMemoryUsage>(
      "read the memory that the pod uses", kLimit,
      [driver = driver_, path = parent_of(*pod), ids = std::move(container_ids)]() -> Result<PodMemoryUsage> {
        auto used = cgroups::read_memory_in_use(driver->files, driver->layout, path, ids);
        if (!used.ok()) return used.error();
        return PodMemoryUsage{used->bytes, std::move(used->below)};
      });
}

base::Task<Status> CgroupsAdapter::remove(std::string uid) {
  if (idle()) return nothing_to_do();
  auto work = [driver = driver_, root = root_, uid]() -> Status {
    for (const auto tier : kTiers) KEELSON_TRY(driver->cgroupfs.destroy(cgroups::pod(root, tier, uid)));
    return {};
  };
  return timed("destroy", pool_.run<void>("remove the cgroup of pod " + uid, kLimit, std::move(work)));
}

base::Task<Status> CgroupsAdapter::lower(std::string uid) {
  if (idle()) return nothing_to_do();
  auto work = [driver = driver_, root = root_, uid]() -> Status {
    cgroups::Limits least;
    least.cpu_shares = cgroups::kMinShares;
    for (const auto tier : kTiers) {
      const cgroups::CgroupName name = cgroups::pod(root, tier, uid);
      if (driver->cgroupfs.exists(name)) KEELSON_TRY(driver->cgroupfs.update(name, least));
    }
    return {};
  };
  return timed("update", pool_.run<void>("lower the cgroup of pod " + uid, kLimit, std::move(work)));
}

base::Task<Result<std::vector<std::string>>> CgroupsAdapter::list() {
  if (idle()) return no_pods();
  return pool_.run<std::vector<std::string>>("list pod cgroups", kLimit,
                                             [driver = driver_, root = root_]() -> Result<std::vector<std::string>> {
                                               auto found = driver->cgroupfs.list_pods(root);
                                               if (!found.ok()) return found.error();
                                               std::vector<std::string> out;
                                               for (const auto& pod : *found) out.push_back(pod.uid);
                                               return out;
                                             });
}

}  // namespace keelson::agent
