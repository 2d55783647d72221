#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/file.hpp"
#include "volume/iscsi.hpp"
#include "volume/mount_point.hpp"

namespace keelson::volume {
namespace {

constexpr std::size_t kEnoughPaths = 2;   // for a multipath device
constexpr int kRoundsForEnoughPaths = 2;  // then two paths will do
constexpr int kRounds = 5;
constexpr int kSessionExists = 15;  // exit status of iscsiadm

constexpr std::array kDiscoveryKeys{"discovery.sendtargets.auth.username", "discovery.sendtargets.auth.password",
                                    "discovery.sendtargets.auth.username_in", "discovery.sendtargets.auth.password_in"};
constexpr std::array kSessionKeys{"node.session.auth.username", "node.session.auth.password",
                                  "node.session.auth.username_in", "node.session.auth.password_in"};

using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// One attempt at attaching a disk.
class Attach {
 public:
  Attach(const IscsiDisk& disk, const IscsiSecret& secret, const IscsiHost& host)
      : disk_(disk), secret_(secret), host_(host) {}

  Result<std::string> device() {
    auto show = run({"-m", "iface", "-I", disk_.init_interface, "-o", "show"},
                    "iscsi: could not read iface " + disk_.init_interface);
    if (!show.ok()) return std::move(show).error();
    transport_ = transport_of(show->out);
    if (!disk_.initiator_name.empty()) KEELSON_TRY(clone_interface(show->out));
    auto hosts = host_.devices.iscsi_hosts(disk_.iqn);
    if (!hosts.ok()) return std::move(hosts).error();
    hosts_ = std::move(*hosts);
    KEELSON_TRY(find_paths());
    return multipath_or_first();
  }

 private:
  Result<ProgramResult> run(const Words& words, const std::string& what) {
    return run_checked(host_.programs, {.argv = Words{"iscsiadm"} + words}, what);
  }
  // Whatever comes of it.
  void attempt(const Words& words) { (void)host_.programs.run({.argv = Words{"iscsiadm"} + words}); }

  Words discovery_db(const std::string& portal) const {
    return {"-m", "discoverydb", "-t", "sendtargets", "-p", portal, "-I", disk_.interface};
  }
  Words node(const std::string& portal) const {
    return {"-m", "node", "-p", portal, "-T", disk_.iqn, "-I", disk_.interface};
  }

  static std::string transport_of(const std::string& shown) {
    constexpr std::string_view kKey = "iface.transport_name = ";
    const auto at = shown.find(kKey);
    if (at == std::string::npos) return "";
    const auto begin = at + kKey.size();
    const std::string transport = shown.substr(begin, shown.find('\n', begin) - begin);
    return transport == "<empty>" ? "tcp" : transport;
  }

  // The settings of the interface that the spec names, under a name of our own and with its initiator name.
  Status clone_interface(const std::string& shown) {
    if (disk_.interface == disk_.init_interface) {
      return Error(ErrorKind::invalid, "iscsi: cannot clone iface with same name: " + disk_.interface);
    }
    auto settings = settings_of(shown);
    settings["iface.initiatorname"] = disk_.initiator_name;
    const auto made = host_.programs.run({.argv = {"iscsiadm", "-m", "iface", "-I", disk_.interface, "-o", "new"}});
    if (!made.ok()) return made.error();
    if (!made->ok() && made->exit_code != kSessionExists) {
      return Error(ErrorKind::unavailable, "iscsi: failed to create new iface: " + ending_of(*made));
    }
    for (const auto& [key, value] : settings) {
      auto set = run({"-m", "iface", "-I", disk_.interface, "-o", "update", "-n", key, "-v", value},
                     "iscsi: failed to update iface records: " + key);
      if (set.ok()) continue;
      drop_interface();
      return std::move(set).error();
    }
    return {};
  }
  static std::map<std::string, std::string> settings_of(std::string_view shown) {
    std::map<std::string, std::string> settings;
    while (!shown.empty()) {
      const auto end = std::min(shown.find('\n'), shown.size());
      const std::string_view line = shown.substr(0, end);
      shown.remove_prefix(std::min(end + 1, shown.size()));
      const auto equals = line.find(" = ");
      if (!line.starts_with("iface.") || equals == std::string_view::npos) continue;
      const std::string_view value = line.substr(equals + 3);
      // The name cannot be changed once it is made.
      if (value.find("<empty>") != std::string_view::npos || line.starts_with("iface.iscsi_ifacename")) continue;
      settings.emplace(line.substr(0, equals), value);
    }
    return settings;
  }
  void drop_interface() {
    if (!disk_.initiator_name.empty()) attempt({"-m", "iface", "-I", disk_.interface, "-o", "delete"});
  }

  Status set_chap(const Words& record, const std::string& method_key, const std::array<const char*, 4>& keys) {
    auto method = run(record + Words{"-o", "update", "-n", method_key, "-v", "CHAP"},
                      "iscsi: failed to update " + method_key + " with CHAP");
    if (!method.ok()) return std::move(method).error();
    for (const char* key : keys) {
      const auto value = secret_.find(key);
      if (value == secret_.end() || value->second.empty()) continue;
      auto set = run(record + Words{"-o", "update", "-n", key, "-v", value->second},
                     std::string("iscsi: failed to update ") + key);
      if (!set.ok()) return std::move(set).error();
    }
    return {};
  }

