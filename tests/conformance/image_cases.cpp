#include <algorithm>

#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

class ImageStore : public Conformance {
 protected:
  cri::ImageStatusResponse image_status(const std::string& name) {
    cri::ImageStatusRequest request;
    request.mutable_image()->set_image(name);
    cri::ImageStatusResponse response;
    const auto status = client().call(&Images::ImageStatus, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status pull(const std::string& name, cri::PullImageResponse& response, const std::string& password = "") {
    cri::PullImageRequest request;
    request.mutable_image()->set_image(name);
    if (!password.empty()) {
      request.mutable_auth()->set_username("keelson");
      request.mutable_auth()->set_password(password);
    }
    return client().call(&Images::PullImage, request, response);
  }
  grpc::Status remove_image(const std::string& name) {
    cri::RemoveImageRequest request;
    request.mutable_image()->set_image(name);
    cri::RemoveImageResponse response;
    return client().call(&Images::RemoveImage, request, response);
  }
};

TEST_F(ImageStore, KnowsAPresentImageByEachOfItsNames) {
  const auto image = image_status(kImage).image();
  EXPECT_EQ(image.id().rfind("sha256:", 0), 0u) << image.id();
  EXPECT_GT(image.size(), 0u);
  EXPECT_NE(std::find(image.repo_tags().begin(), image.repo_tags().end(), kImage), image.repo_tags().end());
  EXPECT_FALSE(image.has_uid() && image.uid().value() != 0);
  EXPECT_EQ(image.username(), "");
  for (const std::string name : {"busybox", "busybox:latest", "docker.io/library/busybox:latest"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(image_status(name).image().id(), image.id());
  }
  EXPECT_EQ(image_status(image.id()).image().id(), image.id());
}

TEST_F(ImageStore, AnswersAnAbsentImageWithoutAnError) {
  for (const std::string name : {"keelson.local/absent:1", "busybox:no-such-tag", "absent"}) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(image_status(name).has_image());
  }
}

TEST_F(ImageStore, KnowsTheUserOfAnImage) {
  EXPECT_EQ(image_status("keelson.local/nonroot:1").image().uid().value(), 65534);
  EXPECT_EQ(image_status("keelson.local/nonroot:1").image().username(), "");
  EXPECT_EQ(image_status("keelson.local/nobody:1").image().username(), "nobody");
}

TEST_F(ImageStore, ListsImages) {
  // Without a filter: containerd 1.6 does not look at it.
  cri::ListImagesResponse response;
  ASSERT_TRUE(client().call(&Images::ListImages, cri::ListImagesRequest{}, response).ok());
  const auto id = image_status(kImage).image().id();
  const auto listed = std::count_if(response.images().begin(), response.images().end(),
                                    [&](const auto& image) { return image.id() == id; });
  EXPECT_EQ(listed, 1) << "one image under several names is listed once";
}

TEST_F(ImageStore, PullsAndRemoves) {
  const std::string name = "registry.keelson.test/library/nonroot:1";
  EXPECT_FALSE(image_status(name).has_image());
  cri::PullImageResponse pulled;
  const auto status = pull(name, pulled);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(pulled.image_ref(), image_status(name).image().id());
  EXPECT_EQ(image_status(pulled.image_ref()).image().id(), pulled.image_ref());
  const auto image = image_status(name).image();
  const auto& digests = image.repo_digests();
  EXPECT_TRUE(std::any_of(digests.begin(), digests.end(), [](const std::string& digest) {
    return digest.rfind("registry.keelson.test/library/nonroot@sha256:", 0) == 0;
  }));
  ASSERT_TRUE(pull(name, pulled).ok()) << "pulling again is no error";
  ASSERT_TRUE(remove_image(name).ok());
  EXPECT_FALSE(image_status(name).has_image());
  EXPECT_TRUE(remove_image(name).ok()) << "removing twice is no error";
}

TEST_F(ImageStore, PullOfWhatTheRegistryDoesNotHaveIsNotFound) {
  cri::PullImageResponse pulled;
  const auto status = pull("registry.keelson.test/library/absent:1", pulled);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << status.error_message();
  EXPECT_NE(status.error_message().find("registry.keelson.test/library/absent:1"), std::string::npos);
  EXPECT_NE(status.error_message().find("not found"), std::string::npos) << status.error_message();
}

TEST_F(ImageStore, PullsWithCredentialsWhereTheyAreAsked) {
  const std::string name = "registry.keelson.test/private/busybox:1";
  cri::PullImageResponse pulled;
  const auto refused = pull(name, pulled);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNKNOWN) << refused.error_message();
  EXPECT_FALSE(pull(name, pulled, "wrong").ok());
  EXPECT_FALSE(image_status(name).has_image());
  const auto allowed = pull(name, pulled, "secret");
  EXPECT_TRUE(allowed.ok()) << allowed.error_message();
  EXPECT_TRUE(image_status(name).has_image());
}

TEST_F(ImageStore, TellsWhatItUses) {
  cri::ImageFsInfoResponse response;
  ASSERT_TRUE(client().call(&Images::ImageFsInfo, cri::ImageFsInfoRequest{}, response).ok());
  ASSERT_GE(response.image_filesystems_size(), 1);
  EXPECT_GT(response.image_filesystems(0).timestamp(), 0);
  EXPECT_FALSE(response.image_filesystems(0).fs_id().mountpoint().empty());
}

}  // namespace
}  // namespace keelson::conformance
