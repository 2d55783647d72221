// Pods for tests, written as YAML: make_pod("spec: {containers: [{name: c}]}"). Name p, namespace ns, UID u, unless
// given.
#pragma once

#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

// Aborts the test program with the reason when the text is no pod.
api::Pod make_pod(const std::string& yaml);
// A pod with the given YAML flow mapping as its only container.
api::Pod pod_with_container(const std::string& container_yaml, const std::string& spec_yaml = "");
api::core::Container make_container(const std::string& yaml);

}  // namespace keelson::agent