  Status discover(const std::string& portal) {
    attempt(discovery_db(portal) + Words{"-o", "new"});
    if (disk_.chap_discovery) {
      KEELSON_TRY(set_chap(discovery_db(portal), "discovery.sendtargets.auth.authmethod", kDiscoveryKeys));
    }
    auto discovered =
        run(discovery_db(portal) + Words{"--discover"}, "iscsi: failed to sendtargets to portal " + portal);
    if (discovered.ok()) return {};
    attempt(discovery_db(portal) + Words{"-o", "delete"});
    return std::move(discovered).error();
  }

  Status log_in(const std::string& portal) {
    KEELSON_TRY(discover(portal));
    // Or the kernel would find LUNs that are not ours to know, and that nobody would take out again.
    attempt(node(portal) + Words{"-o", "update", "-n", "node.session.scan", "-v", "manual"});
    if (disk_.chap_session) KEELSON_TRY(set_chap(node(portal), "node.session.auth.authmethod", kSessionKeys));
    auto done = run(node(portal) + Words{"--login"}, "iscsi: failed to attach disk");
    if (!done.ok()) {
      attempt(node(portal) + Words{"-o", "delete"});
      return std::move(done).error();
    }
    // A node that boots must not hang on a target that is away.
    attempt({"-m", "node", "-p", portal, "-T", disk_.iqn, "-o", "update", "-n", "node.startup", "-v", "manual"});
    auto hosts = host_.devices.iscsi_hosts(disk_.iqn);
    if (!hosts.ok()) return std::move(hosts).error();
    hosts_ = std::move(*hosts);
    return {};
  }

  // For glob(7): an IPv6 portal has brackets.
  static std::string literal(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
      if (std::string_view("*?[]\\").find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
    return escaped;
  }

  Result<std::string> path_by(const std::string& portal) {
    if (hosts_.count(portal) == 0) KEELSON_TRY(log_in(portal));
    const auto host = hosts_.find(portal);
    if (host == hosts_.end()) {
      return Error(ErrorKind::unavailable, "iscsi: no SCSI host for portal " + portal + " after logging in");
    }
    KEELSON_TRY(host_.devices.scan(host->second, disk_.lun));
    if (transport_.empty()) {
      return Error(ErrorKind::invalid, "Could not parse iface file for " + disk_.interface);
    }
    const std::string name = "ip-" + portal + "-iscsi-" + disk_.iqn + "-lun-" + std::to_string(disk_.lun);
    // Other transports have a PCI address in front that we do not know.
    const std::string pattern = "disk/by-path/" + std::string(transport_ == "tcp" ? "" : "pci-*-") + literal(name);
    auto path = host_.devices.wait_for(pattern, host_.limits.device);
    if (path) return *path;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(host_.limits.device).count();
    return Error(ErrorKind::deadline_exceeded, "Timed out waiting for device at path " + host_.devices.dev() +
                                                   "/disk/by-path/" + name + " after " + std::to_string(seconds) + "s");
  }

  Status find_paths() {
    std::optional<Error> last;
    for (int round = 1; round <= kRounds; ++round) {
      for (const auto& portal : disk_.portals) {
        if (paths_.count(portal) > 0) continue;
        auto path = path_by(portal);
        if (path.ok()) {
          paths_.emplace(portal, std::move(*path));
        } else {
          last = std::move(path).error();
        }
      }
      if (paths_.empty()) {
        drop_interface();
        return last->wrap("failed to get any path for iscsi disk, last err seen");
      }
      const bool enough = paths_.size() >= kEnoughPaths && round >= kRoundsForEnoughPaths;
      if (enough || all_found()) break;
    }
    return {};
  }
  bool all_found() const {
    return std::all_of(disk_.portals.begin(), disk_.portals.end(),
                       [&](const std::string& portal) { return paths_.count(portal) > 0; });
  }

  // In the order of the portals.
  std::string multipath_or_first() {
    std::vector<std::string> found;
    for (const auto& portal : disk_.portals) {
      if (const auto path = paths_.find(portal); path != paths_.end()) found.push_back(path->second);
    }
    // With one portal there will be none: no time is lost on it.
    const bool several = disk_.portals.size() > 1;
    const auto limit = several ? host_.limits.multipath : std::chrono::milliseconds(0);
    if (auto multipath = host_.devices.wait_for_multipath(found, limit)) return *multipath;
    return found.front();
  }

  const IscsiDisk& disk_;
  const IscsiSecret& secret_;
  const IscsiHost& host_;
  std::string transport_;
  std::map<std::string, int> hosts_;
  std::map<std::string, std::string> paths_;  // by portal
};

// Where the detach finds it. Under a mount that is there already it was written before.
Status write_json(const IscsiDisk& disk, IscsiUse use, const IscsiHost& host) {
  const std::string directory = iscsi_global_dir(host.root, disk, use);
  KEELSON_TRY(base::make_directories(directory, 0750));
  if (use == IscsiUse::file_system) {
    const auto mounted = is_mount_point(directory, host.mounts);
    if (!mounted.ok()) return mounted.error();
    if (*mounted) return {};
  }
  return base::write_file(directory + "/iscsi.json", iscsi_json(disk), 0644);
}

}  // namespace

Result<std::string> attach_iscsi(const IscsiDisk& disk, IscsiUse use, const IscsiSecret& secret,
                                 const IscsiHost& host) {
  auto device = Attach(disk, secret, host).device();
  if (!device.ok()) return device;
  KEELSON_TRY(write_json(disk, use, host));
  return device;
}

DiskMounted mount_iscsi_device(const IscsiDisk& disk, const std::string& device, const std::string& fs_type,
                               const std::vector<std::string>& options, const IscsiHost& host) {
  return mount_device({device, iscsi_global_dir(host.root, disk, IscsiUse::file_system), fs_type, options},
                      host.programs, host.mounts);
}

}  // namespace keelson::volume
