#include <array>

#include "api/envelope.hpp"
#include "api/proto/meta_v1.pb.h"

namespace keelson::api {
namespace {

using google::protobuf::Message;

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kKeptBuffer = 256u << 10;

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

Result<WatchEvent> decode_binary_event(std::string_view frame) {
  k8s::meta::v1::WatchEvent message;
  if (!message.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) {
    return bad("a watch frame of " + std::to_string(frame.size()) + " bytes is not a WatchEvent");
  }
  auto object = decode_raw(message.object().raw());
  if (!object) return std::move(object).error().wrap("watch event " + message.type());
  return WatchEvent{message.type(), std::move(*object)};
}

Result<WatchEvent> decode_json_event(std::string_view line) {
  const auto node = parse_json(line);
  if (!node) return node.error().wrap("watch event");
  const Node* type = node->find("type");
  const Node* object = node->find("object");
  if (type == nullptr || !type->is_string() || object == nullptr) {
    return bad("a watch event needs \"type\" and \"object\"");
  }
  std::vector<FieldError> errors;
  auto decoded = decode_object(*object, {.strictness = Strictness::ignore}, errors);
  if (!decoded) return std::move(decoded).error().wrap("watch event " + type->text);
  return WatchEvent{type->text, std::move(*decoded)};
}

}  // namespace

Result<WatchEvent> decode_watch_event(std::string_view frame, WireFormat format) {
  return format == WireFormat::protobuf ? decode_binary_event(frame) : decode_json_event(frame);
}

std::string encode_watch_event(std::string_view type, const Message& object, WireFormat format) {
  if (format == WireFormat::json) {
    Node event(Node::Kind::map);
    Node name(Node::Kind::string);
    name.text = std::string(type);
    event.entries.push_back({"type", {}, false, {}, std::move(name)});
    event.entries.push_back({"object", {}, false, {}, encode_node(object)});
    return to_json(event) + "\n";
  }
  k8s::meta::v1::WatchEvent event;
  event.set_type(std::string(type));
  event.mutable_object()->set_raw(encode_binary(object));
  std::string out(kLengthBytes, '\0');
  event.AppendPartialToString(&out);
  const auto length = static_cast<std::uint32_t>(out.size() - kLengthBytes);
  for (std::size_t i = 0; i < kLengthBytes; ++i) out[i] = static_cast<char>(length >> (24 - 8 * i) & 0xff);
  return out;
}

void WatchReader::feed(std::string_view bytes) {
  if (pos_ > 0 && pos_ >= buffer_.size() / 2) {
    buffer_.erase(0, pos_);
    scanned_ -= std::min(scanned_, pos_);
    pos_ = 0;
    // One huge event must not keep its memory for the life of the watch.
    if (buffer_.capacity() > kKeptBuffer && buffer_.size() + bytes.size() < kKeptBuffer) buffer_.shrink_to_fit();
  }
  buffer_.append(bytes);
}

Result<std::optional<std::string_view>> WatchReader::next_frame() {
  const std::string_view rest = std::string_view(buffer_).substr(pos_);
  if (format_ == WireFormat::protobuf) {
    if (rest.size() < kLengthBytes) return std::optional<std::string_view>();
    std::size_t length = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i) length = length << 8 | static_cast<unsigned char>(rest[i]);
    if (length > max_frame_) {
      return bad("a watch frame of " + std::to_string(length) + " bytes is larger than the limit of " +
                 std::to_string(max_frame_) + " bytes");
    }
    if (rest.size() - kLengthBytes < length) return std::optional<std::string_view>();
    pos_ += kLengthBytes + length;
    return std::optional(rest.substr(kLengthBytes, length));
  }
  scanned_ = std::max(scanned_, pos_);
  const std::size_t newline = buffer_.find('\n', scanned_);
  if (newline == std::string::npos) {
    scanned_ = buffer_.size();
    if (rest.size() > max_frame_) {
      return bad("a watch event is larger than the limit of " + std::to_string(max_frame_) + " bytes");
    }
    return std::optional<std::string_view>();
  }
  const std::string_view line = std::string_view(buffer_).substr(pos_, newline - pos_);
  pos_ = newline + 1;
  return std::optional(line);
}

Result<std::optional<WatchEvent>> WatchReader::next() {
  if (failed_) return *failed_;
  while (true) {
    auto frame = next_frame();
    if (!frame) {
      failed_ = frame.error();
      return frame.error();
    }
    if (!*frame) return std::optional<WatchEvent>();
    const bool blank = (*frame)->find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (format_ == WireFormat::json && blank) continue;
    auto event = decode_watch_event(**frame, format_);
    if (event) return std::optional(std::move(*event));
    if (event.error().kind() != ErrorKind::unimplemented) failed_ = event.error();
    return std::move(event).error();
  }
}

}  // namespace keelson::api
