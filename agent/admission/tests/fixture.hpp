// A node, its facts and pods from YAML for the tests of admission.
#pragma once

#include "agent/admission/admit.hpp"
#include "api/tests/pod_fixture.hpp"

namespace keelson::agent::testing {

inline api::Pod pod_of(const std::string& spec, const std::string& name = "new") {
  return api::testing::pod_from_yaml("metadata: {name: " + name + ", namespace: ns, uid: uid-" + name + "}\n" + spec);
}
inline api::PodPtr other_pod(const std::string& spec, const std::string& name = "other") {
  return std::make_shared<const api::Pod>(pod_of(spec, name));
}
inline std::string requesting(const std::string& cpu, const std::string& memory) {
  return "spec: {containers: [{name: c, resources: {requests: {cpu: " + cpu + ", memory: " + memory + "}}}]}";
}

// Asks admit() about one pod after another.
struct Node {
  Node() {
    node.mutable_metadata()->set_name("n1");
    (*node.mutable_metadata()->mutable_labels())["kubernetes.io/os"] = "linux";
    for (const auto& [name, amount] : std::map<std::string, std::string>{
             {"cpu", "2"}, {"memory", "4Gi"}, {"ephemeral-storage", "10Gi"}, {"pods", "5"}, {"example.com/gpu", "1"}}) {
      (*node.mutable_status()->mutable_allocatable())[name].set_string(amount);
    }
    facts.node_name = "n1";
    facts.sysctls = SysctlAllowlist::create({}, "6.1.0-18-amd64").value();
  }

  AdmissionDecision admit(const api::Pod& pod) const {
    return agent::admit({pod, known ? &node : nullptr, others, facts});
  }
  // "Reason: message", or "" for an admitted pod.
  std::string verdict(const api::Pod& pod) const {
    const AdmissionDecision answer = admit(pod);
    return answer.admitted() ? "" : answer.rejection->reason + ": " + answer.rejection->message;
  }
  std::string verdict(const std::string& yaml) const { return verdict(pod_of(yaml)); }

  api::core::Node node;
  bool known = true;
  std::vector<api::PodPtr> others;
  AdmissionFacts facts;
};

}  // namespace keelson::agent::testing
