#include "agent/objects/runtime_classes.hpp"

#include "base/gate.hpp"

namespace keelson::agent {
namespace {

constexpr base::Duration kFirstSet = std::chrono::seconds(1);

}  // namespace

RuntimeClasses::RuntimeClasses(kube::Client& client, base::Random& random, base::Logger log)
    : clock_(client.clock()), informer_(client, random, kube::Selection(), std::move(log)) {}

Result<std::string> RuntimeClasses::handler_of(const std::string& runtime_class) const {
  if (runtime_class.empty()) return std::string();
  const auto found = informer_.find(runtime_class);
  if (found == nullptr) {
    return Error(ErrorKind::not_found, "runtimeclass.node.k8s.io \"" + runtime_class + "\" not found");
  }
  return found->handler();
}

base::Task<Result<std::string>> RuntimeClasses::find_handler(std::string runtime_class) {
  if (!runtime_class.empty() && !informer_.synced()) {
    co_await base::with_timeout(clock_, kFirstSet, informer_.wait_synced());
  }
  co_return handler_of(runtime_class);
}

}  // namespace keelson::agent
