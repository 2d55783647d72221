#include "agent/node/csi_node_drivers.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "api/json_codec.hpp"
#include "api/patch.hpp"
#include "volume/csi/go_json.hpp"

namespace keelson::agent {
namespace {

using base::Task;
using Driver = k8s::storage::v1::CSINodeDriver;

constexpr int kTries = 4;
constexpr base::Duration kPause = std::chrono::milliseconds(10);
constexpr base::Duration kNoCap = std::chrono::hours(1);
constexpr double kFactor = 5;
constexpr double kJitter = 0.1;

std::string quoted(const std::string& text) { return volume::go_json_string(text); }

Result<std::map<std::string, std::string>> ids_of(const api::core::Node& node) {
  std::map<std::string, std::string> out;
  const auto& annotations = node.metadata().annotations();
  const auto found = annotations.find(std::string(csi_node_id_annotation));
  if (found == annotations.end() || found->second.empty()) return out;
  const Error unusable(ErrorKind::invalid, "failed to parse node's \"" + std::string(csi_node_id_annotation) +
                                               "\" annotation value (=" + quoted(found->second) + ")");
  const auto tree = api::parse_json(found->second);
  if (!tree.ok() || !tree->is_map()) return unusable;
  for (const auto& entry : tree->entries) {
    if (!entry.value.is_string()) return unusable;
    out[entry.key] = entry.value.text;
  }
  return out;
}

void set_ids(api::core::Node& node, const std::map<std::string, std::string>& ids) {
  auto& annotations = *node.mutable_metadata()->mutable_annotations();
  const std::string key = csi_node_id_annotation;
  if (ids.empty()) {
    annotations.erase(key);
  } else {
    annotations[key] = volume::go_json_map(ids);
  }
}

Driver entry_of(const std::string& name, const volume::CsiNodeInfo& info) {
  Driver out;
  out.set_name(name);
  out.set_nodeid(info.node_id);
  for (const auto& [key, value] : info.topology) out.add_topologykeys(key);
  if (info.max_volumes > 0) {
    const std::int64_t most = std::numeric_limits<std::int32_t>::max();
    out.mutable_allocatable()->set_count(static_cast<std::int32_t>(std::min(info.max_volumes, most)));
  }
  return out;
}

bool same_entry(const Driver& a, const Driver& b) {
  const std::set<std::string> a_keys(a.topologykeys().begin(), a.topologykeys().end());
  const std::set<std::string> b_keys(b.topologykeys().begin(), b.topologykeys().end());
  return a.nodeid() == b.nodeid() && a_keys == b_keys && a.allocatable().has_count() == b.allocatable().has_count() &&
         a.allocatable().count() == b.allocatable().count();
}

}  // namespace

Result<api::core::Node> node_with_csi_driver(const api::core::Node& node, const std::string& driver,
                                             const volume::CsiNodeInfo& info) {
  auto ids = ids_of(node);
  if (!ids.ok()) return std::move(ids).error();
  api::core::Node out = node;
  const auto known = ids->find(driver);
  if (known == ids->end() || known->second != info.node_id) {
    (*ids)[driver] = info.node_id;
    set_ids(out, *ids);
  }
  const auto& labels = node.metadata().labels();
  for (const auto& [key, value] : info.topology) {
    const auto label = labels.find(key);
    if (label != labels.end() && label->second != value) {
      return Error(ErrorKind::conflict, "detected topology value collision: driver reported " + quoted(key) + ":" +
                                            quoted(value) + " but existing label is " + quoted(key) + ":" +
                                            quoted(label->second));
    }
    (*out.mutable_metadata()->mutable_labels())[key] = value;
  }
  return out;
}

Result<api::core::Node> node_without_csi_driver(const api::core::Node& node, const std::string& driver) {
  auto ids = ids_of(node);
  if (!ids.ok()) return std::move(ids).error();
  api::core::Node out = node;
  if (ids->erase(driver) > 0) set_ids(out, *ids);
  return out;
}

CsiNodeObject csi_node_with_driver(const CsiNodeObject& object, const std::string& driver,
                                   const volume::CsiNodeInfo& info) {
  Driver wanted = entry_of(driver, info);
  for (const Driver& known : object.spec().drivers()) {
    if (known.name() == driver && same_entry(known, wanted)) return object;
  }
  CsiNodeObject out = csi_node_without_driver(object, driver);
  *out.mutable_spec()->add_drivers() = std::move(wanted);
  return out;
}

CsiNodeObject csi_node_without_driver(const CsiNodeObject& object, const std::string& driver) {
  CsiNodeObject out = object;
  auto& drivers = *out.mutable_spec()->mutable_drivers();
  const auto end =
      std::remove_if(drivers.begin(), drivers.end(), [&](const Driver& known) { return known.name() == driver; });
  drivers.erase(end, drivers.end());
  return out;
}

CsiNodeDrivers::CsiNodeDrivers(base::Loop& loop, base::Clock& clock, base::Random& random, kube::Client& client,
                               std::string node)
    : clock_(clock), random_(random), client_(client), node_(std::move(node)), turn_(loop, 1) {}

Task<Status> CsiNodeDrivers::install(std::string driver, volume::CsiNodeInfo info) {
  if (info.node_id.empty())
    co_return Error(ErrorKind::invalid, "error adding CSI driver node info: driverNodeID must not be empty");
  const auto turn = co_await turn_.acquire();
  const Status node = co_await change_node(driver, info);
  if (!node.ok()) co_return node.error().wrap("error updating Node object with CSI driver node info");
  const Status entered = co_await change_csi_node(driver, info);
  if (!entered.ok()) co_return entered.error().wrap("error updating CSINode object with CSI driver node info");
  co_return Status();
}

Task<Status> CsiNodeDrivers::uninstall(std::string driver) {
  const auto turn = co_await turn_.acquire();
  const Status left = co_await change_csi_node(driver, std::nullopt);
  if (!left.ok()) co_return left.error().wrap("error uninstalling CSI driver from CSINode object");
  const Status node = co_await change_node(driver, std::nullopt);
  if (!node.ok()) co_return node.error().wrap("error removing CSI driver node info from Node object");
  co_return Status();
}

Task<Status> CsiNodeDrivers::update(std::string driver, volume::CsiNodeInfo info) {
  const auto turn = co_await turn_.acquire();
  const Status entered = co_await change_csi_node(driver, info);
  if (!entered.ok()) co_return entered.error().wrap("error updating CSINode object with CSI driver node info");
  co_return Status();
}

Task<Status> CsiNodeDrivers::change_node(std::string driver, Info info) {
  base::Backoff pause(kPause, kNoCap, kFactor, kJitter);
  for (int count = 1;; ++count) {
    Status done = co_await change_node_once(driver, info);
    if (done.ok() || count == kTries) co_return done;
    co_await clock_.sleep_for(pause.next(random_));
  }
}

Task<Status> CsiNodeDrivers::change_csi_node(std::string driver, Info info) {
  base::Backoff pause(kPause, kNoCap, kFactor, kJitter);
  for (int count = 1;; ++count) {
    Status done = co_await change_csi_node_once(driver, info);
    if (done.ok() || count == kTries) co_return done;
    co_await clock_.sleep_for(pause.next(random_));
  }
}

Task<Status> CsiNodeDrivers::change_node_once(std::string driver, Info info) {
  const auto node = co_await client_.get<api::core::Node>("", node_);
  if (!node.ok()) co_return node.error();
  Result<api::core::Node> wanted = node_without_csi_driver(*node, driver);
  if (info) wanted = node_with_csi_driver(*node, driver, *info);
  if (!wanted.ok()) co_return std::move(wanted).error();
  if (api::same(*node, *wanted)) co_return Status();
  std::string patch = api::to_json(
      api::strategic_merge_diff(api::encode_node(*node), api::encode_node(*wanted), api::core::Node::descriptor()));
  const auto patched =
      co_await client_.patch<api::core::Node>("", node_, kube::PatchType::strategic_merge, std::move(patch), "status");
  if (!patched.ok()) co_return patched.error();
  co_return Status();
}

Task<Status> CsiNodeDrivers::change_csi_node_once(std::string driver, Info info) {
  auto object = co_await client_.get<CsiNodeObject>("", node_);
  if (!object.ok() && object.error().kind() == ErrorKind::not_found) {
    if (!info) co_return Status();
    object = co_await create_csi_node();
  }
  if (!object.ok()) co_return std::move(object).error();
  CsiNodeObject wanted = csi_node_without_driver(*object, driver);
  if (info) wanted = csi_node_with_driver(*object, driver, *info);
  if (api::same(*object, wanted)) co_return Status();
  const auto updated = co_await client_.update<CsiNodeObject>(std::move(wanted));
  if (!updated.ok()) co_return updated.error();
  co_return Status();
}

Task<Result<CsiNodeObject>> CsiNodeDrivers::create_csi_node() {
  const auto node = co_await client_.get<api::core::Node>("", node_);
  if (!node.ok()) co_return node.error();
  CsiNodeObject object = new_csi_node(node_, node->metadata().uid());
  auto created = co_await client_.create<CsiNodeObject>("", std::move(object));
  co_return created;
}

}  // namespace keelson::agent
