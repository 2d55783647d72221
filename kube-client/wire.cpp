#include "kube-client/wire.hpp"

#include <algorithm>

#include "api/json_codec.hpp"
#include "api/json_text.hpp"

namespace keelson::kube {
namespace {

using google::protobuf::Message;

constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kBoth = "application/vnd.kubernetes.protobuf,application/json";
constexpr std::string_view kMagic("k8s\0", 4);

std::string encode_as_json(const Message& message, const std::optional<api::TypeMeta>& type) {
  if (!type) return api::encode_json(message);
  api::Node node = api::encode_node(message);
  for (auto& entry : node.entries) {
    if (entry.key == "apiVersion") entry.value.text = type->api_version;
    if (entry.key == "kind") entry.value.text = type->kind;
  }
  return api::to_json(node);
}

std::string_view media_type(std::string_view header) {
  header = header.substr(0, header.find(';'));
  const std::size_t last = header.find_last_not_of(" \t");
  return last == std::string_view::npos ? std::string_view() : header.substr(0, last + 1);
}

}  // namespace

std::string target_of(std::string_view path, Query query) {
  std::stable_sort(query.begin(), query.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string target(path);
  char separator = '?';
  for (const auto& [name, value] : query) {
    target += separator;
    target += url_encode(name);
    target += '=';
    target += url_encode(value);
    separator = '&';
  }
  return target;
}

std::string_view accept_header(bool protobuf) { return protobuf ? kBoth : kJson; }

HttpRequest request_of(const Call& call, bool protobuf) {
  HttpRequest request;
  request.method = call.method;
  request.target = target_of(call.path, call.query);
  request.headers.emplace_back("accept", accept_header(protobuf));
  if (!call.patch_type.empty()) {
    request.headers.emplace_back("content-type", call.patch_type);
    request.body = call.patch;
  } else if (call.body != nullptr) {
    request.headers.emplace_back("content-type", protobuf ? kProtobuf : kJson);
    if (!protobuf) {
      request.body = encode_as_json(*call.body, call.body_type);
    } else {
      request.body = call.body_type ? api::encode_binary(*call.body, *call.body_type) : api::encode_binary(*call.body);
    }
  }
  return request;
}

bool refuses_protobuf(int http_status, const Headers& offered) {
  const std::string* accept = find_header(offered, "accept");
  const std::string* type = find_header(offered, "content-type");
  if (http_status == 406) return accept != nullptr && accept->find(kProtobuf) != std::string::npos;
  return http_status == 415 && type != nullptr && *type == kProtobuf;
}

Result<api::WireFormat> format_of(const Headers& headers, std::string_view body) {
  const std::string* header = find_header(headers, "content-type");
  const std::string_view type = header == nullptr ? std::string_view() : media_type(*header);
  if (type == kProtobuf) return api::WireFormat::protobuf;
  if (type == kJson) return api::WireFormat::json;
  if (type.empty() || type == "application/octet-stream") {
    return body.starts_with(kMagic) ? api::WireFormat::protobuf : api::WireFormat::json;
  }
  return Error(ErrorKind::invalid, "the server answered with content type \"" + *header + "\": expected " +
                                       std::string(kProtobuf) + " or " + std::string(kJson));
}

Result<std::unique_ptr<Message>> answer_of(const HttpResponse& response, const Message& prototype) {
  const auto format = format_of(response.headers, response.body);
  if (!format) return format.error();
  std::unique_ptr<Message> message(prototype.New());
  if (*format == api::WireFormat::json) {
    KEELSON_TRY(api::decode_json_into(response.body, *message));
  } else {
    KEELSON_TRY(api::decode_binary_into(response.body, *message));
  }
  return message;
}

api::TypeMeta delete_options_type(const Resource& resource) {
  std::string version(resource.version);
  if (!resource.group.empty()) version = std::string(resource.group) + "/" + version;
  return {std::move(version), "DeleteOptions"};
}

}  // namespace keelson::kube
