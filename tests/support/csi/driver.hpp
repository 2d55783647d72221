// CsiDriverServer: a CSI driver of host directories: Identity and Node on one socket, Registration on another.
//
// Every request is logged as a line of JSON before anything is done: {"method", "authority", "request"}. Owner: main()
// of keelson-csi-driver. Threads: gRPC's; one request is worked on at a time, hanging ones excepted. stop() ends calls
// in flight. What fails: start(), when a socket cannot be made. Source: contract 04 §19, §22, §23.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace keelson::fakes {

struct CsiDriverOptions {
  std::string name = "host.csi.keelson.test";
  std::string node_id = "node";
  std::string socket;
  std::string registration;  // socket; empty: no registration
  std::string directory;     // of the volumes
  std::string log;
  std::string control;  // file of faults
  bool mounts = true;
  std::int64_t max_volumes = 0;
  std::map<std::string, std::string> topology;
  std::vector<std::string> versions = {"1.0.0"};
  std::set<std::string> capabilities = {"STAGE_UNSTAGE_VOLUME", "GET_VOLUME_STATS", "EXPAND_VOLUME"};
};

class CsiDriverServer {
 public:
  explicit CsiDriverServer(CsiDriverOptions options);
  ~CsiDriverServer();
  Status start();
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::fakes
