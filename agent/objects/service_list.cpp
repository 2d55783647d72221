#include "agent/objects/service_list.hpp"

#include <utility>

namespace keelson::agent {
namespace {

kube::Selection with_cluster_ip() {
  kube::Selection selection;
  selection.field_selector = "spec.clusterIP!=None";
  return selection;
}

}  // namespace

ServiceList::ServiceList(kube::Client& client, base::Random& random, base::Logger log)
    : informer_(client, random, with_cluster_ip(), std::move(log)) {
  informer_.trim_by(trim_service);
  informer_.on_event([this](const auto&) { snapshot_ = nullptr; });
}

ServiceList::Snapshot ServiceList::snapshot() {
  if (snapshot_ == nullptr) {
    auto all = std::make_shared<std::vector<ServiceInfo>>();
    all->reserve(informer_.objects().size());
    for (const auto& [key, service] : informer_.objects()) all->push_back(service_info(*service));
    snapshot_ = std::move(all);
  }
  return snapshot_;
}

std::vector<ServiceInfo> ServiceList::seen_from(const std::string& ns) const {
  std::vector<ServiceInfo> seen;
  const auto& all = informer_.objects();
  const std::string first = ns + "/";
  for (auto entry = all.lower_bound(first); entry != all.end() && entry->first.starts_with(first); ++entry) {
    seen.push_back(service_info(*entry->second));
  }
  if (ns == "default") return seen;
  if (const auto master = informer_.find("default/kubernetes")) seen.push_back(service_info(*master));
  return seen;
}

ServiceInfo service_info(const api::core::Service& service) {
  ServiceInfo info{service.metadata().namespace_(), service.metadata().name(), service.spec().clusterip(), {}};
  info.ports.reserve(static_cast<std::size_t>(service.spec().ports_size()));
  for (const auto& port : service.spec().ports()) {
    info.ports.push_back({port.name(), port.protocol().empty() ? "TCP" : port.protocol(), port.port()});
  }
  return info;
}

void trim_service(api::core::Service& service) {
  api::core::Service small;
  auto& from = *service.mutable_metadata();
  auto& to = *small.mutable_metadata();
  to.set_name(std::move(*from.mutable_name()));
  to.set_namespace_(std::move(*from.mutable_namespace_()));
  to.set_uid(std::move(*from.mutable_uid()));
  to.set_resourceversion(std::move(*from.mutable_resourceversion()));
  small.mutable_spec()->set_clusterip(service.spec().clusterip());
  for (const auto& port : service.spec().ports()) {
    auto& kept = *small.mutable_spec()->add_ports();
    if (!port.name().empty()) kept.set_name(port.name());
    if (!port.protocol().empty()) kept.set_protocol(port.protocol());
    kept.set_port(port.port());
  }
  service.Swap(&small);
}

}  // namespace keelson::agent
