#include "tests/support/api/fake_api_wire.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "api/document.hpp"
#include "api/proto/runtime.pb.h"
#include "tests/support/api/fake_api_table.hpp"

namespace keelson::fakes {
namespace {

using google::protobuf::Message;

constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";
constexpr std::string_view kJson = "application/json";

std::string trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return "";
  return std::string(text.substr(from, text.find_last_not_of(" \t") - from + 1));
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t at = text.find(separator);
    out.push_back(trimmed(text.substr(0, at)));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

// One media range of an Accept header; nullopt when we cannot answer so.
std::optional<Rendering> read_range(const std::string& range, const RequestInfo& info, bool offer_protobuf) {
  const std::vector<std::string> parts = split(range, ';');
  Rendering out;
  std::string version;
  std::string as;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].starts_with("as=")) as = parts[i].substr(3);
    if (parts[i].starts_with("v=")) version = parts[i].substr(2);
  }
  if (parts[0] == kProtobuf) {
    if (!offer_protobuf) return std::nullopt;
    out.format = api::WireFormat::protobuf;
  } else if (parts[0] != kJson && parts[0] != "*/*" && parts[0] != "application/*") {
    return std::nullopt;
  }
  if (as.empty()) return out;
  if (info.kind == nullptr || version != "v1") return std::nullopt;
  if (as == "Table" && out.format == api::WireFormat::json) {
    out.form = Rendering::Form::table;
  } else if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") {
    out.form = Rendering::Form::metadata;
  } else {
    return std::nullopt;
  }
  return out;
}

std::string list_metadata_json(const ListMeta& meta) {
  api::meta::ListMeta out;
  out.set_resourceversion(std::to_string(meta.version));
  if (!meta.next.empty()) {
    out.set_continue_(meta.next);
    if (meta.remaining > 0) out.set_remainingitemcount(meta.remaining);
  }
  return api::encode_json(out);
}

api::meta::PartialObjectMetadata metadata_only(const Message& object) {
  api::meta::PartialObjectMetadata out;
  *out.mutable_metadata() = meta_of(object);
  return out;
}

std::string list_json(const std::string& kind, const std::string& version, const std::vector<std::string>& items,
                      const ListMeta& meta) {
  std::string out = R"({"kind":")" + kind + R"(","apiVersion":")" + version + R"(","metadata":)" +
                    list_metadata_json(meta) + R"(,"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) out.append(i == 0 ? "" : ",").append(items[i]);
  return out + "]}";
}

// All list types have metadata = 1 and items = 2; so a list needs no type of its own.
std::string list_binary(const std::string& kind, const std::string& version, const std::vector<ObjectPtr>& items,
                        const ListMeta& meta) {
  api::meta::ListMeta head;
  head.set_resourceversion(std::to_string(meta.version));
  if (!meta.next.empty()) {
    head.set_continue_(meta.next);
    if (meta.remaining > 0) head.set_remainingitemcount(meta.remaining);
  }
  std::string raw;
  {
    google::protobuf::io::StringOutputStream sink(&raw);
    google::protobuf::io::CodedOutputStream out(&sink);
    const auto put = [&out](int field, const Message& message) {
      const std::string bytes = message.SerializePartialAsString();
      out.WriteTag(static_cast<std::uint32_t>(field << 3 | 2));
      out.WriteVarint32(static_cast<std::uint32_t>(bytes.size()));
      out.WriteString(bytes);
    };
    put(1, head);
    for (const ObjectPtr& item : items) put(2, *item);
  }
  k8s::runtime::Unknown envelope;
  envelope.mutable_typemeta()->set_apiversion(version);
  envelope.mutable_typemeta()->set_kind(kind);
  envelope.set_raw(std::move(raw));
  envelope.set_contentencoding("");
  envelope.set_contenttype("");
  return std::string("k8s\0", 4) + envelope.SerializePartialAsString();
}

}  // namespace

std::string Rendering::content_type(bool stream) const {
  if (format == api::WireFormat::json) return std::string(kJson);
  return std::string(kProtobuf) + (stream ? ";stream=watch" : "");
}

Outcome<Rendering> negotiate(const kube::Headers& headers, const RequestInfo& info, bool offer_protobuf) {
  const std::string* accept = kube::find_header(headers, "accept");
  Rendering plain;
  if (accept == nullptr || accept->empty()) return plain;
  for (const std::string& range : split(*accept, ',')) {
    auto found = read_range(range, info, offer_protobuf);
    if (!found) continue;
    const std::string include = info.option("includeObject");
    if (!include.empty()) found->include_object = include;
    return *found;
  }
  std::string offered = "application/json";
  if (offer_protobuf) offered += ", application/vnd.kubernetes.protobuf";
  return failure(406, "NotAcceptable", "only the following media types are accepted: " + offered);
}

std::string body_type(const kube::Headers& headers) {
  const std::string* type = kube::find_header(headers, "content-type");
  return type == nullptr ? "" : split(*type, ';')[0];
}

