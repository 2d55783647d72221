// RealHost::runtime(): the container runtime asked over its socket, on a loop of the command's own.
#include <boost/asio/co_spawn.hpp>

#include "agent/cli/doctor_host.hpp"
#include "base/gate.hpp"
#include "base/loop.hpp"
#include "cri-client/grpc_runtime.hpp"

namespace keelson::agent {
namespace {

constexpr auto call_limit = std::chrono::seconds(3);

template <class T>
base::Task<Result<T>> limited(base::Clock& clock, base::Task<Result<T>> call) {
  auto answer = co_await base::with_timeout<Result<T>>(clock, call_limit, std::move(call));
  if (answer) co_return std::move(*answer);
  co_return Error(ErrorKind::deadline_exceeded, "it accepts the connection but does not answer within 3s");
}

base::Task<RuntimeView> ask(base::Clock& clock, cri::GrpcRuntime& runtime) {
  RuntimeView view;
  auto version = co_await limited<cri::Version>(clock, runtime.version("0.1.0"));
  if (!version.ok()) {
    view.reached = std::move(version).error();
    co_return view;
  }
  view.version = std::move(*version);
  auto status = co_await limited<cri::RuntimeStatus>(clock, runtime.status());
  view.status = std::move(status);
  auto driver = co_await limited<std::optional<cri::CgroupDriver>>(clock, runtime.runtime_config());
  view.cgroup_driver = std::move(driver);
  auto images = co_await limited<cri::ImageFsInfo>(clock, runtime.image_fs_info());
  if (images.ok()) {
    for (const auto& use : images->image_filesystems) view.image_filesystems.push_back(use.mountpoint);
  }
  co_return view;
}

base::Task<void> ask_and_stop(base::Loop* loop, base::Clock* clock, cri::GrpcRuntime* runtime, RuntimeView* view) {
  auto answer = co_await ask(*clock, *runtime);
  *view = std::move(answer);
  runtime->stop();
  loop->stop();
}

}  // namespace

RuntimeView RealHost::runtime(const std::string& endpoint, const std::string& image_endpoint) {
  base::Loop loop;
  base::RealClock clock(loop);
  cri::GrpcRuntimeOptions options;
  options.endpoint = endpoint;
  options.image_endpoint = image_endpoint == endpoint ? "" : image_endpoint;
  options.request_timeout = call_limit;
  auto runtime = cri::GrpcRuntime::create(loop, clock, options);
  RuntimeView view;
  if (!runtime.ok()) {
    view.reached = std::move(runtime).error();
    return view;
  }
  base::Gate gate(loop);
  base::spawn(gate, "doctor", ask_and_stop(&loop, &clock, runtime->get(), &view));
  loop.run();
  while (gate.tasks() > 0) loop.poll();
  return view;
}

}  // namespace keelson::agent
