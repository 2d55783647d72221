// CsiDriverProcess: keelson-csi-driver as a test starts, asks, upsets and kills it.
//
// Owner: a test; the driver dies with it. Its sockets, volumes, log and faults lie below `directory`. Thread: the
// caller's. What fails: a driver that cannot be started is one that does not run.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace keelson::fakes {

class CsiDriverProcess {
 public:
  // `registry`: the plugin directory that its registration socket goes to.
  CsiDriverProcess(std::string directory, std::string registry, std::vector<std::string> arguments = {});
  ~CsiDriverProcess();
  CsiDriverProcess(const CsiDriverProcess&) = delete;
  CsiDriverProcess& operator=(const CsiDriverProcess&) = delete;

  static constexpr char name[] = "host.csi.keelson.test";

  void start();
  bool runs();
  // SIGKILL, and waits.
  void kill();
  // As an orderly end does: the sockets go.
  void stop();

  void set_faults(const nlohmann::json& faults);
  // The requests so far, and only their methods; without NodeGetCapabilities unless asked for.
  std::vector<nlohmann::json> requests() const;
  std::vector<std::string> methods(bool all = false) const;
  void forget_requests();
  std::string content(const std::string& volume) const { return directory_ + "/volumes/" + volume; }
  std::string log() const { return directory_ + "/driver.log"; }

 private:
  void end(int signal);

  std::string directory_;
  std::string registry_;
  std::vector<std::string> arguments_;
  pid_t pid_ = -1;
};

}  // namespace keelson::fakes
