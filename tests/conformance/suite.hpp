// The fixture of the conformance suite: short words for CRI calls, and a clean runtime after each test.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cri-client/proto/cri.grpc.pb.h"
#include "tests/conformance/target.hpp"

namespace keelson::conformance {

namespace cri = ::runtime::v1;

constexpr char kImage[] = "keelson.local/busybox:1";
constexpr char kUnknownId[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

// Asks again every few milliseconds; a real runtime tells nobody when something changes.
bool eventually(const std::function<bool()>& predicate, int limit_ms = 15000);
std::int64_t nanoseconds_now();
std::string read_file(const std::string& path);

// A connection to a target, with one method per call that a test makes often.
class Client {
 public:
  explicit Client(const std::string& endpoint);

  // A blocking call with a deadline: call(&Stub::Version, request, response).
  template <class Stub, class Request, class Response>
  grpc::Status call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    context.set_wait_for_ready(true);
    return (stub<Stub>().*method)(&context, request, &response);
  }

  cri::RuntimeService::Stub& runtime() { return *runtime_; }
  cri::ImageService::Stub& images() { return *images_; }

 private:
  template <class Stub>
  auto& stub() {
    if constexpr (std::is_same_v<Stub, cri::RuntimeService::Stub>) {
      return *runtime_;
    } else {
      return *images_;
    }
  }

  std::unique_ptr<cri::RuntimeService::Stub> runtime_;
  std::unique_ptr<cri::ImageService::Stub> images_;
};

using Runtime = cri::RuntimeService::Stub;
using Images = cri::ImageService::Stub;

class Conformance : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  Target& target();
  Client& client() { return *client_; }
  Traits traits() { return target().traits(); }

  // --- configurations ---
  cri::PodSandboxConfig pod(const std::string& name, unsigned attempt = 0);
  // A container of the busybox image that runs `sh -c script`.
  cri::ContainerConfig shell(const std::string& name, const std::string& script, unsigned attempt = 0);
  cri::ContainerConfig program(const std::string& name, const std::vector<std::string>& argv, unsigned attempt = 0);

  // --- calls; those that answer an id expect success ---
  std::string run_sandbox(const cri::PodSandboxConfig& config);
  grpc::Status try_run_sandbox(const cri::PodSandboxConfig& config, std::string* id = nullptr);
  grpc::Status stop_sandbox(const std::string& id);
  grpc::Status remove_sandbox(const std::string& id);
  cri::PodSandboxStatus sandbox_status(const std::string& id);
  std::vector<std::string> list_sandboxes(const cri::PodSandboxFilter& filter);

  std::string create(const std::string& sandbox, const cri::ContainerConfig& config);
  grpc::Status try_create(const std::string& sandbox, const cri::ContainerConfig& config, std::string* id = nullptr);
  grpc::Status start(const std::string& id);
  grpc::Status stop(const std::string& id, int grace_seconds);
  grpc::Status remove(const std::string& id);
  cri::ContainerStatus status(const std::string& id);
  grpc::Status try_status(const std::string& id);
  std::vector<std::string> list(const cri::ContainerFilter& filter);
  // Creates and starts.
  std::string run(const std::string& sandbox, const cri::ContainerConfig& config);
  // Creates, starts and waits for the end.
  cri::ContainerStatus run_to_end(const std::string& sandbox, const cri::ContainerConfig& config);
  bool wait_for_state(const std::string& id, cri::ContainerState state);
  grpc::Status exec(const std::string& id, const std::vector<std::string>& argv, int timeout_seconds,
                    cri::ExecSyncResponse& response);

  std::string directory_;

 private:
  cri::PodSandboxConfig config_of(const std::string& sandbox) const;

  std::unique_ptr<Client> client_;
  std::map<std::string, cri::PodSandboxConfig> sandboxes_;
};

}  // namespace keelson::conformance
