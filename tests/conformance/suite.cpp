#include "tests/conformance/suite.hpp"

#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace keelson::conformance {
namespace {

// Made before the first test, taken down after the last.
class TargetEnvironment : public ::testing::Environment {
 public:
  void SetUp() override { target = make_target(why); }
  void TearDown() override { target.reset(); }

  std::unique_ptr<Target> target;
  std::string why;
};

TargetEnvironment* environment() {
  static auto* made = static_cast<TargetEnvironment*>(::testing::AddGlobalTestEnvironment(new TargetEnvironment));
  return made;
}

// Registered before main() runs the tests.
[[maybe_unused]] const auto* const registered = environment();

}  // namespace

bool eventually(const std::function<bool()>& predicate, int limit_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

std::int64_t nanoseconds_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Client::Client(const std::string& endpoint) {
  const std::string path = endpoint.substr(std::string("unix://").size());
  grpc::ChannelArguments arguments;
  // Else gRPC percent-encodes the path into :authority, which containerd's HTTP/2 refuses.
  arguments.SetString("grpc.default_authority", "localhost");
  arguments.SetInt("grpc.use_local_subchannel_pool", 1);
  arguments.SetInt("grpc.initial_reconnect_backoff_ms", 50);
  arguments.SetInt("grpc.max_reconnect_backoff_ms", 200);
  auto channel = grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments);
  runtime_ = cri::RuntimeService::NewStub(channel);
  images_ = cri::ImageService::NewStub(channel);
}

Target& Conformance::target() { return *environment()->target; }

void Conformance::SetUp() {
  if (!environment()->target) GTEST_SKIP() << environment()->why;
  client_ = std::make_unique<Client>(target().endpoint());
  std::string pattern = "/tmp/keelson-conformance.XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  directory_ = pattern;
}

void Conformance::TearDown() {
  if (!client_) return;
  for (const auto& id : list_sandboxes({})) {
    EXPECT_TRUE(stop_sandbox(id).ok());
    EXPECT_TRUE(remove_sandbox(id).ok());
  }
  std::filesystem::remove_all(directory_);
  if (HasFailure()) std::fprintf(stderr, "%s\n", target().log_tail().c_str());
}

cri::PodSandboxConfig Conformance::pod(const std::string& name, unsigned attempt) {
  cri::PodSandboxConfig config;
  config.mutable_metadata()->set_name(name);
  config.mutable_metadata()->set_namespace_("default");
  config.mutable_metadata()->set_uid("uid-of-" + name);
  config.mutable_metadata()->set_attempt(attempt);
  config.set_hostname(name);
  config.set_log_directory(directory_ + "/" + name);
  std::filesystem::create_directories(config.log_directory());
  (*config.mutable_labels())["io.kubernetes.pod.uid"] = "uid-of-" + name;
  (*config.mutable_labels())["suite"] = "conformance";
  (*config.mutable_annotations())["note"] = "of " + name;
  auto* linux_config = config.mutable_linux();
  if (!target().cgroup_root().empty()) linux_config->set_cgroup_parent(target().cgroup_root() + "/" + name);
  linux_config->mutable_security_context()->mutable_namespace_options()->set_pid(cri::CONTAINER);
  return config;
}

cri::ContainerConfig Conformance::program(const std::string& name, const std::vector<std::string>& argv,
                                          unsigned attempt) {
  cri::ContainerConfig config;
  config.mutable_metadata()->set_name(name);
  config.mutable_metadata()->set_attempt(attempt);
  config.mutable_image()->set_image(kImage);
  *config.mutable_command() = {argv.begin(), argv.end()};
  config.set_log_path(name + "/" + std::to_string(attempt) + ".log");
  (*config.mutable_labels())["io.kubernetes.container.name"] = name;
  (*config.mutable_annotations())["io.kubernetes.container.restartCount"] = std::to_string(attempt);
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(cri::CONTAINER);
  return config;
}

cri::ContainerConfig Conformance::shell(const std::string& name, const std::string& script, unsigned attempt) {
  return program(name, {"sh", "-c", script}, attempt);
}

grpc::Status Conformance::try_run_sandbox(const cri::PodSandboxConfig& config, std::string* id) {
  cri::RunPodSandboxRequest request;
  *request.mutable_config() = config;
  cri::RunPodSandboxResponse response;
  const auto status = client_->call(&Runtime::RunPodSandbox, request, response);
  if (status.ok()) sandboxes_[response.pod_sandbox_id()] = config;
  if (id != nullptr) *id = response.pod_sandbox_id();
  return status;
}

std::string Conformance::run_sandbox(const cri::PodSandboxConfig& config) {
  std::string id;
  const auto status = try_run_sandbox(config, &id);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return id;
}

