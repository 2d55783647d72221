// CsiCluster: what CSI volumes need of the API server.
//
// Declared here, implemented by the agent's wiring and by tests. Thread: the loop. Each call has a limit of its own and
// answers with an error when it is over. Secrets and tokens are never logged. Source: contract 04 §9, §16, §21, §22.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/task.hpp"

namespace k8s::storage::v1 {
class CSIDriver;
}

namespace keelson::volume {

// The pod that a volume is for.
struct CsiPod {
  std::string name;
  std::string ns;
  std::string uid;
  std::string service_account;
};

struct CsiAttachment {
  bool attached = false;
  bool deleting = false;
  std::optional<std::string> attach_error;
  std::optional<int> attach_error_code;         // of gRPC
  std::map<std::string, std::string> metadata;  // publish_context
};

struct CsiToken {
  std::string token;
  std::string expires;  // RFC 3339
};

class CsiCluster {
 public:
  using DriverObject = std::shared_ptr<const k8s::storage::v1::CSIDriver>;

  virtual ~CsiCluster() = default;
  // Null: there is no CSIDriver of that name. An error: it is not known yet.
  virtual base::Task<Result<DriverObject>> driver(std::string name) = 0;
  // The VolumeAttachment as it is now.
  virtual base::Task<Result<CsiAttachment>> attachment(std::string name) = 0;
  // The Secret's data as it is now.
  virtual base::Task<Result<std::map<std::string, std::string>>> secret(std::string ns, std::string name) = 0;
  // Of the pod's service account, bound to the pod. No audience: the API server's own; no life: its default.
  virtual base::Task<Result<CsiToken>> token(CsiPod pod, std::string audience,
                                             std::optional<std::int64_t> expiration_seconds) = 0;
};

}  // namespace keelson::volume
