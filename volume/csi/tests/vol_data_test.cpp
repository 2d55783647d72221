#include "volume/csi/vol_data.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.hpp"

namespace keelson::volume {
namespace {

using ::testing::HasSubstr;

VolData full() {
  VolData data;
  data.spec_vol_id = "pv-1";
  data.volume_handle = "vol<1>&";
  data.driver_name = "disk.example";
  data.node_name = "n1";
  data.attachment_id = "csi-12";
  data.lifecycle_mode = "Persistent";
  return data;
}

TEST(VolData, IsWrittenAsTheKubeletWritesIt) {
  EXPECT_EQ(to_json(full()),
            "{\"attachmentID\":\"csi-12\",\"driverName\":\"disk.example\",\"nodeName\":\"n1\",\"specVolID\":\"pv-1\","
            "\"volumeHandle\":\"vol\\u003c1\\u003e\\u0026\",\"volumeLifecycleMode\":\"Persistent\"}\n");
  VolData staged;
  staged.volume_handle = "v";
  staged.driver_name = "d";
  EXPECT_EQ(to_json(staged), "{\"driverName\":\"d\",\"volumeHandle\":\"v\"}\n");
  staged.selinux_mount_context = "system_u:object_r:container_file_t:s0:c1,c2";
  EXPECT_THAT(to_json(staged), HasSubstr("\"seLinuxMountContext\":\"system_u:object_r:container_file_t:s0:c1,c2\""));
}

TEST(VolData, ReadsWhatItWrote) {
  const auto read = parse_vol_data(to_json(full()));
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(*read, full());
}

TEST(VolData, RefusesWhatItCannotTrust) {
  struct Row {
    const char* text;
    const char* why;
  };
  for (const Row& row : {Row{"", ""}, Row{"[]", "expected an object, found"},
                         Row{"{\"driverName\":1,\"volumeHandle\":\"v\"}", "expected a string"},
                         Row{"{\"driverName\":\"d\"}", "\"volumeHandle\" is missing"},
                         Row{"{\"driverName\":\"\",\"volumeHandle\":\"v\"}", "\"driverName\" is missing"},
                         Row{"{\"driverName\":\"d\",\"driverName\":\"e\",\"volumeHandle\":\"v\"}", "twice"},
                         Row{"{\"driverName\":\"d\",\"volumeHandle\":\"v\"", ""}}) {
    const auto read = parse_vol_data(row.text);
    ASSERT_FALSE(read.ok()) << row.text;
    EXPECT_EQ(read.error().kind(), ErrorKind::invalid) << row.text;
    EXPECT_THAT(read.error().to_string(), HasSubstr(row.why)) << row.text;
  }
}

TEST(VolData, LivesInAFile) {
  char name[] = "/tmp/keelson-voldata-XXXXXX";
  const std::string top = mkdtemp(name);
  EXPECT_EQ(load_vol_data(top).error().kind(), ErrorKind::not_found);
  ASSERT_TRUE(save_vol_data(top, full()).ok());
  struct stat before {};
  ASSERT_EQ(stat((top + "/vol_data.json").c_str(), &before), 0);
  EXPECT_EQ(before.st_mode & 07777, 0644u);
  EXPECT_EQ(*load_vol_data(top), full());
  ASSERT_TRUE(save_vol_data(top, full()).ok());
  struct stat after {};
  stat((top + "/vol_data.json").c_str(), &after);
  EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec) << "the same content is not written again";
  ASSERT_TRUE(base::write_file(top + "/vol_data.json", "{}", 0644).ok());
  EXPECT_THAT(load_vol_data(top).error().to_string(), HasSubstr("while reading " + top + "/vol_data.json"));
  std::filesystem::remove_all(top);
}

}  // namespace
}  // namespace keelson::volume
