#include "tests/support/api/server_proxy.hpp"

#include <string>
#include <vector>

namespace keelson::fakes::server {
namespace {

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (slash != 0) out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return out;
}

}  // namespace

bool is_node_stream(std::string_view target) {
  const auto parts = segments(target.substr(0, target.find('?')));
  if (parts.size() < 3 || parts[0] != "api" || parts[1] != "v1") return false;
  if (parts[2] == "nodes") return parts.size() >= 5 && parts[4] == "proxy";
  if (parts.size() < 7 || parts[2] != "namespaces" || parts[4] != "pods") return false;
  const auto what = parts[6];
  return what == "log" || what == "exec" || what == "attach" || what == "portforward" || what == "proxy";
}

}  // namespace keelson::fakes::server
