// /configz: the configuration in force.
//
// Owner: the agent's wiring. Thread: the loop. Stops: with the connection's task. Nothing fails.
// Source: contract 05 §6 "/configz"; golden http/configz.json.
#pragma once

#include <functional>
#include <utility>

#include "agent/server/message.hpp"
#include "config/configuration.hpp"

namespace keelson::node_api {

class ConfigzHandler final : public server::Handler {
 public:
  // As it is in force: cgroup_driver is the runtime's own, tls_cert_file and tls_private_key_file are the pair of
  // --cert-dir when none was configured.
  using InForce = std::function<config::KubeletConfiguration()>;

  explicit ConfigzHandler(InForce in_force) : in_force_(std::move(in_force)) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  InForce in_force_;
};

}  // namespace keelson::node_api
