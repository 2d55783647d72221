// CsiNodeDrivers: enters the CSI drivers of this node in the cluster: the Node's annotation and topology labels, and
// the CSINode.
//
// One change at a time, in the order they were asked for, so that a driver that goes and comes again ends as it should.
// Each object is tried four times. A driver whose topology contradicts a label of the Node is refused. Owner: the
// agent's wiring. Thread: the loop. Stops: with the tasks that await it. What fails: with the text that the plugin is
// told. Source: contract 04 §20, contract 01 §7.1 (PATCH on /status).
#pragma once

#include <optional>
#include <string>

#include "agent/node/csi_node.hpp"
#include "api/objects.hpp"
#include "base/backoff.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/client.hpp"
#include "volume/csi/client.hpp"

namespace keelson::agent {

inline constexpr char csi_node_id_annotation[] = "csi.volume.kubernetes.io/nodeid";

// The Node with the driver's id in the annotation and its topology as labels; the same Node when nothing is new.
Result<api::core::Node> node_with_csi_driver(const api::core::Node& node, const std::string& driver,
                                             const volume::CsiNodeInfo& info);
// Topology labels stay.
Result<api::core::Node> node_without_csi_driver(const api::core::Node& node, const std::string& driver);
// The CSINode with the driver's entry at the end, or as it is when the entry says the same already.
CsiNodeObject csi_node_with_driver(const CsiNodeObject& object, const std::string& driver,
                                   const volume::CsiNodeInfo& info);
CsiNodeObject csi_node_without_driver(const CsiNodeObject& object, const std::string& driver);

class CsiNodeDrivers {
 public:
  CsiNodeDrivers(base::Loop& loop, base::Clock& clock, base::Random& random, kube::Client& client, std::string node);

  // The Node, then the CSINode. What it has done when it fails is not undone: uninstall() does that.
  base::Task<Status> install(std::string driver, volume::CsiNodeInfo info);
  // The CSINode's entry, then that of the Node.
  base::Task<Status> uninstall(std::string driver);
  // The CSINode only: how many volumes fit is another number now.
  base::Task<Status> update(std::string driver, volume::CsiNodeInfo info);

 private:
  using Info = std::optional<volume::CsiNodeInfo>;  // none: the driver goes

  base::Task<Status> change_node(std::string driver, Info info);
  base::Task<Status> change_node_once(std::string driver, Info info);
  base::Task<Status> change_csi_node(std::string driver, Info info);
  base::Task<Status> change_csi_node_once(std::string driver, Info info);
  base::Task<Result<CsiNodeObject>> create_csi_node();

  base::Clock& clock_;
  base::Random& random_;
  kube::Client& client_;
  std::string node_;
  base::Semaphore turn_;
};

}  // namespace keelson::agent
