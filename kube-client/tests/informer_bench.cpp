#include "kube-client/tests/informer_bench.hpp"

namespace keelson::kube::testing {

std::string InformerBench::asked(std::size_t index) const {
  const std::string target = transport.target(index);
  const auto has = [&](const char* part) { return target.find(part) != std::string::npos; };
  std::string version;
  if (const auto at = target.find("resourceVersion="); at != std::string::npos) {
    version = target.substr(at + 16, target.find('&', at) - at - 16);
  }
  std::string how = "list";
  if (has("watch=true")) how = has("sendInitialEvents=true") ? "initial" : "resume";
  if (has("continue=")) how = "page";
  if (has("limit=500")) how += " limited";
  return how + "@" + version;
}

}  // namespace keelson::kube::testing
