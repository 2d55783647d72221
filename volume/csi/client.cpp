#include "volume/csi/client.hpp"

#include <algorithm>

#include "api/json_text.hpp"
#include "volume/csi/proto/csi.pb.h"

namespace keelson::volume {
namespace {

namespace pb = ::csi::v1;
using base::RpcOutcome;
using base::Task;

constexpr int kCanceled = 1;
constexpr int kDeadlineExceeded = 4;
constexpr int kResourceExhausted = 8;
constexpr int kAborted = 10;
constexpr int kInternal = 13;
constexpr int kUnavailable = 14;

VolumeError failure(const RpcOutcome& outcome) { return {outcome.error(), csi_outcome(outcome.code)}; }

RpcOutcome out_of_time() { return {kDeadlineExceeded, "context deadline exceeded"}; }

void fill(const CsiMap& from, google::protobuf::Map<std::string, std::string>& to) {
  for (const auto& [key, value] : from) to[key] = value;
}

void fill(const CsiUse& use, int mode, pb::VolumeCapability& to) {
  to.mutable_access_mode()->set_mode(static_cast<pb::VolumeCapability::AccessMode::Mode>(mode));
  if (use.block) {
    to.mutable_block();
    return;
  }
  auto& mount = *to.mutable_mount();
  mount.set_fs_type(use.fs_type);
  for (const std::string& flag : use.mount_flags) mount.add_mount_flags(flag);
  mount.set_volume_mount_group(use.mount_group);
}

// A Secret may hold any bytes, a proto3 string may not.
std::optional<VolumeError> check_secrets(const CsiMap& secrets) {
  for (const auto& [key, value] : secrets) {
    if (api::is_utf8(key) && api::is_utf8(value)) continue;
    RpcOutcome outcome;
    outcome.code = kInternal;
    outcome.message =
        "grpc: error while marshaling: string field contains invalid UTF-8 (key \"" + key + "\" of the secret)";
    return failure(outcome);
  }
  return std::nullopt;
}

CsiCapabilities capabilities_of(const pb::NodeGetCapabilitiesResponse& response) {
  using Rpc = pb::NodeServiceCapability::RPC;
  CsiCapabilities out;
  for (const auto& capability : response.capabilities()) {
    switch (capability.rpc().type()) {
      case Rpc::STAGE_UNSTAGE_VOLUME: out.stage_unstage = true; break;
      case Rpc::GET_VOLUME_STATS: out.volume_stats = true; break;
      case Rpc::EXPAND_VOLUME: out.expand = true; break;
      case Rpc::VOLUME_CONDITION: out.volume_condition = true; break;
      case Rpc::SINGLE_NODE_MULTI_WRITER: out.single_node_multi_writer = true; break;
      case Rpc::VOLUME_MOUNT_GROUP: out.volume_mount_group = true; break;
      default: break;  // of a later version
    }
  }
  return out;
}

CsiStats stats_of(const pb::NodeGetVolumeStatsResponse& response) {
  CsiStats out;
  for (const auto& usage : response.usage()) {
    CsiUsage numbers;
    numbers.available = usage.available();
    numbers.total = usage.total();
    numbers.used = usage.used();
    if (usage.unit() == pb::VolumeUsage::BYTES) out.bytes = numbers;
    if (usage.unit() == pb::VolumeUsage::INODES) out.inodes = numbers;
  }
  if (response.has_volume_condition()) {
    out.abnormal = response.volume_condition().abnormal();
    out.condition = response.volume_condition().message();
  }
  return out;
}

VolumeStatus taken_down(const RpcOutcome& outcome) {
  if (outcome.ok()) return {};
  return uncertain_error(outcome.error());
}

}  // namespace

int csi_access_mode(const std::string& mode, bool single_node_multi_writer) {
  using Mode = pb::VolumeCapability::AccessMode;
  if (mode == "ReadWriteOnce")
    return single_node_multi_writer ? Mode::SINGLE_NODE_MULTI_WRITER : Mode::SINGLE_NODE_WRITER;
  if (mode == "ReadWriteOncePod")
    return single_node_multi_writer ? Mode::SINGLE_NODE_SINGLE_WRITER : Mode::SINGLE_NODE_WRITER;
  if (mode == "ReadOnlyMany") return Mode::MULTI_NODE_READER_ONLY;
  if (mode == "ReadWriteMany") return Mode::MULTI_NODE_MULTI_WRITER;
  return Mode::UNKNOWN;
}

VolumeError::Outcome csi_outcome(int code) {
  switch (code) {
    case RpcOutcome::unreached:
    case kCanceled:
    case kDeadlineExceeded:
    case kResourceExhausted:
    case kAborted:
    case kUnavailable: return VolumeError::Outcome::uncertain;
    default: return VolumeError::Outcome::final;
  }
}

CsiClient::CsiClient(base::RpcChannels& channels, base::Clock& clock, std::string endpoint, CsiCounting counting,
                     base::Duration limit)
    : channels_(channels),
      clock_(clock),
      endpoint_(std::move(endpoint)),
      counting_(std::move(counting)),
      deadline_(clock.steady_now() + limit) {}

Task<RpcOutcome> CsiClient::call(const char* method, base::RpcChannels::Request request,
                                 base::RpcChannels::Response response) {
  const base::SteadyTime begun = clock_.steady_now();
  const base::Duration left = deadline_ - begun;
  if (left.count() <= 0) co_return out_of_time();
  const std::string path = std::string("/csi.v1.Node/") + method;
  RpcOutcome outcome = co_await channels_.call(endpoint_, path, std::move(request), std::move(response), left);
  count(path, outcome.code, begun);
  co_return outcome;
}

void CsiClient::count(const std::string& method, int code, base::SteadyTime begun) const {
  if (counting_.metrics == nullptr) return;
  const std::string name(base::rpc_code_name(code == RpcOutcome::unreached ? kUnavailable : code));
  auto& durations = counting_.metrics->csi_calls[{counting_.driver, method, name, migrated_label(counting_.migrated)}];
  durations.observe(clock_.steady_now() - begun);
}

Task<VolumeResult<CsiCapabilities>> CsiClient::capabilities() {
  auto request = std::make_shared<pb::NodeGetCapabilitiesRequest>();
  auto response = std::make_shared<pb::NodeGetCapabilitiesResponse>();
  const RpcOutcome outcome = co_await call("NodeGetCapabilities", request, response);
  if (!outcome.ok()) co_return failure(outcome);
  co_return capabilities_of(*response);
}

Task<VolumeResult<CsiNodeInfo>> CsiClient::node_info() {
  auto request = std::make_shared<pb::NodeGetInfoRequest>();
  auto response = std::make_shared<pb::NodeGetInfoResponse>();
  const RpcOutcome outcome = co_await call("NodeGetInfo", request, response);
  if (!outcome.ok()) co_return failure(outcome);
  CsiNodeInfo info;
  info.node_id = response->node_id();
  info.max_volumes = response->max_volumes_per_node();
  for (const auto& segment : response->accessible_topology().segments()) info.topology[segment.first] = segment.second;
  co_return info;
}

Task<VolumeResult<int>> CsiClient::mode_number(std::string mode) {
  const auto can = co_await capabilities();
  if (!can.ok()) co_return can.error();
  co_return csi_access_mode(mode, can->single_node_multi_writer);
}

Task<VolumeStatus> CsiClient::stage(CsiStageRequest request) {
  if (auto bad = check_secrets(request.secrets)) co_return std::move(*bad);
  const auto mode = co_await mode_number(request.use.access_mode);
  if (!mode.ok()) co_return mode.error();
  auto message = std::make_shared<pb::NodeStageVolumeRequest>();
  message->set_volume_id(request.volume_id);
  fill(request.publish_context, *message->mutable_publish_context());
  message->set_staging_target_path(request.staging_path);
  fill(request.use, *mode, *message->mutable_volume_capability());
  fill(request.secrets, *message->mutable_secrets());
  fill(request.volume_context, *message->mutable_volume_context());
  auto response = std::make_shared<pb::NodeStageVolumeResponse>();
  const RpcOutcome outcome = co_await call("NodeStageVolume", message, response);
  if (!outcome.ok()) co_return failure(outcome);
  co_return VolumeStatus();
}

Task<VolumeStatus> CsiClient::publish(CsiPublishRequest request) {
  if (auto bad = check_secrets(request.secrets)) co_return std::move(*bad);
  const auto mode = co_await mode_number(request.use.access_mode);
  if (!mode.ok()) co_return mode.error();
  auto message = std::make_shared<pb::NodePublishVolumeRequest>();
  message->set_volume_id(request.volume_id);
  fill(request.publish_context, *message->mutable_publish_context());
  message->set_staging_target_path(request.staging_path);
  message->set_target_path(request.target_path);
  fill(request.use, *mode, *message->mutable_volume_capability());
  message->set_readonly(request.read_only);
  fill(request.secrets, *message->mutable_secrets());
  fill(request.volume_context, *message->mutable_volume_context());
  auto response = std::make_shared<pb::NodePublishVolumeResponse>();
  const RpcOutcome outcome = co_await call("NodePublishVolume", message, response);
  if (!outcome.ok()) co_return failure(outcome);
  co_return VolumeStatus();
}

Task<VolumeResult<std::int64_t>> CsiClient::expand(CsiExpandRequest request) {
  if (auto bad = check_secrets(request.secrets)) co_return std::move(*bad);
  const auto mode = co_await mode_number(request.use.access_mode);
  if (!mode.ok()) co_return mode.error();
  auto message = std::make_shared<pb::NodeExpandVolumeRequest>();
  message->set_volume_id(request.volume_id);
  message->set_volume_path(request.volume_path);
  message->mutable_capacity_range()->set_required_bytes(request.required_bytes);
  message->set_staging_target_path(request.staging_path);
  fill(request.use, *mode, *message->mutable_volume_capability());
  fill(request.secrets, *message->mutable_secrets());
  auto response = std::make_shared<pb::NodeExpandVolumeResponse>();
  const RpcOutcome outcome = co_await call("NodeExpandVolume", message, response);
  if (!outcome.ok()) co_return failure(outcome);
  co_return static_cast<std::int64_t>(response->capacity_bytes());
}

Task<VolumeStatus> CsiClient::unstage(std::string volume_id, std::string staging_path) {
  auto message = std::make_shared<pb::NodeUnstageVolumeRequest>();
  message->set_volume_id(volume_id);
  message->set_staging_target_path(staging_path);
  auto response = std::make_shared<pb::NodeUnstageVolumeResponse>();
  const RpcOutcome outcome = co_await call("NodeUnstageVolume", message, response);
  co_return taken_down(outcome);
}

Task<VolumeStatus> CsiClient::unpublish(std::string volume_id, std::string target_path) {
  auto message = std::make_shared<pb::NodeUnpublishVolumeRequest>();
  message->set_volume_id(volume_id);
  message->set_target_path(target_path);
  auto response = std::make_shared<pb::NodeUnpublishVolumeResponse>();
  const RpcOutcome outcome = co_await call("NodeUnpublishVolume", message, response);
  co_return taken_down(outcome);
}

Task<VolumeResult<CsiStats>> CsiClient::stats(std::string volume_id, std::string volume_path) {
  auto message = std::make_shared<pb::NodeGetVolumeStatsRequest>();
  message->set_volume_id(volume_id);
  message->set_volume_path(volume_path);
  auto response = std::make_shared<pb::NodeGetVolumeStatsResponse>();
  const RpcOutcome outcome = co_await call("NodeGetVolumeStats", message, response);
  if (!outcome.ok()) co_return failure(outcome);
  co_return stats_of(*response);
}

}  // namespace keelson::volume