grpc::Status Conformance::stop_sandbox(const std::string& id) {
  cri::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(id);
  cri::StopPodSandboxResponse response;
  return client_->call(&Runtime::StopPodSandbox, request, response);
}

grpc::Status Conformance::remove_sandbox(const std::string& id) {
  cri::RemovePodSandboxRequest request;
  request.set_pod_sandbox_id(id);
  cri::RemovePodSandboxResponse response;
  return client_->call(&Runtime::RemovePodSandbox, request, response);
}

cri::PodSandboxStatus Conformance::sandbox_status(const std::string& id) {
  cri::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  cri::PodSandboxStatusResponse response;
  const auto status = client_->call(&Runtime::PodSandboxStatus, request, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.status();
}

std::vector<std::string> Conformance::list_sandboxes(const cri::PodSandboxFilter& filter) {
  cri::ListPodSandboxRequest request;
  *request.mutable_filter() = filter;
  cri::ListPodSandboxResponse response;
  const auto status = client_->call(&Runtime::ListPodSandbox, request, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<std::string> ids;
  for (const auto& item : response.items()) ids.push_back(item.id());
  return ids;
}

grpc::Status Conformance::try_create(const std::string& sandbox, const cri::ContainerConfig& config, std::string* id) {
  cri::CreateContainerRequest request;
  request.set_pod_sandbox_id(sandbox);
  *request.mutable_config() = config;
  if (const auto known = sandboxes_.find(sandbox); known != sandboxes_.end()) {
    *request.mutable_sandbox_config() = known->second;
    std::filesystem::create_directories(known->second.log_directory() + "/" + config.metadata().name());
  }
  cri::CreateContainerResponse response;
  const auto status = client_->call(&Runtime::CreateContainer, request, response);
  if (id != nullptr) *id = response.container_id();
  return status;
}

std::string Conformance::create(const std::string& sandbox, const cri::ContainerConfig& config) {
  std::string id;
  const auto status = try_create(sandbox, config, &id);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return id;
}

grpc::Status Conformance::start(const std::string& id) {
  cri::StartContainerRequest request;
  request.set_container_id(id);
  cri::StartContainerResponse response;
  return client_->call(&Runtime::StartContainer, request, response);
}

grpc::Status Conformance::stop(const std::string& id, int grace_seconds) {
  cri::StopContainerRequest request;
  request.set_container_id(id);
  request.set_timeout(grace_seconds);
  cri::StopContainerResponse response;
  return client_->call(&Runtime::StopContainer, request, response);
}

grpc::Status Conformance::remove(const std::string& id) {
  cri::RemoveContainerRequest request;
  request.set_container_id(id);
  cri::RemoveContainerResponse response;
  return client_->call(&Runtime::RemoveContainer, request, response);
}

cri::ContainerStatus Conformance::status(const std::string& id) {
  cri::ContainerStatusRequest request;
  request.set_container_id(id);
  cri::ContainerStatusResponse response;
  const auto answer = client_->call(&Runtime::ContainerStatus, request, response);
  EXPECT_TRUE(answer.ok()) << answer.error_message();
  return response.status();
}

grpc::Status Conformance::try_status(const std::string& id) {
  cri::ContainerStatusRequest request;
  request.set_container_id(id);
  cri::ContainerStatusResponse response;
  return client_->call(&Runtime::ContainerStatus, request, response);
}

std::vector<std::string> Conformance::list(const cri::ContainerFilter& filter) {
  cri::ListContainersRequest request;
  *request.mutable_filter() = filter;
  cri::ListContainersResponse response;
  const auto status = client_->call(&Runtime::ListContainers, request, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<std::string> ids;
  for (const auto& item : response.containers()) ids.push_back(item.id());
  return ids;
}

std::string Conformance::run(const std::string& sandbox, const cri::ContainerConfig& config) {
  const auto id = create(sandbox, config);
  const auto started = start(id);
  EXPECT_TRUE(started.ok()) << started.error_message();
  return id;
}

cri::ContainerStatus Conformance::run_to_end(const std::string& sandbox, const cri::ContainerConfig& config) {
  const auto id = run(sandbox, config);
  EXPECT_TRUE(wait_for_state(id, cri::CONTAINER_EXITED));
  return status(id);
}

bool Conformance::wait_for_state(const std::string& id, cri::ContainerState state) {
  return eventually([&] { return status(id).state() == state; });
}

grpc::Status Conformance::exec(const std::string& id, const std::vector<std::string>& argv, int timeout_seconds,
                               cri::ExecSyncResponse& response) {
  cri::ExecSyncRequest request;
  request.set_container_id(id);
  *request.mutable_cmd() = {argv.begin(), argv.end()};
  request.set_timeout(timeout_seconds);
  return client_->call(&Runtime::ExecSync, request, response);
}

}  // namespace keelson::conformance
