// GrpcRuntime: the container runtime behind one or two unix sockets, over the CRI.
//
// Owner: main() or a test. Thread: the loop. Connections are made at the first call and at the first after they were
// lost; no call that the runtime may have seen is sent again. Stops: stop(), also done by the destructor, refuses new
// calls and ends running ones with `cancelled`. Fails: as cri-client/runtime.hpp says. Errors' text is "rpc error: code
// = X desc = ...", Error::code() the gRPC code; exceptions, by contract 02 §1: PullImage with code Unknown gives the
// bare message, ExecSync that ran out of time `command "ARGV" timed out`. A broken connection under a call that changes
// something is `maybe_applied`, one that could not be made `unavailable`. Source: contract 02 §1, 02a.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "cri-client/operation_metrics.hpp"
#include "cri-client/runtime.hpp"
#include "cri-client/stats.hpp"
#include "cri-client/streaming.hpp"
#include "cri-client/transport.hpp"

namespace keelson::cri {

struct GrpcRuntimeOptions {
  std::string endpoint = "unix:///run/containerd/containerd.sock";
  std::string image_endpoint;                                // empty: the same as `endpoint`
  base::Duration request_timeout = std::chrono::minutes(2);  // T, runtimeRequestTimeout
  bool streamed_lists = false;                               // feature gate CRIListStreaming
  TransportLimits limits;
};

class GrpcRuntime final : public RuntimeService, public ImageService, public StatsService, public StreamingService {
 public:
  // `invalid` when an endpoint is no unix socket. Does not connect.
  static Result<std::unique_ptr<GrpcRuntime>> create(base::Loop& loop, base::Clock& clock, GrpcRuntimeOptions options);
  ~GrpcRuntime() override;

  void stop();

  const OperationMetrics& metrics() const { return metrics_; }
  const std::string& runtime_path() const { return runtime_->path(); }
  const std::string& image_path() const { return images_->path(); }
  std::size_t running_calls() const;

  Task<Result<Version>> version(std::string kubelet_version) override;
  Task<Result<RuntimeStatus>> status() override;
  Task<Result<std::optional<CgroupDriver>>> runtime_config() override;
  Task<Status> update_runtime_config(std::string pod_cidr) override;
  Task<Result<std::string>> run_pod_sandbox(PodSandboxConfig config, std::string runtime_handler) override;
  Task<Status> stop_pod_sandbox(std::string id) override;
  Task<Status> remove_pod_sandbox(std::string id) override;
  Task<Result<PodSandboxStatus>> pod_sandbox_status(std::string id) override;
  Task<Result<std::vector<PodSandbox>>> list_pod_sandboxes(PodSandboxFilter filter) override;
  Task<Result<std::string>> create_container(std::string sandbox_id, ContainerConfig config,
                                             PodSandboxConfig sandbox_config) override;
  Task<Status> start_container(std::string id) override;
  Task<Status> stop_container(std::string id, std::chrono::seconds grace) override;
  Task<Status> remove_container(std::string id) override;
  Task<Result<ContainerStatus>> container_status(std::string id) override;
  Task<Result<std::vector<Container>>> list_containers(ContainerFilter filter) override;
  Task<Status> update_container_resources(std::string id, LinuxContainerResources resources) override;
  Task<Status> update_pod_sandbox_resources(std::string id, std::optional<LinuxContainerResources> overhead,
                                            std::optional<LinuxContainerResources> resources) override;
  Task<Status> reopen_container_log(std::string id) override;
  Task<Result<ExecSyncResult>> exec_sync(std::string id, std::vector<std::string> command,
                                         std::chrono::seconds timeout) override;
  Task<Status> container_events(std::function<void(ContainerEvent)> on_event) override;

  Task<Result<std::optional<Image>>> image_status(ImageSpec image) override;
  Task<Result<std::vector<Image>>> list_images() override;
  Task<Result<std::string>> pull_image(ImageSpec image, std::optional<AuthConfig> auth,
                                       PodSandboxConfig sandbox_config) override;
  Task<Status> remove_image(ImageSpec image) override;
  Task<Result<ImageFsInfo>> image_fs_info() override;

  Task<Result<ContainerStats>> container_stats(std::string id) override;
  Task<Result<std::vector<ContainerStats>>> list_container_stats(ContainerStatsFilter filter) override;
  Task<Result<PodSandboxStats>> pod_sandbox_stats(std::string id) override;
  Task<Result<std::vector<PodSandboxStats>>> list_pod_sandbox_stats(PodSandboxStatsFilter filter) override;
  Task<Result<std::vector<MetricDescriptor>>> list_metric_descriptors() override;
  Task<Result<std::vector<PodSandboxMetrics>>> list_pod_sandbox_metrics() override;

  Task<Result<std::string>> exec(std::string container_id, std::vector<std::string> command, Streams streams) override;
  Task<Result<std::string>> attach(std::string container_id, Streams streams) override;
  Task<Result<std::string>> port_forward(std::string pod_sandbox_id, std::vector<std::int32_t> ports) override;
  Task<Status> checkpoint_container(std::string container_id, std::string location,
                                    std::chrono::seconds timeout) override;

 private:
  using Check = Status (*)(ExchangeBase&);

  GrpcRuntime(base::Loop& loop, base::Clock& clock, GrpcRuntimeOptions options, std::string runtime_path,
              std::string image_path);

  Transport& transport_of(const Rpc& call) const;
  Task<Status> perform(const Rpc* call, std::shared_ptr<ExchangeBase> exchange, std::chrono::seconds asked,
                       Check check);
  Task<Status> perform_stream(const Rpc* call, std::shared_ptr<ExchangeBase> exchange,
                              std::function<void()> on_message);
  // Sends one call and checks its answer (calls.hpp).
  template <class X>
  Task<Status> send(const Rpc& call, std::shared_ptr<X> exchange, std::chrono::seconds asked = {});
  // A list that comes in parts; `items` picks the list out of a part (calls.hpp). nullopt: the runtime does not know
  // the call.
  template <class Value, class X, class Items>
  Task<std::optional<Result<std::vector<Value>>>> read_list(const Rpc* call, std::shared_ptr<X> stream, Items items);

  base::Clock& clock_;
  GrpcRuntimeOptions options_;
  OperationMetrics metrics_;
  std::shared_ptr<Transport> runtime_;
  std::shared_ptr<Transport> images_;  // the same as runtime_ when both listen on one socket
  // Whether lists are streamed; a runtime that does not know one of a service's streams is not asked again.
  bool stream_runtime_lists_;
  bool stream_image_lists_;
};

}  // namespace keelson::cri
