#include "tests/support/csi/driver.hpp"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/plugins/proto/plugin_registration.grpc.pb.h"
#include "base/file.hpp"
#include "tests/support/csi/faults.hpp"
#include "tests/support/csi/host_volumes.hpp"
#include "volume/csi/proto/csi.grpc.pb.h"

namespace keelson::fakes {

namespace pb = ::csi::v1;
namespace registration = ::pluginregistration;
using nlohmann::json;

namespace {

grpc::Status status_of(const Status& done) {
  if (done.ok()) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::INTERNAL, done.error().to_string());
}

json json_of(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return json();
  return json::parse(text);
}

grpc::Status missing(const std::string& what) {
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, what + " is missing in the request");
}

}  // namespace

struct CsiDriverServer::Impl {
  explicit Impl(CsiDriverOptions given)
      : options(std::move(given)),
        faults(options.control),
        volumes(options.directory, options.mounts),
        identity(*this),
        node(*this),
        registrar(*this) {}

  // Logs, lets go wrong what shall, and does the work in between.
  template <class Request, class Work>
  grpc::Status serve(const char* method, grpc::ServerContext* context, const Request* request, Work work) {
    note(method, *context, *request);
    const auto fault = faults.next(method);
    if (fault && fault->delay_ms > 0) wait(*context, std::chrono::milliseconds(fault->delay_ms));
    if (fault && fault->effect) (void)locked(work);
    if (fault && fault->die) ::_exit(9);
    if (fault && fault->hang) return hang(*context);
    if (fault && fault->code != 0) return grpc::Status(static_cast<grpc::StatusCode>(fault->code), fault->message);
    return locked(work);
  }
  template <class Work>
  grpc::Status locked(Work work) {
    const std::lock_guard lock(mutex);
    return work();
  }

  void note(const char* method, const grpc::ServerContext& context, const google::protobuf::Message& request) {
    if (options.log.empty()) return;
    const auto authority = context.ExperimentalGetAuthority();
    const json line = {{"method", method},
                       {"authority", std::string(authority.data(), authority.size())},
                       {"peer", context.peer()},
                       {"request", json_of(request)}};
    const std::lock_guard lock(log_mutex);
    std::ofstream(options.log, std::ios::app) << line.dump() << std::endl;
  }
  // The end of the call ends both.
  void wait(grpc::ServerContext& context, std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!context.IsCancelled() && !stopping && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }
  grpc::Status hang(grpc::ServerContext& context) {
    wait(context, std::chrono::hours(1));
    return grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled");
  }

  struct IdentityService final : pb::Identity::Service {
    explicit IdentityService(Impl& owner) : impl(owner) {}
    Impl& impl;

    grpc::Status GetPluginInfo(grpc::ServerContext* context, const pb::GetPluginInfoRequest* request,
                               pb::GetPluginInfoResponse* response) override {
      return impl.serve("GetPluginInfo", context, request, [&] {
        response->set_name(impl.options.name);
        response->set_vendor_version("0.1.0");
        return grpc::Status::OK;
      });
    }
    grpc::Status GetPluginCapabilities(grpc::ServerContext* context, const pb::GetPluginCapabilitiesRequest* request,
                                       pb::GetPluginCapabilitiesResponse*) override {
      return impl.serve("GetPluginCapabilities", context, request, [] { return grpc::Status::OK; });
    }
    grpc::Status Probe(grpc::ServerContext* context, const pb::ProbeRequest* request,
                       pb::ProbeResponse* response) override {
      return impl.serve("Probe", context, request, [&] {
        response->mutable_ready()->set_value(true);
        return grpc::Status::OK;
      });
    }
  };

  struct NodeService final : pb::Node::Service {
    explicit NodeService(Impl& owner) : impl(owner) {}
    Impl& impl;

