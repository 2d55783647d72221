#include "kube-client/resource.hpp"

#include <gtest/gtest.h>

#include "api/proto/coordination_v1.pb.h"
#include "api/proto/core_v1.pb.h"
#include "api/proto/storage_v1.pb.h"

namespace keelson::kube {
namespace {

TEST(Resource, PathsFollowGroupNamespaceAndSubresource) {
  const auto& pods = resource_of(k8s::core::v1::Pod::descriptor());
  EXPECT_EQ(path_of(pods, ""), "/api/v1/pods");
  EXPECT_EQ(path_of(pods, "ns", "p", "status"), "/api/v1/namespaces/ns/pods/p/status");
  EXPECT_EQ(path_of(resource_of(k8s::core::v1::Node::descriptor()), "ignored", "n"), "/api/v1/nodes/n");
  EXPECT_EQ(path_of(resource_of(k8s::coordination::v1::Lease::descriptor()), "kube-node-lease", "n"),
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n");
  EXPECT_EQ(path_of(resource_of(k8s::storage::v1::CSINode::descriptor()), "", "n"),
            "/apis/storage.k8s.io/v1/csinodes/n");
}

TEST(Resource, QueryValuesAreEncodedAsGoDoes) {
  EXPECT_EQ(url_encode("spec.clusterIP!=None"), "spec.clusterIP%21%3DNone");
  EXPECT_EQ(url_encode("a b/c"), "a%20b%2Fc");
}

}  // namespace
}  // namespace keelson::kube
