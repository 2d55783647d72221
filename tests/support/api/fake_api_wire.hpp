// What goes over the wire: which form an Accept header asks for, bodies to objects, objects to bodies.
//
// Pure functions and values, any thread. Protobuf and JSON; JSON also as Table and PartialObjectMetadata, as kubectl
// asks for. Source: contract 05a "Envelope and streams".
#pragma once

#include <string>
#include <vector>

#include "api/envelope.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_failure.hpp"
#include "tests/support/api/fake_api_request.hpp"
#include "tests/support/api/fake_api_store.hpp"

namespace keelson::fakes {

struct Rendering {
  enum class Form { object, table, metadata };
  api::WireFormat format = api::WireFormat::json;
  Form form = Form::object;
  std::string include_object = "Metadata";  // of a Table's rows: None Metadata Object

  std::string content_type(bool stream) const;
};

// 406 when nothing that is accepted is offered.
Outcome<Rendering> negotiate(const kube::Headers& headers, const RequestInfo& info, bool offer_protobuf);

// The media type of the body without parameters; "" when there is none.
std::string body_type(const kube::Headers& headers);
// The body into `into`, whose kind is checked; `strict` refuses unknown fields. 415 for a type that is not offered.
Refusal read_body(const ApiRequest& request, bool offer_protobuf, bool strict, const api::TypeMeta& type,
                  google::protobuf::Message& into);
// The body as JSON text for the log, whatever it came as.
std::string body_as_json(const ApiRequest& request);

struct ListMeta {
  std::uint64_t version = 0;
  std::string next;  // continue
  std::int64_t remaining = 0;
};

ApiAnswer render(const Rendering& how, int code, const google::protobuf::Message& object);
ApiAnswer render_list(const Rendering& how, const ApiKind& kind, const std::vector<ObjectPtr>& items,
                      const ListMeta& meta, base::SystemTime now);
ApiAnswer render_failure(const Rendering& how, const ApiFailure& failure);
ApiAnswer render_text(int code, std::string content_type, std::string body);
ApiAnswer render_object(const Rendering& how, const ApiKind& kind, int code, const ObjectPtr& object,
                        base::SystemTime now);
// One frame of a watch. `first`: a Table then names its columns.
std::string render_event(const Rendering& how, const ApiKind& kind, std::string_view type,
                         const google::protobuf::Message& object, bool first, base::SystemTime now);

}  // namespace keelson::fakes