Refusal read_body(const ApiRequest& request, bool offer_protobuf, bool strict, const api::TypeMeta& type,
                  Message& into) {
  const std::string content = body_type(request.headers);
  if (content == kProtobuf && offer_protobuf) {
    auto envelope = api::unwrap(request.body);
    if (!envelope.ok()) return bad_request(envelope.error().message());
    if (!envelope->type.kind.empty() && !type.kind.empty() && envelope->type.kind != type.kind) {
      return bad_request("the object provided is of kind " + envelope->type.kind + ", expected " + type.kind);
    }
    if (!into.ParseFromArray(envelope->raw.data(), static_cast<int>(envelope->raw.size()))) {
      return bad_request("the body is not a " + type.kind);
    }
    api::normalize(into);
    return std::nullopt;
  }
  if (content == "application/yaml") {
    const auto node = api::parse_document(request.body);
    if (!node.ok()) return bad_request(node.error().message());
    const auto read = api::decode(*node, into, {.strictness = api::Strictness::ignore});
    if (!read.ok()) return bad_request(read.error().message());
    return std::nullopt;
  }
  if (!content.empty() && content != kJson) {
    return failure(415, "UnsupportedMediaType",
                   "the body of the request was in an unknown format - accepted media types include: "
                   "application/json, application/yaml" +
                       std::string(offer_protobuf ? ", application/vnd.kubernetes.protobuf" : ""));
  }
  if (type.api_version.empty()) {
    // Options come under several group versions.
    const auto node = api::parse_json(request.body);
    if (!node.ok()) return bad_request(node.error().message());
    const auto options = api::decode(*node, into, {.strictness = api::Strictness::ignore});
    if (!options.ok()) return bad_request(options.error().message());
    return std::nullopt;
  }
  const auto strictness = strict ? api::Strictness::error : api::Strictness::ignore;
  const auto read = api::decode_json_into(request.body, into, {.strictness = strictness});
  if (!read.ok()) return bad_request((strict ? "strict decoding error: " : "") + read.error().message());
  return std::nullopt;
}

std::string body_as_json(const ApiRequest& request) {
  if (request.body.empty() || !request.body.starts_with(std::string_view("k8s\0", 4))) return request.body;
  auto object = api::decode_binary(request.body);
  if (object.ok()) {
    api::normalize(*object->message);
    return api::encode_json(*object->message);
  }
  // DeleteOptions come under several group versions.
  api::meta::DeleteOptions options;
  const auto envelope = api::unwrap(request.body);
  if (!envelope.ok() || envelope->type.kind != "DeleteOptions") return "";
  if (!options.ParseFromArray(envelope->raw.data(), static_cast<int>(envelope->raw.size()))) return "";
  api::normalize(options);
  return api::encode_json(options);
}

ApiAnswer render_text(int code, std::string content_type, std::string body) {
  ApiAnswer out;
  out.status = code;
  out.headers = {{"content-type", std::move(content_type)}};
  out.body = std::move(body);
  return out;
}

ApiAnswer render(const Rendering& how, int code, const Message& object) {
  if (how.format == api::WireFormat::json) {
    return render_text(code, how.content_type(false), api::encode_json(object) + "\n");
  }
  return render_text(code, how.content_type(false), api::encode_binary(object));
}

ApiAnswer render_failure(const Rendering& how, const ApiFailure& failure) {
  ApiAnswer out = render(how, failure.code(), failure);
  if (failure.details().retryafterseconds() > 0) {
    out.headers.emplace_back("retry-after", std::to_string(failure.details().retryafterseconds()));
  }
  return out;
}

ApiAnswer render_object(const Rendering& how, const ApiKind& kind, int code, const ObjectPtr& object,
                        base::SystemTime now) {
  switch (how.form) {
    case Rendering::Form::object: return render(how, code, *object);
    case Rendering::Form::metadata: return render(how, code, metadata_only(*object));
    case Rendering::Form::table: break;
  }
  ListMeta meta;
  meta.version = std::stoull("0" + meta_of(*object).resourceversion());
  return render_text(code, how.content_type(false), table_json(kind, {object}, meta, how.include_object, true, now));
}

ApiAnswer render_list(const Rendering& how, const ApiKind& kind, const std::vector<ObjectPtr>& items,
                      const ListMeta& meta, base::SystemTime now) {
  const std::string type = how.content_type(false);
  const bool binary = how.format == api::WireFormat::protobuf;
  if (how.form == Rendering::Form::table) {
    return render_text(200, type, table_json(kind, items, meta, how.include_object, true, now));
  }
  if (how.form == Rendering::Form::metadata) {
    std::vector<ObjectPtr> heads;
    for (const ObjectPtr& item : items) {
      heads.push_back(std::make_shared<api::meta::PartialObjectMetadata>(metadata_only(*item)));
    }
    if (binary) return render_text(200, type, list_binary("PartialObjectMetadataList", "meta.k8s.io/v1", heads, meta));
    std::vector<std::string> texts;
    for (const ObjectPtr& head : heads) texts.push_back(api::encode_json(*head));
    return render_text(200, type, list_json("PartialObjectMetadataList", "meta.k8s.io/v1", texts, meta) + "\n");
  }
  if (binary) return render_text(200, type, list_binary(kind.kind + "List", kind.api_version, items, meta));
  std::vector<std::string> texts;
  for (const ObjectPtr& item : items) texts.push_back(api::encode_json(*item, {.type_meta = false}));
  return render_text(200, type, list_json(kind.kind + "List", kind.api_version, texts, meta) + "\n");
}

std::string render_event(const Rendering& how, const ApiKind& kind, std::string_view type, const Message& object,
                         bool first, base::SystemTime now) {
  if (type == "ERROR" || how.form == Rendering::Form::object) return api::encode_watch_event(type, object, how.format);
  if (how.form == Rendering::Form::metadata) return api::encode_watch_event(type, metadata_only(object), how.format);
  ObjectPtr copy(object.New());
  const_cast<Message&>(*copy).CopyFrom(object);
  ListMeta meta;
  meta.version = std::stoull("0" + meta_of(object).resourceversion());
  std::vector<ObjectPtr> rows;
  if (type != "BOOKMARK") rows.push_back(std::move(copy));
  return R"({"type":")" + std::string(type) + R"(","object":)" +
         table_json(kind, rows, meta, how.include_object, first, now) + "}\n";
}

}  // namespace keelson::fakes
