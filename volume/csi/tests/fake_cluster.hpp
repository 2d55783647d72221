// FakeCsiCluster: an API server in memory.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/proto/storage_v1.pb.h"
#include "volume/csi/cluster.hpp"

namespace keelson::volume {

// What is asked is kept in `story`, which others of the test may share.
class FakeCsiCluster final : public CsiCluster {
 public:
  explicit FakeCsiCluster(std::vector<std::string>& story) : story_(story) {}

  std::optional<Error> down;
  std::map<std::string, k8s::storage::v1::CSIDriver> drivers;
  std::map<std::string, CsiAttachment> attachments;
  std::map<std::string, std::map<std::string, std::string>> secrets;  // "ns/name"

  base::Task<Result<DriverObject>> driver(std::string name) override {
    if (down) co_return *down;
    const auto found = drivers.find(name);
    if (found == drivers.end()) co_return DriverObject();
    co_return std::make_shared<const k8s::storage::v1::CSIDriver>(found->second);
  }
  base::Task<Result<CsiAttachment>> attachment(std::string name) override {
    story_.push_back("GET VolumeAttachment");
    const auto found = attachments.find(name);
    if (found == attachments.end())
      co_return Error(ErrorKind::not_found, "volumeattachments.storage.k8s.io \"" + name + "\" not found", 404);
    co_return found->second;
  }
  base::Task<Result<std::map<std::string, std::string>>> secret(std::string ns, std::string name) override {
    story_.push_back("GET Secret " + ns + "/" + name);
    const auto found = secrets.find(ns + "/" + name);
    if (found == secrets.end()) co_return Error(ErrorKind::not_found, "secrets \"" + name + "\" not found", 404);
    co_return found->second;
  }
  base::Task<Result<CsiToken>> token(CsiPod pod, std::string audience, std::optional<std::int64_t> seconds) override {
    story_.push_back("token for \"" + audience + "\"");
    CsiToken out;
    out.token = pod.service_account + (seconds ? "-" + std::to_string(*seconds) : "");
    out.expires = "2026-01-01T00:00:00Z";
    co_return out;
  }

 private:
  std::vector<std::string>& story_;
};

}  // namespace keelson::volume
