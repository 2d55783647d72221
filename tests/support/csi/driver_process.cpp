#include "tests/support/csi/driver_process.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/file.hpp"
#include "tests/integration/program.hpp"

namespace keelson::fakes {

using nlohmann::json;

CsiDriverProcess::CsiDriverProcess(std::string directory, std::string registry, std::vector<std::string> arguments)
    : directory_(std::move(directory)), registry_(std::move(registry)), arguments_(std::move(arguments)) {}

CsiDriverProcess::~CsiDriverProcess() { kill(); }

void CsiDriverProcess::start() {
  if (!base::make_directories(registry_, 0750).ok() || !base::make_directories(directory_, 0755).ok()) return;
  integration::ProgramArguments arguments = {KEELSON_CSI_DRIVER,
                                             "--socket",
                                             directory_ + "/csi.sock",
                                             "--registration",
                                             registry_ + "/" + name + "-reg.sock",
                                             "--dir",
                                             directory_ + "/volumes",
                                             "--log",
                                             directory_ + "/requests",
                                             "--control",
                                             directory_ + "/faults"};
  arguments.insert(arguments.end(), arguments_.begin(), arguments_.end());
  pid_ = integration::spawn_program(arguments, {}, log());
}

bool CsiDriverProcess::runs() {
  if (pid_ > 0 && integration::exit_code_of(pid_) != -1) pid_ = -1;
  return pid_ > 0;
}

void CsiDriverProcess::end(int signal) {
  if (!runs()) return;
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void CsiDriverProcess::kill() { end(SIGKILL); }

void CsiDriverProcess::stop() {
  end(SIGTERM);
  ::unlink((registry_ + "/" + name + "-reg.sock").c_str());
}

void CsiDriverProcess::set_faults(const json& faults) {
  // They may be wanted before the driver starts.
  KEELSON_CHECK(base::make_directories(directory_, 0755).ok());
  KEELSON_CHECK(base::write_file_atomically(directory_ + "/faults", faults.dump(), 0644).ok());
}

std::vector<json> CsiDriverProcess::requests() const {
  std::vector<json> out;
  std::ifstream file(directory_ + "/requests");
  std::string line;
  while (std::getline(file, line)) {
    const json request = json::parse(line, nullptr, false);
    if (!request.is_discarded()) out.push_back(request);
  }
  return out;
}

std::vector<std::string> CsiDriverProcess::methods(bool all) const {
  std::vector<std::string> out;
  for (const json& request : requests()) {
    const std::string method = request.at("method");
    if (all || method != "NodeGetCapabilities") out.push_back(method);
  }
  return out;
}

void CsiDriverProcess::forget_requests() { ::unlink((directory_ + "/requests").c_str()); }

}  // namespace keelson::fakes
