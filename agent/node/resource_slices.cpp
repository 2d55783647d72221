#include "agent/node/resource_slices.hpp"

#include "api/proto/resource_v1.pb.h"

namespace keelson::agent {
namespace {

constexpr base::Duration kFirstPause = std::chrono::seconds(1);
constexpr base::Duration kLastPause = std::chrono::minutes(5);

kube::Call wipe_call(const std::string& node, const api::meta::DeleteOptions& options) {
  kube::Call call;
  call.method = "DELETE";
  call.path = kube::path_of(kube::resource_of(k8s::resource::v1::ResourceSlice::descriptor()), "");
  call.query = {{"fieldSelector", "spec.nodeName=" + node}};
  call.body = &options;
  call.body_type = api::TypeMeta{"meta.k8s.io/v1", "DeleteOptions"};
  return call;
}

}  // namespace

base::Task<void> wipe_resource_slices(kube::Client& client, base::Random& random, std::string node, base::Logger log) {
  base::Backoff pause(kFirstPause, kLastPause, 2.0);
  const api::meta::DeleteOptions options;
  std::string problem;
  while (true) {
    kube::Call call = wipe_call(node, options);
    auto done = co_await client.call(std::move(call));
    if (done.ok() || done.error().kind() == ErrorKind::not_found) co_return;
    const std::string text = done.error().to_string();
    if (text != problem) log.warning("Old ResourceSlices cannot be deleted yet", {{"err", text}});
    problem = text;
    co_await client.clock().sleep_for(pause.next(random));
  }
}

}  // namespace keelson::agent
