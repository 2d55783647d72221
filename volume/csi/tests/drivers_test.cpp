#include "volume/csi/drivers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::volume {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CsiVersion, IsReadAsGenericVersionsAre) {
  struct Row {
    const char* text;
    const char* read;  // empty: refused
  };
  for (const Row& row :
       {Row{"1.0.0", "1.0.0"}, Row{"v1.2", "1.2"}, Row{" 1.4.0-rc1", "1.4.0"}, Row{"0.3.0", "0.3.0"}, Row{"1", ""},
        Row{"", ""}, Row{"one", ""}, Row{"1.02", ""}, Row{"1.", ""}, Row{"99999999999999999999.1", ""}}) {
    const auto version = CsiVersion::parse(row.text);
    EXPECT_EQ(version.ok() ? version->to_string() : "", row.read) << row.text;
  }
}

TEST(CsiVersion, IsComparedNumberByNumber) {
  const auto less = [](const char* a, const char* b) { return *CsiVersion::parse(a) < *CsiVersion::parse(b); };
  EXPECT_TRUE(less("1.9.0", "1.10.0"));
  EXPECT_FALSE(less("1.0", "1.0.0"));
  EXPECT_TRUE(less("1.0", "1.0.1"));
  EXPECT_FALSE(less("1.1", "1.0.9"));
}

TEST(CsiVersion, TheHighestOneOfMajorOneCounts) {
  struct Row {
    std::vector<std::string> versions;
    const char* highest;
    const char* error;
  };
  const std::vector<Row> rows = {
      {{"1.0.0", "1.2.0", "1.1.0"}, "1.2.0", ""},
      {{"2.0.0", "1.0.0"}, "1.0.0", ""},
      {{"0.3.0", "1.0.0"}, "1.0.0", ""},
      {{"0.3.0"}, "", "highest supported version reported by driver is 0.3.0, must be v1.x"},
      {{"2.0.0"}, "", "could not find a highest supported version from versions ([\"2.0.0\"])"},
      {{"bad"}, "", "could not parse \"bad\" as version"},
  };
  for (const Row& row : rows) {
    const auto highest = highest_csi_version(row.versions);
    EXPECT_EQ(highest.ok() ? highest->to_string() : "", row.highest) << row.versions.front();
    if (!highest.ok()) {
      EXPECT_THAT(highest.error().to_string(), HasSubstr(row.error));
    }
  }
}

TEST(CsiDrivers, KeepWhereADriverIs) {
  CsiDrivers drivers;
  int changes = 0;
  drivers.on_change([&] { ++changes; });
  ASSERT_TRUE(drivers.add("disk.example", "/run/disk.sock", {"1.0.0"}).ok());
  ASSERT_TRUE(drivers.add("net.example", "unix:///run/net.sock", {"1.0.0"}).ok());
  EXPECT_EQ(drivers.find("disk.example")->endpoint, "/run/disk.sock");
  EXPECT_EQ(drivers.find("net.example")->endpoint, "/run/net.sock");
  EXPECT_THAT(drivers.names(), ElementsAre("disk.example", "net.example"));
  EXPECT_TRUE(drivers.remove("disk.example"));
  EXPECT_FALSE(drivers.remove("disk.example"));
  EXPECT_FALSE(drivers.find("disk.example").has_value());
  EXPECT_EQ(changes, 3);
}

TEST(CsiDrivers, ASecondOneOfANameNeedsAHigherVersion) {
  CsiDrivers drivers;
  ASSERT_TRUE(drivers.add("disk.example", "/run/1.sock", {"1.1.0"}).ok());
  for (const char* version : {"1.0.0", "1.1.0"}) {
    const Status valid = drivers.validate("disk.example", "/run/2.sock", {version});
    ASSERT_FALSE(valid.ok()) << version;
    EXPECT_EQ(valid.error().to_string(),
              "validation failed for CSI Driver disk.example at endpoint /run/2.sock: kubernetes.io/csi: "
              "ValidatePlugin for CSI driver \"disk.example\" failed. Another driver with the same name is already "
              "registered with a higher supported version: \"1.1.0\"");
  }
  EXPECT_TRUE(drivers.validate("disk.example", "/run/2.sock", {"1.2.0"}).ok());
  ASSERT_TRUE(drivers.add("disk.example", "/run/2.sock", {"1.2.0"}).ok());
  EXPECT_EQ(drivers.find("disk.example")->endpoint, "/run/2.sock");
}

TEST(CsiDrivers, RefuseWhatCannotBeRegistered) {
  CsiDrivers drivers;
  EXPECT_THAT(drivers.validate("disk.example", "/s", {}).error().to_string(),
              HasSubstr("Plugin returned an empty list for supported versions"));
  EXPECT_THAT(drivers.validate("disk.example", "/s", {"0.1.0"}).error().to_string(),
              HasSubstr("None of the versions specified [\"0.1.0\"] are supported. err="));
  for (const char* name : {"", "..", "a/b"}) {
    EXPECT_FALSE(drivers.validate(name, "/s", {"1.0.0"}).ok()) << name;
  }
}

}  // namespace
}  // namespace keelson::volume
