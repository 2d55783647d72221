#include "cri-client/convert_inl.hpp"

namespace keelson::cri {

void to_proto(const ImageSpec& from, pb::ImageSpec* to) {
  to->set_image(from.image);
  fill_strings(from.annotations, to->mutable_annotations());
  to->set_user_specified_image(from.user_specified_image);
  to->set_runtime_handler(from.runtime_handler);
  to->set_image_ref(from.image_ref);
}

ImageSpec from_proto(const pb::ImageSpec& from) {
  return {from.image(), strings_of(from.annotations()), from.user_specified_image(), from.runtime_handler(),
          from.image_ref()};
}

void to_proto(const AuthConfig& from, pb::AuthConfig* to) {
  to->set_username(from.username);
  to->set_password(from.password);
  to->set_auth(from.auth);
  to->set_server_address(from.server_address);
  to->set_identity_token(from.identity_token);
  to->set_registry_token(from.registry_token);
}

Image from_proto(const pb::Image& from) {
  Image to;
  to.id = from.id();
  to.repo_tags = plain_list_of(from.repo_tags());
  to.repo_digests = plain_list_of(from.repo_digests());
  to.size = from.size();
  to.uid = KEELSON_OPTIONAL_NUMBER(from, uid);
  to.username = from.username();
  to.pinned = from.pinned();
  return to;
}

FilesystemUsage from_proto(const pb::FilesystemUsage& from) {
  FilesystemUsage to;
  to.timestamp = from.timestamp();
  to.mountpoint = from.fs_id().mountpoint();
  to.used_bytes = KEELSON_OPTIONAL_NUMBER(from, used_bytes);
  to.inodes_used = KEELSON_OPTIONAL_NUMBER(from, inodes_used);
  return to;
}

ImageFsInfo from_proto(const pb::ImageFsInfoResponse& from) {
  return {list_of(from.image_filesystems()), list_of(from.container_filesystems())};
}

}  // namespace keelson::cri
