// Resource: which REST path serves an API type.
//
// A table over the types of api/envelope.hpp that an agent reads or writes. Pure, any thread. An unknown type is a bug
// of ours and aborts. Source: contract 01 §10; the API's own conventions for paths.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

namespace keelson::kube {

struct Resource {
  std::string_view group;  // "" for core
  std::string_view version;
  std::string_view plural;
  bool namespaced = false;
};

const Resource& resource_of(const google::protobuf::Descriptor* type);

// "/api/v1/namespaces/NS/pods/NAME/status"; without a namespace the collection over all, without a name the collection.
std::string path_of(const Resource& resource, std::string_view ns, std::string_view name = {},
                    std::string_view subresource = {});
// Percent-encoding of one query value or path segment.
std::string url_encode(std::string_view text);

}  // namespace keelson::kube
