#include "volume/csi/migration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "volume/csi/volume.hpp"

namespace keelson::volume {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

template <class T>
T from_yaml(const std::string& text) {
  T out;
  const auto tree = api::parse_document(text);
  EXPECT_TRUE(tree.ok()) << tree.error().to_string();
  const auto done = api::decode(*tree, out);
  EXPECT_TRUE(done.ok()) << done.error().to_string();
  return out;
}

api::core::PersistentVolume pv(const std::string& spec, const std::string& metadata = "") {
  auto out = from_yaml<api::core::PersistentVolume>("apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv-1" +
                                                    metadata + "}\nspec:\n  accessModes: [ReadWriteOnce]\n" + spec);
  return out;
}

api::core::PersistentVolume migrated(const api::core::PersistentVolume& given) {
  auto out = migrated_to_csi(given);
  EXPECT_TRUE(out.ok()) << out.error().to_string();
  EXPECT_TRUE(out->has_value());
  return **out;
}

api::core::PersistentVolume migrated_inline(const std::string& source) {
  const auto volume = from_yaml<api::core::Volume>("name: data\n" + source);
  auto out = migrated_to_csi(volume, "team");
  EXPECT_TRUE(out.ok()) << out.error().to_string();
  EXPECT_TRUE(out->has_value());
  return **out;
}

const api::core::CSIPersistentVolumeSource& csi(const api::core::PersistentVolume& pv) {
  return pv.spec().persistentvolumesource().csi();
}

// "key=a,b" for each expression of the first term.
std::vector<std::string> affinity(const api::core::PersistentVolume& pv) {
  std::vector<std::string> out;
  const auto& terms = pv.spec().nodeaffinity().required().nodeselectorterms();
  if (terms.empty()) return out;
  for (const auto& wanted : terms[0].matchexpressions()) {
    std::string text = wanted.key() + "=";
    for (const auto& value : wanted.values()) text += (text.back() == '=' ? "" : ",") + value;
    out.push_back(text);
  }
  return out;
}

TEST(Migration, LeavesEverythingElseAlone) {
  auto none = migrated_to_csi(pv("  nfs: {server: s, path: /p}\n"));
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  api::core::Volume volume;
  volume.mutable_volumesource()->mutable_emptydir();
  EXPECT_FALSE(migrated_to_csi(volume, "team")->has_value());
}

TEST(Migration, OfAwsElasticBlockStore) {
  for (const char* id : {"vol-12", "aws:///vol-12", "aws://us-east-1a/vol-12", "aws://us-east-1a/vol-12/"}) {
    const auto out = migrated(
        pv("  awsElasticBlockStore: {volumeID: '" + std::string(id) + "', fsType: xfs, partition: 3, readOnly: true}\n",
           ", labels: {topology.kubernetes.io/zone: us-east-1a__us-east-1b}"));
    EXPECT_EQ(csi(out).driver(), "ebs.csi.aws.com");
    EXPECT_EQ(csi(out).volumehandle(), "vol-12") << id;
    EXPECT_EQ(csi(out).fstype(), "xfs");
    EXPECT_TRUE(csi(out).readonly());
    EXPECT_EQ(csi(out).volumeattributes().at("partition"), "3");
    EXPECT_THAT(affinity(out), ElementsAre("topology.ebs.csi.aws.com/zone=us-east-1a,us-east-1b"));
    EXPECT_FALSE(out.spec().persistentvolumesource().has_awselasticblockstore());
  }
  EXPECT_THAT(migrated_to_csi(pv("  awsElasticBlockStore: {volumeID: 'aws://zone/disk'}\n")).error().to_string(),
              HasSubstr("Invalid format for AWS volume (aws://zone/disk)"));
  const auto of_pod = migrated_inline("awsElasticBlockStore: {volumeID: 'aws:///vol-12'}\n");
  EXPECT_EQ(of_pod.metadata().name(), "ebs.csi.aws.com-vol-12");
  EXPECT_EQ(csi(of_pod).volumeattributes().at("partition"), "0");
  EXPECT_THAT(of_pod.spec().accessmodes(), ElementsAre("ReadWriteOnce"));
}

TEST(Migration, TakesTheAffinityBeforeTheLabel) {
  const std::string affinity_of =
      "  awsElasticBlockStore: {volumeID: vol-12}\n"
      "  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [\n"
      "    {key: failure-domain.beta.kubernetes.io/zone, operator: In, values: [a]},\n"
      "    {key: failure-domain.beta.kubernetes.io/region, operator: In, values: [r]}]}]}}\n";
  const auto out = migrated(pv(affinity_of, ", labels: {topology.kubernetes.io/zone: b}"));
  EXPECT_THAT(affinity(out), ElementsAre("topology.ebs.csi.aws.com/zone=a", "topology.kubernetes.io/region=r"));
}

TEST(Migration, OfGcePersistentDisk) {
  struct Row {
    const char* zones;
    const char* handle;
  };
  for (const Row& row : {Row{"us-a1-b", "projects/UNSPECIFIED/zones/us-a1-b/disks/d"},
                         Row{"us-a1-b__us-a1-c", "projects/UNSPECIFIED/regions/us-a1/disks/d"},
                         Row{"", "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"}}) {
    auto given = pv("  gcePersistentDisk: {pdName: d, partition: 2}\n",
                    ", labels: {failure-domain.beta.kubernetes.io/zone: '" + std::string(row.zones) + "'}");
    given.mutable_spec()->add_accessmodes("ReadOnlyMany");
    const auto out = migrated(given);
    EXPECT_EQ(csi(out).driver(), "pd.csi.storage.gke.io");
    EXPECT_EQ(csi(out).volumehandle(), row.handle);
    EXPECT_EQ(csi(out).volumeattributes().at("partition"), "2");
    EXPECT_THAT(out.spec().accessmodes(), ElementsAre("ReadWriteOnce"));
  }
  EXPECT_FALSE(migrated_to_csi(pv("  gcePersistentDisk: {pdName: d}\n",
                                  ", labels: {topology.kubernetes.io/zone: us-a1-b__eu-a1-b}"))
                   .ok());
  const auto of_pod = migrated_inline("gcePersistentDisk: {pdName: d, readOnly: true}\n");
  EXPECT_EQ(of_pod.metadata().name(), "pd.csi.storage.gke.io-d");
  EXPECT_EQ(csi(of_pod).volumeattributes().at("partition"), "");
  EXPECT_THAT(of_pod.spec().accessmodes(), ElementsAre("ReadOnlyMany"));
}

TEST(Migration, OfAzureDisk) {
  const auto out =
      migrated(pv("  azureDisk: {diskName: d, diskURI: /sub/d, cachingMode: None, fsType: ext4, kind: Dedicated}\n"));
  EXPECT_EQ(csi(out).driver(), "disk.csi.azure.com");
  EXPECT_EQ(csi(out).volumehandle(), "/sub/d");
  EXPECT_EQ(csi(out).fstype(), "ext4");
  EXPECT_THAT(csi(out).volumeattributes(), UnorderedElementsAre(Pair("kind", "Dedicated"), Pair("cachingMode", "None"),
                                                                Pair("fsType", "ext4"), Pair("csi-migration", "true")));
  const auto of_pod = migrated_inline("azureDisk: {diskName: d, diskURI: /sub/d}\n");
  EXPECT_EQ(of_pod.metadata().name(), "disk.csi.azure.com-d");
  EXPECT_EQ(csi(of_pod).volumeattributes().at("kind"), "Managed");
}

TEST(Migration, OfAzureFile) {
  const auto out =
      migrated(pv("  claimRef: {namespace: shop, name: c}\n"
                  "  azureFile: {secretName: azure-storage-account-acct-secret, shareName: share}\n",
                  ", annotations: {kubernetes.io/azure-file-resource-group: rg}"));
  EXPECT_EQ(csi(out).driver(), "file.csi.azure.com");
  EXPECT_EQ(csi(out).volumehandle(), "rg#acct#share#pv-1#shop");
  EXPECT_EQ(csi(out).volumeattributes().at("sharename"), "share");
  EXPECT_EQ(csi(out).nodestagesecretref().name(), "azure-storage-account-acct-secret");
  EXPECT_EQ(csi(out).nodestagesecretref().namespace_(), "shop");
  const auto own = migrated(pv("  azureFile: {secretName: s, shareName: share, secretNamespace: own}\n"));
  EXPECT_EQ(csi(own).volumehandle(), "#s#share#pv-1#own");
  EXPECT_THAT(migrated_to_csi(pv("  azureFile: {secretName: s, shareName: share}\n")).error().to_string(),
              HasSubstr("could not find a secret namespace"));
  const auto of_pod = migrated_inline("azureFile: {secretName: s, shareName: share}\n");
  EXPECT_EQ(of_pod.metadata().name(), "#s#share#data#team");
  EXPECT_EQ(csi(of_pod).volumehandle(), "#s#share#data#team");
  EXPECT_THAT(of_pod.spec().accessmodes(), ElementsAre("ReadWriteMany"));
}

TEST(Migration, OfCinderVsphereAndPortworx) {
  const auto cinder =
      migrated(pv("  cinder: {volumeID: c-1, fsType: ext4}\n", ", labels: {topology.kubernetes.io/zone: nova}"));
  EXPECT_EQ(csi(cinder).driver(), "cinder.csi.openstack.org");
  EXPECT_EQ(csi(cinder).volumehandle(), "c-1");
  EXPECT_THAT(affinity(cinder), ElementsAre("topology.cinder.csi.openstack.org/zone=nova"));
  EXPECT_EQ(migrated_inline("cinder: {volumeID: c-1}\n").metadata().name(), "cinder.csi.openstack.org-c-1");

  const auto vsphere = migrated(pv("  vsphereVolume: {volumePath: '[ds] v/a.vmdk', storagePolicyName: gold}\n",
                                   ", labels: {topology.kubernetes.io/zone: z, topology.kubernetes.io/region: r}"));
  EXPECT_EQ(csi(vsphere).driver(), "csi.vsphere.vmware.com");
  EXPECT_EQ(csi(vsphere).volumehandle(), "[ds] v/a.vmdk");
  EXPECT_EQ(csi(vsphere).volumeattributes().at("storagepolicyname"), "gold");
  EXPECT_THAT(affinity(vsphere), ElementsAre("topology.csi.vmware.com/zone=z", "topology.csi.vmware.com/region=r"));

  const auto portworx =
      migrated(pv("  portworxVolume: {volumeID: p-1, fsType: ext4}\n",
                  ", annotations: {openstorage.io/auth-secret-name: s, openstorage.io/auth-secret-namespace: px}"));
  EXPECT_EQ(csi(portworx).driver(), "pxd.portworx.com");
  EXPECT_EQ(csi(portworx).volumehandle(), "p-1");
  EXPECT_EQ(csi(portworx).nodepublishsecretref().name(), "s");
  EXPECT_EQ(csi(portworx).nodestagesecretref().namespace_(), "px");
  const auto of_pod = migrated_inline("portworxVolume: {volumeID: p-1, readOnly: true}\n");
  EXPECT_FALSE(csi(of_pod).has_nodestagesecretref());
  EXPECT_THAT(of_pod.spec().accessmodes(), ElementsAre("ReadOnlyMany"));
}

TEST(Migration, GivesVolumesThatThePluginTakes) {
  const auto volume = csi_volume(migrated_inline("azureFile: {secretName: s, shareName: share}\n"), true);
  ASSERT_TRUE(volume.ok()) << volume.error().to_string();
  EXPECT_EQ(volume->driver, "file.csi.azure.com");
  EXPECT_EQ(volume->stage_secret, (CsiSecretRef{"team", "s"}));
  EXPECT_TRUE(volume->read_only);
}

}  // namespace
}  // namespace keelson::volume
