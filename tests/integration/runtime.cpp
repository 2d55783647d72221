#include "tests/integration/runtime.hpp"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cri-client/proto/cri.grpc.pb.h"
#include "tests/integration/program.hpp"

namespace keelson::integration {
namespace {

namespace cri = ::runtime::v1;
namespace fs = std::filesystem;

struct Holder {
  std::unique_ptr<Runtime> runtime;
  std::string why_not;
  bool tried = false;
};

Holder& holder() {
  static Holder instance;
  return instance;
}

class RemovesRuntime : public ::testing::Environment {
 public:
  void TearDown() override { holder().runtime.reset(); }
};
// gtest owns it.
const auto* const removes_runtime = ::testing::AddGlobalTestEnvironment(new RemovesRuntime);

// The agent wants its cgroup root to be there, in every hierarchy; some (v1's cpuset) allow no plain mkdir, others do.
void make_cgroup_root(const std::string& root) {
  std::error_code ignored;
  if (fs::exists("/sys/fs/cgroup/cgroup.controllers")) {
    fs::create_directory("/sys/fs/cgroup" + root, ignored);
    return;
  }
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", ignored)) {
    if (hierarchy.is_directory() && !hierarchy.is_symlink())
      fs::create_directory(hierarchy.path().string() + root, ignored);
  }
}

void enter_network(int fd) {
  if (::setns(fd, CLONE_NEWNET) != 0) throw std::runtime_error("cannot enter a network namespace");
}

std::string label(const google::protobuf::Map<std::string, std::string>& labels, const char* key) {
  const auto found = labels.find(key);
  return found == labels.end() ? std::string() : found->second;
}

}  // namespace

struct Runtime::Stubs {
  std::unique_ptr<cri::RuntimeService::Stub> runtime;

  template <class Request, class Response>
  Response call(grpc::Status (cri::RuntimeService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) {
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(60);
    while (true) {
      grpc::ClientContext context;
      context.set_wait_for_ready(true);
      context.set_deadline(deadline);
      Response response;
      const auto status = ((*runtime).*method)(&context, request, &response);
      if (status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND) return response;
      // The connection to a runtime that was restarted meanwhile.
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE) continue;
      throw std::runtime_error(request.GetTypeName() + ": " + status.error_message());
    }
  }
};

Runtime* Runtime::get(std::string& why_not) {
  Holder& held = holder();
  if (!held.tried) {
    held.tried = true;
    auto fixture = fakes::ContainerdFixture::start({.registry = true});
    if (fixture.ok()) {
      held.runtime.reset(new Runtime(std::move(*fixture)));
    } else if (fixture.error().kind() == ErrorKind::internal) {
      throw std::runtime_error(fixture.error().to_string());
    } else {
      held.why_not = fixture.error().to_string();
    }
  }
  why_not = held.why_not;
  return held.runtime.get();
}

Runtime::Runtime(std::unique_ptr<fakes::ContainerdFixture> fixture)
    : fixture_(std::move(fixture)), stubs_(std::make_unique<Stubs>()) {
  own_netns_ = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const int netns = ::open(fixture_->netns().c_str(), O_RDONLY | O_CLOEXEC);
  enter_network(netns);
  ::close(netns);
  make_cgroup_root(fixture_->cgroup_root());
  stubs_->runtime =
      cri::RuntimeService::NewStub(grpc::CreateChannel("unix:" + socket(), grpc::InsecureChannelCredentials()));
}

Runtime::~Runtime() {
  stubs_.reset();
  enter_network(own_netns_);
  ::close(own_netns_);
}

std::vector<RuntimeContainer> Runtime::containers() {
  const auto answer = stubs_->call(&cri::RuntimeService::Stub::ListContainers, cri::ListContainersRequest());
  std::vector<RuntimeContainer> out;
  for (const auto& container : answer.containers()) {
    out.push_back({container.id(), container.metadata().name(), label(container.labels(), "io.kubernetes.pod.name"),
                   container.pod_sandbox_id(), container.metadata().attempt(),
                   container.state() == cri::CONTAINER_RUNNING});
  }
  return out;
}

std::vector<RuntimeSandbox> Runtime::sandboxes() {
  const auto answer = stubs_->call(&cri::RuntimeService::Stub::ListPodSandbox, cri::ListPodSandboxRequest());
  std::vector<RuntimeSandbox> out;
  for (const auto& sandbox : answer.items()) {
    out.push_back({sandbox.id(), sandbox.metadata().name(), sandbox.state() == cri::SANDBOX_READY});
  }
  return out;
}

std::vector<RuntimeContainer> Runtime::containers_of(const std::string& pod) {
  auto all = containers();
  std::erase_if(all, [&](const auto& container) { return container.pod != pod; });
  return all;
}

std::vector<RuntimeSandbox> Runtime::sandboxes_of(const std::string& pod) {
  auto all = sandboxes();
  std::erase_if(all, [&](const auto& sandbox) { return sandbox.pod != pod; });
  return all;
}

int Runtime::process_of(const std::string& id) {
  cri::ContainerStatusRequest request;
  request.set_container_id(id);
  request.set_verbose(true);
  const auto answer = stubs_->call(&cri::RuntimeService::Stub::ContainerStatus, request);
  const auto info = answer.info().find("info");
  if (info == answer.info().end()) return 0;
  return nlohmann::json::parse(info->second).value("pid", 0);
}

std::map<std::string, int> Runtime::processes() {
  std::map<std::string, int> out;
  for (const auto& container : containers()) {
    if (container.running) out[container.id] = process_of(container.id);
  }
  return out;
}

// containerd 1.6 drops a start whose client was killed half-way: the task may run while the container counts as
// created, so that the CRI refuses to remove it.
void Runtime::kill_tasks() {
  for (const auto& container : containers()) {
    run_program({"/usr/bin/ctr", "--address", socket(), "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL",
                 container.id});
  }
}

void Runtime::remove_all() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (true) {
    try {
      remove_all_once();
      return;
    } catch (const std::runtime_error&) {
      if (std::chrono::steady_clock::now() > deadline) throw;
      kill_tasks();
      ::poll(nullptr, 0, 100);
    }
  }
}

void Runtime::remove_all_once() {
  for (const auto& container : containers()) {
    // At once, where removing the sandbox would first wait for it.
    cri::StopContainerRequest stop;
    stop.set_container_id(container.id);
    stop.set_timeout(0);
    if (container.running) stubs_->call(&cri::RuntimeService::Stub::StopContainer, stop);
  }
  for (const auto& sandbox : sandboxes()) {
    cri::StopPodSandboxRequest stop;
    stop.set_pod_sandbox_id(sandbox.id);
    stubs_->call(&cri::RuntimeService::Stub::StopPodSandbox, stop);
    cri::RemovePodSandboxRequest remove;
    remove.set_pod_sandbox_id(sandbox.id);
    stubs_->call(&cri::RuntimeService::Stub::RemovePodSandbox, remove);
  }
}

}  // namespace keelson::integration
