// ServiceList and RuntimeClasses.
#include <gtest/gtest.h>

#include "agent/objects/runtime_classes.hpp"
#include "agent/objects/service_list.hpp"
#include "agent/objects/tests/fake_server.hpp"

namespace keelson::agent {
namespace {

using testing::Cluster;
using namespace std::chrono_literals;

const std::string kServices = "/api/v1/services";
const std::string kClasses = "/apis/node.k8s.io/v1/runtimeclasses";

api::core::Service service(const std::string& ns, const std::string& name, const std::string& ip) {
  api::core::Service made;
  made.mutable_metadata()->set_namespace_(ns);
  made.mutable_metadata()->set_name(name);
  (*made.mutable_metadata()->mutable_labels())["app"] = "a label that is not kept";
  made.mutable_spec()->set_clusterip(ip);
  (*made.mutable_spec()->mutable_selector())["app"] = "nor is this";
  auto& port = *made.mutable_spec()->add_ports();
  port.set_name("web");
  port.set_port(80);
  port.set_nodeport(30080);
  auto& second = *made.mutable_spec()->add_ports();
  second.set_protocol("UDP");
  second.set_port(53);
  return made;
}

std::string names(const std::vector<ServiceInfo>& services) {
  std::string text;
  for (const auto& info : services) text += info.ns + "/" + info.name + " ";
  return text;
}

class Lists : public ::testing::Test {
 protected:
  ~Lists() override {
    base::Gate own(cluster.loop);
    base::spawn(own, "stop", cluster.gate.stop());
    cluster.drain();
  }
  // They outlive the tasks of the gate.
  Cluster cluster;
  ServiceList list{cluster.client, cluster.random, base::Logger()};
  RuntimeClasses classes{cluster.client, cluster.random, base::Logger()};
};

TEST_F(Lists, ServicesAreKnownByNameAddressAndPorts) {
  cluster.server.put(kServices, service("ns", "b", "10.0.0.2"));
  EXPECT_FALSE(list.synced());
  list.start(cluster.gate);
  cluster.drain();
  ASSERT_TRUE(list.synced());
  EXPECT_NE(cluster.server.requests[0].target.find("fieldSelector=spec.clusterIP%21%3DNone"), std::string::npos);
  const auto all = list.snapshot();
  ASSERT_EQ(all->size(), 1u);
  const ServiceInfo& info = all->front();
  EXPECT_EQ(info.ns + "/" + info.name + " " + info.cluster_ip, "ns/b 10.0.0.2");
  ASSERT_EQ(info.ports.size(), 2u);
  EXPECT_EQ(info.ports[0].name + " " + info.ports[0].protocol + " " + std::to_string(info.ports[0].port), "web TCP 80");
  EXPECT_EQ(info.ports[1].name + " " + info.ports[1].protocol + " " + std::to_string(info.ports[1].port), " UDP 53");
}

TEST_F(Lists, ASnapshotIsSharedUntilSomethingChanges) {
  cluster.server.put(kServices, service("ns", "b", "10.0.0.2"));
  list.start(cluster.gate);
  cluster.drain();
  const auto first = list.snapshot();
  EXPECT_EQ(list.snapshot(), first);
  cluster.server.put(kServices, service("ns", "a", "10.0.0.3"));
  cluster.drain();
  EXPECT_EQ(names(*list.snapshot()), "ns/a ns/b ");
  EXPECT_EQ(names(*first), "ns/b ") << "who holds the old one keeps it";
  cluster.server.remove<api::core::Service>(kServices, "b");
  cluster.drain();
  EXPECT_EQ(names(*list.snapshot()), "ns/a ");
}

TEST_F(Lists, APodSeesTheServicesOfItsNamespaceAndTheMaster) {
  for (const auto& [ns, name] : std::vector<std::pair<std::string, std::string>>{
           {"default", "kubernetes"}, {"ns", "b"}, {"ns", "a"}, {"ns-2", "c"}, {"default", "d"}}) {
    cluster.server.put(kServices, service(ns, name, "10.0.0.1"));
  }
  list.start(cluster.gate);
  cluster.drain();
  EXPECT_EQ(names(list.seen_from("ns")), "ns/a ns/b default/kubernetes ");
  EXPECT_EQ(names(list.seen_from("default")), "default/d default/kubernetes ");
  EXPECT_EQ(names(list.seen_from("none")), "default/kubernetes ");
}

TEST(TrimService, KeepsJustWhatMakesVariables) {
  auto full = service("ns", "a", "10.0.0.1");
  full.mutable_metadata()->set_uid("u");
  full.mutable_metadata()->set_resourceversion("7");
  const auto before = service_info(full);
  trim_service(full);
  EXPECT_EQ(full.metadata().resourceversion(), "7");
  EXPECT_EQ(full.metadata().uid(), "u");
  EXPECT_TRUE(full.metadata().labels().empty());
  EXPECT_TRUE(full.spec().selector().empty());
  EXPECT_EQ(full.spec().ports(0).nodeport(), 0);
  const auto after = service_info(full);
  EXPECT_EQ(after.cluster_ip, before.cluster_ip);
  EXPECT_EQ(after.ports.size(), before.ports.size());
}

k8s::node::v1::RuntimeClass runtime_class(const std::string& name, const std::string& handler) {
  k8s::node::v1::RuntimeClass made;
  made.mutable_metadata()->set_name(name);
  made.set_handler(handler);
  return made;
}

TEST_F(Lists, ARuntimeClassMeansItsHandler) {
  cluster.server.put(kClasses, runtime_class("gvisor", "runsc"));
  classes.start(cluster.gate);
  cluster.drain();
  EXPECT_EQ(classes.handler_of("").value(), "");
  EXPECT_EQ(classes.handler_of("gvisor").value(), "runsc");
  const auto unknown = classes.handler_of("kata");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().to_string(), "runtimeclass.node.k8s.io \"kata\" not found");
  EXPECT_EQ(unknown.error().kind(), ErrorKind::not_found);
}

TEST_F(Lists, ARuntimeClassIsWaitedForASecondAtTheStart) {
  cluster.server.silent = true;
  classes.start(cluster.gate);
  cluster.drain();
  const auto none = cluster.begin(classes.find_handler(""));
  EXPECT_TRUE(none->has_value()) << "no class needs no waiting";
  const auto found = cluster.begin(classes.find_handler("kata"));
  EXPECT_FALSE(found->has_value());
  cluster.clock.advance(1s);
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->error().kind(), ErrorKind::not_found);
}

}  // namespace
}  // namespace keelson::agent
