// ApiKind: what the fake API server knows of one resource beside its path.
//
// A table over kube-client/resource.cpp. Pure, any thread; an unknown type is nullptr. Source: the API's own discovery
// documents (names, short names, categories); contract 01 §9.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"
#include "kube-client/resource.hpp"

namespace keelson::fakes {

struct ApiKind {
  const google::protobuf::Message* prototype = nullptr;
  kube::Resource resource;
  std::string api_version;
  std::string kind;
  std::string singular;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  bool status = false;      // has a /status of its own
  bool stored = true;       // reviews are answered and forgotten
  bool generation = false;  // counts changes of its spec

  const google::protobuf::Descriptor* type() const { return prototype->GetDescriptor(); }
  // "pods", "leases.coordination.k8s.io": as messages name it.
  std::string qualified() const;
  bool is(std::string_view plural) const { return resource.plural == plural; }
};

const std::vector<ApiKind>& api_kinds();
const ApiKind* kind_of(const google::protobuf::Descriptor* type);
const ApiKind* find_kind(std::string_view group, std::string_view version, std::string_view plural);

// Every stored object has metadata.
const api::meta::ObjectMeta& meta_of(const google::protobuf::Message& object);
api::meta::ObjectMeta& mutable_meta(google::protobuf::Message& object);
// The sub-message of that name (spec, status), or nullptr when the kind has none or it is unset.
const google::protobuf::Message* part_of(const google::protobuf::Message& object, const char* field);
// Puts `from`'s field in place of `to`'s; both are of one type.
void copy_part(const google::protobuf::Message& from, google::protobuf::Message& to, const char* field);

}  // namespace keelson::fakes
