// Wire: what a request and its answer look like: target, headers, body, in protobuf or JSON.
//
// Pure functions, any thread. An answer that is not what was asked for is `invalid`. Source: contract 01 §10, contract
// 05a "Envelope and streams".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/envelope.hpp"
#include "kube-client/client.hpp"

namespace keelson::kube {

// Path and query; parameters in the order of their names, as Go's encoder leaves them.
std::string target_of(std::string_view path, Query query);

std::string_view accept_header(bool protobuf);

// Body, content-type and accept of a call; its target without `timeout=`.
HttpRequest request_of(const Call& call, bool protobuf);
// Whether the answer to a request with these headers says that the server cannot do with our protobuf.
bool refuses_protobuf(int http_status, const Headers& offered);

// By the answer's Content-Type, or by its first bytes when there is none.
Result<api::WireFormat> format_of(const Headers& headers, std::string_view body);
// The normal form (api::normalize) of the object.
Result<std::unique_ptr<google::protobuf::Message>> answer_of(const HttpResponse& response,
                                                             const google::protobuf::Message& prototype);

// What DELETE sends for this resource: kind DeleteOptions in the resource's own group and version, as the API server
// knows it for each of them.
api::TypeMeta delete_options_type(const Resource& resource);

}  // namespace keelson::kube
