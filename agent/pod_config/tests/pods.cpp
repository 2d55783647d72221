#include "agent/pod_config/tests/pods.hpp"

#include <iostream>

#include "api/document.hpp"
#include "api/json_codec.hpp"

namespace keelson::agent {
namespace {

template <class Message>
Message parse(const std::string& yaml) {
  Message message;
  const auto document = api::parse_document(yaml);
  const Status status = document.ok() ? api::decode(document.value(), message) : Status(document.error());
  if (!status.ok()) {
    std::cerr << "bad test data: " << status.error().to_string() << "\n" << yaml << "\n";
    std::abort();
  }
  return message;
}

}  // namespace

api::Pod make_pod(const std::string& yaml) {
  auto pod = parse<api::Pod>(yaml);
  auto& meta = *pod.mutable_metadata();
  if (meta.name().empty()) meta.set_name("p");
  if (meta.namespace_().empty()) meta.set_namespace_("ns");
  if (meta.uid().empty()) meta.set_uid("u");
  return pod;
}

api::Pod pod_with_container(const std::string& container_yaml, const std::string& spec_yaml) {
  return make_pod("spec: {enableServiceLinks: true, containers: [" + container_yaml + "]" +
                  (spec_yaml.empty() ? "" : ", " + spec_yaml) + "}");
}

api::core::Container make_container(const std::string& yaml) { return parse<api::core::Container>("--- " + yaml); }

}  // namespace keelson::agent
