// PluginHandler: what a kind of plugin needs when one of it registers or goes; one for each type that we know.
//
// Owner: the agent's wiring; outlives the registrations. Thread: the loop. What fails: the plugin is told the text and
// is asked again later. Source: contract 04 §19.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

inline constexpr char csi_plugin_type[] = "CSIPlugin";
inline constexpr char device_plugin_type[] = "DevicePlugin";
inline constexpr char dra_plugin_type[] = "DRAPlugin";

struct PluginInfo {
  std::string type;
  std::string name;
  std::string endpoint;  // the socket of its service
  std::vector<std::string> versions;
  std::string socket;  // where it registers
};

class PluginHandler {
 public:
  virtual ~PluginHandler() = default;
  virtual Status validate(const PluginInfo& plugin) = 0;
  // Whatever it did before it failed is undone when it returns.
  virtual base::Task<Status> register_plugin(PluginInfo plugin) = 0;
  // Its socket has gone or was made anew, or it could not be told that it is registered.
  virtual base::Task<void> deregister_plugin(PluginInfo plugin) = 0;
};

}  // namespace keelson::agent
