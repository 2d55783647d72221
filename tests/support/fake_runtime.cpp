#include "tests/support/fake_runtime.hpp"

#include <unistd.h>

#include "tests/support/fake_services.hpp"

namespace keelson::fakes {

class FakeRuntime::Impl {
 public:
  explicit Impl(Script script)
      : world(std::move(script)), dispatch(world), runtime_server(dispatch), image_server(dispatch) {
    world.observe([this] { dispatch.notify(); });
  }

  World world;
  Dispatch dispatch;
  RuntimeServer runtime_server;
  ImageServer image_server;
  mutable std::mutex mutex;
  std::unique_ptr<grpc::Server> server;
  std::string path;
};

FakeRuntime::FakeRuntime(Script script) {
  auto faults = std::move(script.faults);
  impl_ = std::make_unique<Impl>(std::move(script));
  // The first of a script is asked first.
  for (auto fault = faults.rbegin(); fault != faults.rend(); ++fault) impl_->dispatch.add_fault(std::move(*fault));
}

FakeRuntime::~FakeRuntime() {
  stop();
  impl_->world.stop();
}

Status FakeRuntime::start(const std::string& socket_path) {
  std::lock_guard lock(impl_->mutex);
  if (impl_->server) return Error(ErrorKind::already_exists, "the fake runtime serves " + impl_->path + " already");
  ::unlink(socket_path.c_str());
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_path, grpc::InsecureServerCredentials());
  builder.RegisterService(&impl_->runtime_server);
  builder.RegisterService(&impl_->image_server);
  builder.SetMaxReceiveMessageSize(64 * 1024 * 1024);
  impl_->server = builder.BuildAndStart();
  if (!impl_->server) return Error(ErrorKind::unavailable, "the fake runtime cannot listen on " + socket_path);
  impl_->path = socket_path;
  return {};
}

void FakeRuntime::stop() {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->server) return;
  impl_->server->Shutdown(std::chrono::system_clock::now());
  impl_->server->Wait();
  impl_->server.reset();
  ::unlink(impl_->path.c_str());
}

bool FakeRuntime::started() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->server != nullptr;
}

std::string FakeRuntime::endpoint() const {
  std::lock_guard lock(impl_->mutex);
  return "unix://" + impl_->path;
}

void FakeRuntime::add_fault(Fault fault) { impl_->dispatch.add_fault(std::move(fault)); }

void FakeRuntime::fail(const std::string& rpc, grpc::StatusCode code, const std::string& message, int times) {
  Fault fault;
  fault.rpc = rpc;
  fault.error = grpc::Status(code, message);
  fault.times = times;
  add_fault(std::move(fault));
}

void FakeRuntime::hang(const std::string& rpc, int times) {
  Fault fault;
  fault.rpc = rpc;
  fault.hang = true;
  fault.times = times;
  add_fault(std::move(fault));
}

void FakeRuntime::delay(const std::string& rpc, Nanoseconds latency, int times) {
  Fault fault;
  fault.rpc = rpc;
  fault.latency = latency;
  fault.times = times;
  add_fault(std::move(fault));
}

void FakeRuntime::clear_faults() { impl_->dispatch.clear_faults(); }
void FakeRuntime::release_hung() { impl_->dispatch.release_hung(); }
void FakeRuntime::break_event_streams() { impl_->runtime_server.break_event_streams(); }
int FakeRuntime::event_streams() const { return impl_->runtime_server.event_streams(); }

void FakeRuntime::behave(BehaviourRule rule) { impl_->world.add_rule(std::move(rule)); }
void FakeRuntime::clear_behaviours() { impl_->world.clear_rules(); }

void FakeRuntime::add_image(const std::string& name) {
  ImageSource image;
  image.name = name;
  add_image(std::move(image));
}

void FakeRuntime::add_image(ImageSource image) { impl_->world.add_image(std::move(image)); }
void FakeRuntime::remove_image(const std::string& name) { impl_->world.remove_image(name); }
void FakeRuntime::add_pullable(ImageSource image) { impl_->world.add_pullable(std::move(image)); }
void FakeRuntime::remove_pullable(const std::string& name) { impl_->world.remove_pullable(name); }
std::vector<std::string> FakeRuntime::image_names() const { return impl_->world.image_names(); }

void FakeRuntime::change(const std::function<void(RuntimeFeatures&)>& change) { impl_->world.change_features(change); }

bool FakeRuntime::exit_container(const std::string& id, int code) { return impl_->world.exit_container(id, code, ""); }
bool FakeRuntime::oom_kill(const std::string& id) { return impl_->world.exit_container(id, 137, "OOMKilled"); }
bool FakeRuntime::set_container_state(const std::string& id, cri::ContainerState state) {
  return impl_->world.set_container_state(id, state);
}
bool FakeRuntime::kill_sandbox(const std::string& id) { return impl_->world.kill_sandbox(id); }
bool FakeRuntime::forget_container(const std::string& id) { return impl_->world.forget_container(id); }
bool FakeRuntime::forget_sandbox(const std::string& id) { return impl_->world.forget_sandbox(id); }
void FakeRuntime::lose_state() { impl_->world.lose_state(); }

std::vector<cri::ContainerStatus> FakeRuntime::containers() const { return impl_->world.containers(); }
std::vector<cri::PodSandboxStatus> FakeRuntime::sandboxes() const { return impl_->world.sandboxes(); }

std::optional<cri::ContainerStatus> FakeRuntime::container(const std::string& name, const std::string& pod) const {
  const auto all = containers();
  for (auto status = all.rbegin(); status != all.rend(); ++status) {
    if (status->metadata().name() != name) continue;
    const auto label = status->labels().find("io.kubernetes.pod.name");
    if (pod.empty() || (label != status->labels().end() && label->second == pod)) return *status;
  }
  return std::nullopt;
}

std::optional<cri::ContainerConfig> FakeRuntime::container_config(const std::string& id) const {
  return impl_->world.container_config(id);
}

std::optional<cri::PodSandboxConfig> FakeRuntime::sandbox_config(const std::string& id) const {
  return impl_->world.sandbox_config(id);
}

std::vector<JournalEntry> FakeRuntime::journal() const { return impl_->dispatch.journal(); }
std::size_t FakeRuntime::count(const std::string& rpc) const { return impl_->dispatch.count(rpc); }
void FakeRuntime::clear_journal() { impl_->dispatch.clear_journal(); }

bool FakeRuntime::wait_until(const std::function<bool()>& predicate, std::chrono::milliseconds limit) const {
  return impl_->dispatch.wait_until(predicate, limit);
}

}  // namespace keelson::fakes
