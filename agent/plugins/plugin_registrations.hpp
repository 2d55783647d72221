// PluginRegistrations: asks whoever makes a socket in the plugin directory what it is, and hands it to the handler of
// its type.
//
// A pass at most once a second compares the sockets that are there with those that are registered: what has gone or was
// made anew is deregistered, what is new is registered, each socket by itself, so that a plugin that hangs holds up
// nobody. Failures are told to the plugin, logged once, and retried after 500 ms doubling to 2 min 2 s. When nothing
// differs it sleeps until inotify tells of a change. Owner: the agent's wiring. Thread: the loop. Stops: with its gate.
// Source: contract 04 §19.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/plugins/plugin_handler.hpp"
#include "agent/plugins/plugin_watch.hpp"
#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/rpc.hpp"
#include "base/sync.hpp"

namespace keelson::agent {

class PluginRegistrations {
 public:
  PluginRegistrations(base::Loop& loop, base::Clock& clock, base::Random& random, base::RpcChannels& channels,
                      std::string directory, base::Logger log);

  // Before start().
  void add_handler(std::string type, PluginHandler& handler) { handlers_[std::move(type)] = &handler; }
  void start(base::Gate& gate);

  struct View {
    std::string socket;
    std::optional<PluginInfo> plugin;  // when it is registered
    std::string problem;               // the last failure, when it is not
  };
  std::vector<View> view() const;

 private:
  struct Entry {
    std::uint64_t wanted = 0;  // the socket's number; 0: it has gone
    std::uint64_t held = 0;    // the number it was registered under
    std::optional<PluginInfo> plugin;
    bool busy = false;
    base::Backoff pause{std::chrono::milliseconds(500), std::chrono::seconds(122)};
    base::SteadyTime not_before{};
    int failures = 0;
    std::string problem;
  };
  struct Attempt {
    std::optional<PluginInfo> plugin;
    std::string problem;
    bool reached = true;
  };

  base::Task<void> run();
  base::Task<void> listen();
  void look();
  void pass();
  bool settled() const;
  base::Task<void> register_socket(std::string socket, std::uint64_t number);
  base::Task<void> deregister_socket(std::string socket, PluginInfo plugin);
  base::Task<Attempt> attempt(std::string socket);
  base::Task<Attempt> refuse(std::string socket, std::string problem);
  base::Task<base::RpcOutcome> notify(std::string socket, bool registered, std::string problem);
  void finish(const std::string& socket, std::uint64_t number, Attempt attempt);
  void drop_finished();

  base::Clock& clock_;
  base::Random& random_;
  base::RpcChannels& channels_;
  std::string directory_;
  base::Logger log_;
  PluginWatch watch_;
  base::Notification bell_;
  base::Gate* gate_ = nullptr;
  std::map<std::string, PluginHandler*> handlers_;
  std::map<std::string, Entry> entries_;  // by socket
  std::string complaint_;                 // about the directory
};

}  // namespace keelson::agent
