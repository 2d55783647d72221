// RealHost: the machine itself, for `keelson doctor`. Reads /proc, /sys and files, asks the runtime over its socket;
// changes nothing. Blocking: a hung runtime costs at most 3 s a call; a hung file system hangs the command only.
#pragma once

#include "agent/cli/doctor.hpp"

namespace keelson::agent {

class RealHost final : public Host {
 public:
  bool is_root() override;
  base::SystemTime now() override;
  bool exists(const std::string& path) override;
  Result<std::string> read(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<DiskUse> disk(const std::string& path) override;
  Result<std::vector<CertificateView>> certificates(const std::string& path) override;
  RuntimeView runtime(const std::string& endpoint, const std::string& image_endpoint) override;
  std::vector<ProcessView> processes() override;
  std::optional<ProcessView> socket_owner(std::uint64_t inode) override;
};

// The certificates of PEM text, in its order; keys and other blocks are passed over.
Result<std::vector<CertificateView>> parse_certificates(const std::string& pem);

}  // namespace keelson::agent