    grpc::Status NodeGetCapabilities(grpc::ServerContext* context, const pb::NodeGetCapabilitiesRequest* request,
                                     pb::NodeGetCapabilitiesResponse* response) override {
      return impl.serve("NodeGetCapabilities", context, request, [&] {
        for (const std::string& name : impl.options.capabilities) {
          pb::NodeServiceCapability::RPC::Type type;
          if (!pb::NodeServiceCapability::RPC::Type_Parse(name, &type)) continue;
          response->add_capabilities()->mutable_rpc()->set_type(type);
        }
        return grpc::Status::OK;
      });
    }
    grpc::Status NodeGetInfo(grpc::ServerContext* context, const pb::NodeGetInfoRequest* request,
                             pb::NodeGetInfoResponse* response) override {
      return impl.serve("NodeGetInfo", context, request, [&] {
        response->set_node_id(impl.options.node_id);
        response->set_max_volumes_per_node(impl.options.max_volumes);
        for (const auto& [key, value] : impl.options.topology)
          (*response->mutable_accessible_topology()->mutable_segments())[key] = value;
        return grpc::Status::OK;
      });
    }
    grpc::Status NodeStageVolume(grpc::ServerContext* context, const pb::NodeStageVolumeRequest* request,
                                 pb::NodeStageVolumeResponse*) override {
      return impl.serve("NodeStageVolume", context, request, [&] {
        if (request->volume_id().empty()) return missing("volume_id");
        if (request->staging_target_path().empty()) return missing("staging_target_path");
        return status_of(impl.volumes.stage(request->volume_id(), request->staging_target_path(),
                                            request->volume_capability().has_block()));
      });
    }
    grpc::Status NodeUnstageVolume(grpc::ServerContext* context, const pb::NodeUnstageVolumeRequest* request,
                                   pb::NodeUnstageVolumeResponse*) override {
      return impl.serve("NodeUnstageVolume", context, request, [&] {
        if (request->staging_target_path().empty()) return missing("staging_target_path");
        return status_of(impl.volumes.unstage(request->volume_id(), request->staging_target_path()));
      });
    }
    grpc::Status NodePublishVolume(grpc::ServerContext* context, const pb::NodePublishVolumeRequest* request,
                                   pb::NodePublishVolumeResponse*) override {
      return impl.serve("NodePublishVolume", context, request, [&] {
        if (request->volume_id().empty()) return missing("volume_id");
        if (request->target_path().empty()) return missing("target_path");
        return status_of(impl.volumes.publish(request->volume_id(), request->staging_target_path(),
                                              request->target_path(), request->volume_capability().has_block(),
                                              request->readonly()));
      });
    }
    grpc::Status NodeUnpublishVolume(grpc::ServerContext* context, const pb::NodeUnpublishVolumeRequest* request,
                                     pb::NodeUnpublishVolumeResponse*) override {
      return impl.serve("NodeUnpublishVolume", context, request, [&] {
        if (request->target_path().empty()) return missing("target_path");
        return status_of(impl.volumes.unpublish(request->volume_id(), request->target_path()));
      });
    }
    grpc::Status NodeGetVolumeStats(grpc::ServerContext* context, const pb::NodeGetVolumeStatsRequest* request,
                                    pb::NodeGetVolumeStatsResponse* response) override {
      return impl.serve("NodeGetVolumeStats", context, request, [&] {
        struct statvfs info {};
        if (::statvfs(request->volume_path().c_str(), &info) != 0)
          return grpc::Status(grpc::StatusCode::NOT_FOUND, "no volume at " + request->volume_path());
        auto& bytes = *response->add_usage();
        bytes.set_unit(pb::VolumeUsage::BYTES);
        bytes.set_total(static_cast<std::int64_t>(info.f_blocks * info.f_frsize));
        bytes.set_available(static_cast<std::int64_t>(info.f_bavail * info.f_frsize));
        bytes.set_used(static_cast<std::int64_t>((info.f_blocks - info.f_bfree) * info.f_frsize));
        auto& inodes = *response->add_usage();
        inodes.set_unit(pb::VolumeUsage::INODES);
        inodes.set_total(static_cast<std::int64_t>(info.f_files));
        inodes.set_available(static_cast<std::int64_t>(info.f_ffree));
        inodes.set_used(static_cast<std::int64_t>(info.f_files - info.f_ffree));
        return grpc::Status::OK;
      });
    }
    grpc::Status NodeExpandVolume(grpc::ServerContext* context, const pb::NodeExpandVolumeRequest* request,
                                  pb::NodeExpandVolumeResponse* response) override {
      return impl.serve("NodeExpandVolume", context, request, [&] {
        if (!base::path_exists(request->volume_path()))
          return grpc::Status(grpc::StatusCode::NOT_FOUND, "no volume at " + request->volume_path());
        response->set_capacity_bytes(request->capacity_range().required_bytes());
        return grpc::Status::OK;
      });
    }
  };

  struct RegistrationService final : registration::Registration::Service {
    explicit RegistrationService(Impl& owner) : impl(owner) {}
    Impl& impl;

    grpc::Status GetInfo(grpc::ServerContext* context, const registration::InfoRequest* request,
                         registration::PluginInfo* response) override {
      return impl.serve("GetInfo", context, request, [&] {
        response->set_type("CSIPlugin");
        response->set_name(impl.options.name);
        response->set_endpoint(impl.options.socket);
        for (const std::string& version : impl.options.versions) response->add_supported_versions(version);
        return grpc::Status::OK;
      });
    }
    grpc::Status NotifyRegistrationStatus(grpc::ServerContext* context, const registration::RegistrationStatus* request,
                                          registration::RegistrationStatusResponse*) override {
      return impl.serve("NotifyRegistrationStatus", context, request, [] { return grpc::Status::OK; });
    }
  };

  std::unique_ptr<grpc::Server> listen(const std::string& socket, const std::vector<grpc::Service*>& services) {
    // What one that was killed has left.
    ::unlink(socket.c_str());
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    for (grpc::Service* service : services) builder.RegisterService(service);
    return builder.BuildAndStart();
  }

  CsiDriverOptions options;
  CsiFaults faults;
  HostVolumes volumes;
  IdentityService identity;
  NodeService node;
  RegistrationService registrar;
  std::mutex mutex;
  std::mutex log_mutex;
  std::atomic<bool> stopping{false};
  std::unique_ptr<grpc::Server> driver_server;
  std::unique_ptr<grpc::Server> registration_server;
};

CsiDriverServer::CsiDriverServer(CsiDriverOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
CsiDriverServer::~CsiDriverServer() { stop(); }

// The registration last: whoever finds its socket may call the driver at once.
Status CsiDriverServer::start() {
  Impl& impl = *impl_;
  KEELSON_TRY(base::make_directories(impl.options.directory, 0755));
  impl.driver_server = impl.listen(impl.options.socket, {&impl.identity, &impl.node});
  if (impl.driver_server == nullptr) return Error(ErrorKind::unavailable, "cannot listen on " + impl.options.socket);
  if (impl.options.registration.empty()) return {};
  impl.registration_server = impl.listen(impl.options.registration, {&impl.registrar});
  if (impl.registration_server != nullptr) return {};
  return Error(ErrorKind::unavailable, "cannot listen on " + impl.options.registration);
}

void CsiDriverServer::stop() {
  Impl& impl = *impl_;
  impl.stopping = true;
  const auto at_once = std::chrono::system_clock::now();
  if (impl.registration_server) impl.registration_server->Shutdown(at_once);
  if (impl.driver_server) impl.driver_server->Shutdown(at_once);
  impl.registration_server.reset();
  impl.driver_server.reset();
}

}  // namespace keelson::fakes
