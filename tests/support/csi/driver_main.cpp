// keelson-csi-driver: a CSI driver of host directories, for tests and for trying things by hand.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/support/csi/driver.hpp"

namespace {

constexpr char kUsage[] =
    "Usage: keelson-csi-driver --socket PATH --dir DIR [options]\n"
    "\n"
    "Serves CSI v1 (Identity, Node) on a unix socket with directories of DIR as volumes, until SIGTERM or SIGINT.\n"
    "  --socket PATH          the driver's socket\n"
    "  --dir DIR              where the volumes lie\n"
    "  --registration PATH    the registration socket, in a kubelet's plugins_registry\n"
    "  --name NAME            of the driver (host.csi.keelson.test)\n"
    "  --node-id ID           what NodeGetInfo says (node)\n"
    "  --max-volumes N        what NodeGetInfo says (0: any number)\n"
    "  --topology KEY=VALUE   what NodeGetInfo says; may be repeated\n"
    "  --versions A,B         what the registration says (1.0.0)\n"
    "  --capabilities A,B     names of NodeServiceCapability.RPC.Type (STAGE_UNSTAGE_VOLUME,GET_VOLUME_STATS,\n"
    "                         EXPAND_VOLUME); \"\" for none\n"
    "  --log FILE             each request as a line of JSON\n"
    "  --control FILE         faults (tests/support/README.md)\n"
    "  --no-mounts            plain directories, for users without privileges\n";

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  std::string part;
  while (std::getline(stream, part, ',')) out.push_back(part);
  return out;
}

int usage(std::FILE* to, int code) {
  std::fputs(kUsage, to);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  keelson::fakes::CsiDriverOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--help" || arg == "-h") return usage(stdout, 0);
    if (arg == "--no-mounts") {
      options.mounts = false;
      continue;
    }
    if (i + 1 >= argc) return usage(stderr, 2);
    const std::string value = argv[++i];
    if (arg == "--socket") {
      options.socket = value;
    } else if (arg == "--dir") {
      options.directory = value;
    } else if (arg == "--registration") {
      options.registration = value;
    } else if (arg == "--name") {
      options.name = value;
    } else if (arg == "--node-id") {
      options.node_id = value;
    } else if (arg == "--max-volumes") {
      options.max_volumes = std::strtoll(value.c_str(), nullptr, 10);
    } else if (arg == "--topology") {
      const auto at = value.find('=');
      options.topology[value.substr(0, at)] = at == std::string::npos ? "" : value.substr(at + 1);
    } else if (arg == "--versions") {
      options.versions = parts_of(value);
    } else if (arg == "--capabilities") {
      const auto parts = parts_of(value);
      options.capabilities = std::set<std::string>(parts.begin(), parts.end());
    } else if (arg == "--log") {
      options.log = value;
    } else if (arg == "--control") {
      options.control = value;
    } else {
      return usage(stderr, 2);
    }
  }
  if (options.socket.empty() || options.directory.empty()) return usage(stderr, 2);

  // Before any thread is made, so that all of them leave the signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const std::string socket = options.socket;
  keelson::fakes::CsiDriverServer server(std::move(options));
  if (const auto started = server.start(); !started.ok()) {
    std::fprintf(stderr, "keelson-csi-driver: %s\n", started.error().to_string().c_str());
    return 1;
  }
  std::printf("serving %s\n", socket.c_str());
  std::fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
  server.stop();
  return 0;
}
