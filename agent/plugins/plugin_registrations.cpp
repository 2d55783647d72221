#include "agent/plugins/plugin_registrations.hpp"

#include "agent/plugins/proto/plugin_registration.pb.h"
#include "base/file.hpp"

namespace keelson::agent {
namespace {

namespace pb = ::pluginregistration;
using base::Task;

constexpr base::Duration kPass = std::chrono::seconds(1);
constexpr base::Duration kGetInfo = std::chrono::seconds(1);
constexpr base::Duration kNotify = std::chrono::seconds(5);
constexpr char kGetInfoMethod[] = "/pluginregistration.Registration/GetInfo";
constexpr char kNotifyMethod[] = "/pluginregistration.Registration/NotifyRegistrationStatus";

PluginInfo plugin_of(const pb::PluginInfo& answer, const std::string& socket) {
  PluginInfo out;
  out.type = answer.type();
  out.name = answer.name();
  out.endpoint = answer.endpoint().empty() ? socket : answer.endpoint();
  out.versions.assign(answer.supported_versions().begin(), answer.supported_versions().end());
  out.socket = socket;
  return out;
}

}  // namespace

PluginRegistrations::PluginRegistrations(base::Loop& loop, base::Clock& clock, base::Random& random,
                                         base::RpcChannels& channels, std::string directory, base::Logger log)
    : clock_(clock),
      random_(random),
      channels_(channels),
      directory_(std::move(directory)),
      log_(std::move(log)),
      watch_(loop, directory_),
      bell_(loop) {}

void PluginRegistrations::start(base::Gate& gate) {
  gate_ = &gate;
  base::spawn(gate, "plugin registrations", run());
  if (watch_.available()) base::spawn(gate, "plugin directory", listen());
}

std::vector<PluginRegistrations::View> PluginRegistrations::view() const {
  std::vector<View> out;
  for (const auto& [socket, entry] : entries_) out.push_back({socket, entry.plugin, entry.problem});
  return out;
}

Task<void> PluginRegistrations::run() {
  while (true) {
    look();
    pass();
    co_await clock_.sleep_for(kPass);
    while (settled()) co_await bell_.wait();
  }
}

Task<void> PluginRegistrations::listen() {
  while (true) {
    co_await watch_.readable();
    watch_.drain();
    look();
    bell_.notify();
  }
}

// Brings what is wanted up to date.
void PluginRegistrations::look() {
  if (!watch_.armed()) {
    const Status made = base::make_directories(directory_, 0750);
    watch_.scan();
    std::string problem;
    if (!made.ok()) problem = made.error().to_string();
    if (problem.empty() && watch_.error()) problem = watch_.error()->to_string();
    if (!problem.empty() && problem != complaint_)
      log_.warning("The plugin directory is looked at each second only", {{"err", problem}});
    complaint_ = problem;
  }
  const auto sockets = watch_.sockets();
  for (auto& [socket, entry] : entries_) {
    if (sockets.count(socket) == 0) entry.wanted = 0;
  }
  for (const auto& [socket, number] : sockets) {
    Entry& entry = entries_[socket];
    if (entry.wanted == number) continue;
    entry.wanted = number;
    entry.pause.reset();
    entry.not_before = {};
    entry.failures = 0;
  }
}

// Deregistrations begin first: a plugin that moved to another socket must be gone before it comes again.
void PluginRegistrations::pass() {
  for (auto& [socket, entry] : entries_) {
    if (entry.busy || !entry.plugin || entry.held == entry.wanted) continue;
    entry.busy = true;
    base::spawn(*gate_, "deregister plugin " + socket, deregister_socket(socket, *entry.plugin));
  }
  drop_finished();
  for (auto& [socket, entry] : entries_) {
    if (entry.busy || entry.plugin || entry.wanted == 0 || clock_.steady_now() < entry.not_before) continue;
    entry.busy = true;
    base::spawn(*gate_, "register plugin " + socket, register_socket(socket, entry.wanted));
  }
}

void PluginRegistrations::drop_finished() {
  std::erase_if(entries_, [](const auto& item) {
    const Entry& entry = item.second;
    return entry.wanted == 0 && !entry.plugin && !entry.busy;
  });
}

bool PluginRegistrations::settled() const {
  if (!watch_.armed()) return false;
  for (const auto& [socket, entry] : entries_) {
    const bool as_wanted = entry.plugin ? entry.held == entry.wanted : entry.wanted == 0;
    if (!entry.busy && !as_wanted) return false;
  }
  return true;
}

Task<void> PluginRegistrations::deregister_socket(std::string socket, PluginInfo plugin) {
  const auto handler = handlers_.find(plugin.type);
  const std::string type = plugin.type;
  const std::string name = plugin.name;
  if (handler != handlers_.end()) co_await handler->second->deregister_plugin(std::move(plugin));
  log_.info("Plugin deregistered", {{"type", type}, {"name", name}, {"socket", socket}});
  Entry& entry = entries_[socket];
  entry.busy = false;
  entry.plugin.reset();
  entry.held = 0;
  drop_finished();
  bell_.notify();
}

Task<void> PluginRegistrations::register_socket(std::string socket, std::uint64_t number) {
  Attempt done = co_await attempt(socket);
  finish(socket, number, std::move(done));
}

Task<PluginRegistrations::Attempt> PluginRegistrations::attempt(std::string socket) {
  Attempt out;
  const std::string at_socket = " at socket " + socket;
  auto request = std::make_shared<pb::InfoRequest>();
  auto answer = std::make_shared<pb::PluginInfo>();
  const base::RpcOutcome got = co_await channels_.call(socket, kGetInfoMethod, request, answer, kGetInfo);
  if (!got.ok()) {
    out.reached = got.code != base::RpcOutcome::unreached;
    out.problem =
        "RegisterPlugin error -- failed to get plugin info using RPC GetInfo" + at_socket + ", err: " + got.to_string();
    co_return out;
  }
  PluginInfo plugin = plugin_of(*answer, socket);
  const auto handler = handlers_.find(plugin.type);
  if (handler == handlers_.end()) {
    out = co_await refuse(socket,
                          "RegisterPlugin error -- no handler registered for plugin type: " + plugin.type + at_socket);
    co_return out;
  }
  const Status valid = handler->second->validate(plugin);
  if (!valid.ok()) {
    out = co_await refuse(socket,
                          "RegisterPlugin error -- plugin validation failed with err: " + valid.error().to_string());
    co_return out;
  }
  const Status registered = co_await handler->second->register_plugin(plugin);
  if (!registered.ok()) {
    out = co_await refuse(
        socket, "RegisterPlugin error -- plugin registration failed with err: " + registered.error().to_string());
    co_return out;
  }
  const base::RpcOutcome told = co_await notify(socket, true, std::string());
  if (!told.ok()) {
    co_await handler->second->deregister_plugin(plugin);
    out.problem =
        "RegisterPlugin error -- failed to send registration status" + at_socket + ", err: " + told.to_string();
    co_return out;
  }
  out.plugin = std::move(plugin);
  co_return out;
}

Task<PluginRegistrations::Attempt> PluginRegistrations::refuse(std::string socket, std::string problem) {
  Attempt out;
  out.problem = problem;
  const base::RpcOutcome told = co_await notify(socket, false, problem);
  if (!told.ok()) {
    out.problem = "RegisterPlugin error -- failed to send error at socket " + socket + ", err: " + told.to_string() +
                  ": " + problem;
  }
  co_return out;
}

Task<base::RpcOutcome> PluginRegistrations::notify(std::string socket, bool registered, std::string problem) {
  auto status = std::make_shared<pb::RegistrationStatus>();
  status->set_plugin_registered(registered);
  status->set_error(problem);
  return channels_.call(std::move(socket), kNotifyMethod, std::move(status),
                        std::make_shared<pb::RegistrationStatusResponse>(), kNotify);
}

void PluginRegistrations::finish(const std::string& socket, std::uint64_t number, Attempt attempt) {
  Entry& entry = entries_[socket];
  entry.busy = false;
  bell_.notify();
  if (attempt.plugin) {
    log_.info("Plugin registered",
              {{"type", attempt.plugin->type}, {"name", attempt.plugin->name}, {"endpoint", attempt.plugin->endpoint}});
    entry.plugin = std::move(attempt.plugin);
    entry.held = number;
    entry.failures = 0;
    entry.problem.clear();
    entry.pause.reset();
    return;
  }
  ++entry.failures;
  entry.not_before = clock_.steady_now() + entry.pause.next(random_);
  // A socket appears a moment before its server listens.
  const bool too_early = !attempt.reached && entry.failures == 1;
  if (attempt.problem != entry.problem && !too_early)
    log_.warning("A plugin cannot be registered", {{"socket", socket}, {"err", attempt.problem}});
  if (!too_early) entry.problem = std::move(attempt.problem);
  drop_finished();
}

}  // namespace keelson::agent
