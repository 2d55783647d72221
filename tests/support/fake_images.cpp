#include <algorithm>

#include "tests/support/fake_world.hpp"

namespace keelson::fakes {
namespace {

// The same name gives the same id, as content would.
std::string digest_of(const std::string& text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "sha256:";
  for (std::uint64_t word = 0; word < 4; ++word) {
    std::uint64_t hash = 14695981039346656037ULL + word;
    for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ULL;
    for (int digit = 0; digit < 16; ++digit) out += kHex[(hash >> (4 * digit)) & 15];
  }
  return out;
}

std::string repository_of(const std::string& reference) {
  const auto at = reference.find('@');
  const std::string name = reference.substr(0, at);
  const auto colon = name.rfind(':');
  const auto slash = name.rfind('/');
  const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
  return tagged ? name.substr(0, colon) : name;
}

// "busybox" -> "docker.io/library/busybox:latest".
std::string normalise(const std::string& reference) {
  const auto slash = reference.find('/');
  const std::string first = reference.substr(0, slash);
  std::string out = reference;
  const bool has_host =
      slash != std::string::npos && (first.find_first_of(".:") != std::string::npos || first == "localhost");
  if (!has_host) out = (slash == std::string::npos ? "docker.io/library/" : "docker.io/") + out;
  if (out.find('@') == std::string::npos && repository_of(out) == out) out += ":latest";
  return out;
}

}  // namespace

PresentImage* World::find_image(const std::string& reference) {
  return const_cast<PresentImage*>(std::as_const(*this).find_image(reference));
}

const PresentImage* World::find_image(const std::string& reference) const {
  if (const auto found = images_.find(reference); found != images_.end()) return &found->second;
  if (const auto found = images_.find("sha256:" + reference); found != images_.end()) return &found->second;
  const std::string name = normalise(reference);
  for (const auto& [id, image] : images_) {
    const bool tag = std::find(image.tags.begin(), image.tags.end(), name) != image.tags.end();
    const bool digest = std::find(image.digests.begin(), image.digests.end(), name) != image.digests.end();
    if (tag || digest) return &image;
  }
  return nullptr;
}

void World::store_image(ImageSource source) {
  const std::string name = normalise(source.name);
  const std::string id = source.id.empty() ? digest_of(name) : source.id;
  auto& image = images_[id];
  image.id = id;
  image.source = std::move(source);
  if (name.find('@') == std::string::npos &&
      std::find(image.tags.begin(), image.tags.end(), name) == image.tags.end()) {
    image.tags.push_back(name);
  }
  const std::string digest =
      name.find('@') != std::string::npos ? name : repository_of(name) + "@" + digest_of("manifest of " + id);
  if (std::find(image.digests.begin(), image.digests.end(), digest) == image.digests.end()) {
    image.digests.push_back(digest);
  }
  changed();
}

void World::add_image(ImageSource image) {
  std::lock_guard lock(mutex_);
  store_image(std::move(image));
}

void World::remove_image(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (const auto* image = find_image(name)) images_.erase(std::string(image->id));
}

void World::add_pullable(ImageSource image) {
  std::lock_guard lock(mutex_);
  pullable_.insert(pullable_.begin(), std::move(image));
}

void World::remove_pullable(const std::string& name) {
  std::lock_guard lock(mutex_);
  std::erase_if(pullable_, [&](const auto& image) { return image.name == name; });
}

std::vector<std::string> World::image_names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [id, image] : images_) names.insert(names.end(), image.tags.begin(), image.tags.end());
  return names;
}

cri::Image World::image_message(const PresentImage& image) const {
  cri::Image message;
  message.set_id(image.id);
  *message.mutable_repo_tags() = {image.tags.begin(), image.tags.end()};
  *message.mutable_repo_digests() = {image.digests.begin(), image.digests.end()};
  message.set_size(image.source.size);
  const auto& user = image.source.user;
  const bool number =
      !user.empty() && std::all_of(user.begin(), user.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (number) {
    message.mutable_uid()->set_value(std::stoll(user));
  } else {
    message.set_username(user);
  }
  message.mutable_spec();
  message.set_pinned(image.source.pinned);
  return message;
}

grpc::Status World::list_images(const cri::ListImagesRequest& request, cri::ListImagesResponse& response) {
  std::lock_guard lock(mutex_);
  const auto& wanted = request.filter().image().image();
  if (!wanted.empty()) {
    if (const auto* image = find_image(wanted)) *response.add_images() = image_message(*image);
    return grpc::Status::OK;
  }
  for (const auto& [id, image] : images_) *response.add_images() = image_message(image);
  return grpc::Status::OK;
}

grpc::Status World::image_status(const cri::ImageStatusRequest& request, cri::ImageStatusResponse& response) {
  std::lock_guard lock(mutex_);
  if (const auto* image = find_image(request.image().image())) *response.mutable_image() = image_message(*image);
  return grpc::Status::OK;
}

void World::pull_image(const cri::PullImageRequest& request, Reply<cri::PullImageResponse> reply) {
  std::lock_guard lock(mutex_);
  const std::string name = normalise(request.image().image());
  const auto source = std::find_if(pullable_.begin(), pullable_.end(), [&](const auto& image) {
    return image.name == "*" || normalise(image.name) == name;
  });
  const auto fail = [&](grpc::StatusCode code, const std::string& why) {
    reply({code, "failed to pull and unpack image \"" + name + "\": " + why}, {});
  };
  if (source == pullable_.end()) {
    return fail(grpc::StatusCode::NOT_FOUND, "failed to resolve reference \"" + name + "\": " + name + ": not found");
  }
  if (source->error && source->error_times > 0) {
    if (source->error_times != kAlways) --source->error_times;
    return reply(*source->error, {});
  }
  if (!source->password.empty() && request.auth().password() != source->password) {
    return fail(grpc::StatusCode::UNKNOWN,
                "failed to resolve reference \"" + name + "\": unexpected status code 401 Unauthorized");
  }
  ImageSource image = *source;
  image.name = name;
  timers_.after(image.latency, [this, image, reply = std::move(reply)] {
    std::lock_guard relock(mutex_);
    if (reply.abandoned()) return;
    store_image(image);
    cri::PullImageResponse response;
    response.set_image_ref(find_image(image.name)->id);
    reply(grpc::Status::OK, response);
  });
}

grpc::Status World::remove_image(const cri::RemoveImageRequest& request, cri::RemoveImageResponse&) {
  std::lock_guard lock(mutex_);
  if (const auto* image = find_image(request.image().image())) images_.erase(std::string(image->id));
  changed();
  return grpc::Status::OK;
}

grpc::Status World::image_fs_info(const cri::ImageFsInfoRequest&, cri::ImageFsInfoResponse& response) {
  std::lock_guard lock(mutex_);
  auto* usage = response.add_image_filesystems();
  usage->set_timestamp(now());
  usage->mutable_fs_id()->set_mountpoint("/");
  std::uint64_t bytes = 0;
  for (const auto& [id, image] : images_) bytes += image.source.size;
  usage->mutable_used_bytes()->set_value(bytes);
  usage->mutable_inodes_used()->set_value(images_.size());
  return grpc::Status::OK;
}

}  // namespace keelson::fakes
