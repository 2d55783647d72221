// StartedPuller: an ImagePuller on a fake node with all that it needs, running.
//
// Its logins are those of the pods' secrets and of the node's file /root/config.json; its records are in the world's
// files. Owner: a test; before the world goes. Thread: the test's.
#pragma once

#include "agent/images/image_puller.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent::testing {

class StartedPuller {
 public:
  explicit StartedPuller(World& world, ImagePullLimits limits = {}, PullVerification verification = {})
      : world_(world),
        node_(world.loop, world.clock, world.image_files, node_config_files("/root", "", ""), base::Logger()),
        plugins_(world.loop, world.clock, nullptr, world.objects, {}, base::Logger()),
        credentials_(world.objects, world.events, node_, plugins_),
        records(world.loop, world.clock, world.image_files, "/root", std::move(verification), base::Logger()),
        puller(world.loop, world.clock, world.cri, credentials_, records, world.events, limits),
        gate_(world.loop) {
    records.start(gate_, world.cri);
  }
  ~StartedPuller() { world_.run(gate_.stop()); }
  StartedPuller(const StartedPuller&) = delete;
  StartedPuller& operator=(const StartedPuller&) = delete;

 private:
  World& world_;
  NodeCredentials node_;
  CredentialPlugins plugins_;
  ImageCredentials credentials_;

 public:
  PullRecords records;
  ImagePuller puller;

 private:
  base::Gate gate_;
};

}  // namespace keelson::agent::testing
