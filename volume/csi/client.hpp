// CsiClient: the calls of csi.v1.Node to one driver, as values, for one operation.
//
// All calls of an operation share one limit, which begins with the client. Owner: the operation's task, which it does
// not outlive; the channels and the clock do. Thread: the loop. What fails: an answer of Canceled, DeadlineExceeded,
// ResourceExhausted, Aborted or Unavailable, and no answer at all, are `uncertain`, every other code is `final`; of
// unstage and unpublish all are `uncertain`. Error::code() is the gRPC code. Nothing of a request is in the texts.
// Source: contract 04 §22, §23.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/rpc.hpp"
#include "base/task.hpp"
#include "volume/manager/volume_metrics.hpp"
#include "volume/volume_error.hpp"

namespace keelson::volume {

inline constexpr base::Duration csi_operation_limit = std::chrono::minutes(2);

using CsiMap = std::map<std::string, std::string>;

struct CsiCapabilities {
  bool stage_unstage = false;
  bool volume_stats = false;
  bool expand = false;
  bool volume_condition = false;
  bool single_node_multi_writer = false;
  bool volume_mount_group = false;
};

struct CsiNodeInfo {
  std::string node_id;
  std::int64_t max_volumes = 0;  // 0: as many as you like
  CsiMap topology;
};

// How a volume is to be used; the access mode's number depends on what the driver can.
struct CsiUse {
  bool block = false;  // then without the next three
  std::string fs_type;
  std::vector<std::string> mount_flags;
  std::string mount_group;
  std::string access_mode = "ReadWriteOnce";  // as the API names them
};

struct CsiStageRequest {
  std::string volume_id;
  CsiMap publish_context;
  std::string staging_path;
  CsiUse use;
  CsiMap secrets;
  CsiMap volume_context;
};

struct CsiPublishRequest {
  std::string volume_id;
  CsiMap publish_context;
  std::string staging_path;
  std::string target_path;
  CsiUse use;
  bool read_only = false;
  CsiMap secrets;
  CsiMap volume_context;
};

struct CsiExpandRequest {
  std::string volume_id;
  std::string volume_path;
  std::string staging_path;
  std::int64_t required_bytes = 0;
  CsiUse use;
  CsiMap secrets;
};

struct CsiUsage {
  std::int64_t available = 0;
  std::int64_t total = 0;
  std::int64_t used = 0;
};

struct CsiStats {
  std::optional<CsiUsage> bytes;
  std::optional<CsiUsage> inodes;
  std::optional<bool> abnormal;  // when the driver tells the volume's condition
  std::string condition;
};

// csi.v1.VolumeCapability.AccessMode.Mode of an access mode of the API; 0 for one that is not known.
int csi_access_mode(const std::string& mode, bool single_node_multi_writer);
// What a gRPC code says about the volume.
VolumeError::Outcome csi_outcome(int code);

// Where its calls are counted.
struct CsiCounting {
  VolumeMetrics* metrics = nullptr;  // null: nowhere
  std::string driver;
  bool migrated = false;
};

class CsiClient {
 public:
  CsiClient(base::RpcChannels& channels, base::Clock& clock, std::string endpoint, CsiCounting counting = {},
            base::Duration limit = csi_operation_limit);

  base::Task<VolumeResult<CsiCapabilities>> capabilities();
  base::Task<VolumeResult<CsiNodeInfo>> node_info();
  // Asks for the capabilities again before it calls: the access mode depends on them.
  base::Task<VolumeStatus> stage(CsiStageRequest request);
  base::Task<VolumeStatus> publish(CsiPublishRequest request);
  base::Task<VolumeResult<std::int64_t>> expand(CsiExpandRequest request);
  base::Task<VolumeStatus> unstage(std::string volume_id, std::string staging_path);
  base::Task<VolumeStatus> unpublish(std::string volume_id, std::string target_path);
  base::Task<VolumeResult<CsiStats>> stats(std::string volume_id, std::string volume_path);

 private:
  base::Task<base::RpcOutcome> call(const char* method, base::RpcChannels::Request request,
                                    base::RpcChannels::Response response);
  base::Task<VolumeResult<int>> mode_number(std::string mode);
  void count(const std::string& method, int code, base::SteadyTime begun) const;

  base::RpcChannels& channels_;
  base::Clock& clock_;
  std::string endpoint_;
  CsiCounting counting_;
  base::SteadyTime deadline_;
};

}  // namespace keelson::volume
