#include "agent/node/resource_slices.hpp"

#include "api/proto/resource_v1.pb.h"

namespace keelson::agent {
namespace {

constexpr base::Duration kFirstPause = std::chrono::seconds(1);
constexpr base::Duration kLastPause = std::chrono::minutes(5);

kube::Query of_node(const std::string& node) { return {{"fieldSelector", "spec.nodeName=" + node}}; }

}  // namespace

base::Task<void> wipe_resource_slices(kube::Client& client, base::Random& random, std::string node, base::Logger log) {
  base::Backoff pause(kFirstPause, kLastPause, 2.0);
  std::string problem;
  while (true) {
    kube::Query query = of_node(node);
    const Status done = co_await client.remove_all<k8s::resource::v1::ResourceSlice>("", std::move(query));
    if (done.ok() || done.error().kind() == ErrorKind::not_found) co_return;
    const std::string text = done.error().to_string();
    if (text != problem) log.warning("Old ResourceSlices cannot be deleted yet", {{"err", text}});
    problem = text;
    co_await client.clock().sleep_for(pause.next(random));
  }
}

}  // namespace keelson::agent
