#include "agent/pod_config/security_context.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pod_config/tests/pods.hpp"

namespace keelson::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

ContainerInputs inputs_with(ImageUser user = {}) {
  ContainerInputs inputs;
  inputs.node.root_dir = "/root-dir";
  inputs.image_user = std::move(user);
  return inputs;
}

// The context of a pod's only container: `pod` and `container` are the contents of the two securityContexts.
Result<cri::LinuxContainerSecurityContext> context_of(const std::string& pod, const std::string& container,
                                                      const ContainerInputs& inputs = inputs_with()) {
  const auto object =
      pod_with_container("{name: c, securityContext: {" + container + "}}", "securityContext: {" + pod + "}");
  return make_container_security_context(object, object.spec().containers(0), inputs);
}

TEST(ContainerSecurity, TheContainersFieldsComeBeforeThePods) {
  const auto own = context_of("runAsUser: 1, runAsGroup: 2, seLinuxOptions: {level: pod}",
                              "runAsUser: 11, runAsGroup: 12, seLinuxOptions: {level: own}");
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own.value().run_as_user, 11);
  EXPECT_EQ(own.value().run_as_group, 12);
  EXPECT_EQ(own.value().selinux_options->level, "own");
  const auto from_pod = context_of("runAsUser: 1, runAsGroup: 2, seLinuxOptions: {level: pod}", "privileged: true");
  EXPECT_EQ(from_pod.value().run_as_user, 1);
  EXPECT_EQ(from_pod.value().run_as_group, 2);
  EXPECT_EQ(from_pod.value().selinux_options->level, "pod");
  EXPECT_TRUE(from_pod.value().privileged);
}

TEST(ContainerSecurity, TheUserIsTheSpecsElseTheImagesElseRoot) {
  EXPECT_EQ(context_of("", "", inputs_with({7, ""})).value().run_as_user, 7);
  const auto named = context_of("", "", inputs_with({std::nullopt, "web"})).value();
  EXPECT_EQ(named.run_as_user, std::nullopt);
  EXPECT_EQ(named.run_as_username, "web");
  EXPECT_EQ(context_of("", "").value().run_as_user, 0);
  const auto given = context_of("runAsUser: 5", "", inputs_with({std::nullopt, "web"})).value();
  EXPECT_EQ(given.run_as_user, 5);
  EXPECT_EQ(given.run_as_username, "");
}

TEST(ContainerSecurity, OnlyAnExplicitNoForbidsNewPrivileges) {
  EXPECT_FALSE(context_of("", "").value().no_new_privs);
  EXPECT_FALSE(context_of("", "allowPrivilegeEscalation: true").value().no_new_privs);
  EXPECT_TRUE(context_of("", "allowPrivilegeEscalation: false").value().no_new_privs);
}

TEST(ContainerSecurity, MaskedPathsHoldTheThermalOnesUnlessUnmasked) {
  ContainerInputs inputs = inputs_with();
  inputs.node.thermal_throttle_paths = {"/sys/devices/system/cpu/cpu0/thermal_throttle"};
  const auto masked = context_of("", "", inputs).value();
  EXPECT_THAT(masked.masked_paths, Contains("/proc/kcore"));
  EXPECT_EQ(masked.masked_paths.back(), "/sys/devices/system/cpu/cpu0/thermal_throttle");
  EXPECT_EQ(masked.masked_paths.size(), 13u);
  EXPECT_EQ(masked.readonly_paths.size(), 5u);
  const auto open = context_of("", "procMount: Unmasked", inputs).value();
  EXPECT_THAT(open.masked_paths, IsEmpty());
  EXPECT_THAT(open.readonly_paths, IsEmpty());
  EXPECT_THAT(context_of("", "procMount: Default", inputs).value().masked_paths, Not(IsEmpty()));
}

TEST(ContainerSecurity, CapabilitiesAreVerbatim) {
  const auto context = context_of("", "capabilities: {add: [NET_ADMIN, CAP_x], drop: [ALL]}").value();
  EXPECT_THAT(context.capabilities->add_capabilities, ElementsAre("NET_ADMIN", "CAP_x"));
  EXPECT_THAT(context.capabilities->drop_capabilities, ElementsAre("ALL"));
  EXPECT_FALSE(context_of("", "").value().capabilities.has_value());
}

struct SeccompRow {
  std::string pod, container;
  bool by_default;
  cri::SecurityProfile expected;
};

TEST(ContainerSecurity, SeccompComesFromContainerPodOrDefault) {
  using enum cri::ProfileType;
  const std::string local = "seccompProfile: {type: Localhost, localhostProfile: a/b.json}";
  for (const auto& row :
       {SeccompRow{"", "", false, {unconfined, ""}}, SeccompRow{"", "", true, {runtime_default, ""}},
        SeccompRow{"seccompProfile: {type: RuntimeDefault}", "", false, {runtime_default, ""}},
        SeccompRow{
            "seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}", true, {unconfined, ""}},
        SeccompRow{local, "", false, {localhost, "/root-dir/seccomp/a/b.json"}},
        SeccompRow{"",
                   "seccompProfile: {type: Localhost, localhostProfile: ./a//b.json}",
                   false,
                   {localhost, "/root-dir/seccomp/a/b.json"}}}) {
    SCOPED_TRACE(row.pod + " / " + row.container);
    ContainerInputs inputs = inputs_with();
    inputs.node.seccomp_default = row.by_default;
    const auto context = context_of(row.pod, row.container, inputs);
    ASSERT_TRUE(context.ok()) << context.error().to_string();
    EXPECT_EQ(context.value().seccomp, row.expected);
  }
  EXPECT_EQ(context_of("", "seccompProfile: {type: Localhost}").error().message(),
            "localhostProfile must be set if seccompProfile type is Localhost.");
}

struct AppArmorRow {
  const char* why;
  std::string pod, container, annotation;
  std::optional<cri::SecurityProfile> expected;
  std::string text;
};

TEST(ContainerSecurity, AppArmorComesFromContainerAnnotationOrPod) {
  using enum cri::ProfileType;
  const std::string pod_default = "appArmorProfile: {type: RuntimeDefault}";
  for (const auto& row :
       {AppArmorRow{"none", "", "", "", std::nullopt, ""},
        AppArmorRow{"pod", pod_default, "", "", cri::SecurityProfile{runtime_default, ""}, "runtime/default"},
        AppArmorRow{"annotation before pod", pod_default, "", "localhost/x", cri::SecurityProfile{localhost, "x"},
                    "localhost/x"},
        AppArmorRow{"container before annotation", pod_default, "appArmorProfile: {type: Unconfined}", "localhost/x",
                    cri::SecurityProfile{unconfined, ""}, "unconfined"},
        AppArmorRow{"an annotation without a name", pod_default, "", "localhost/",
                    cri::SecurityProfile{runtime_default, ""}, "runtime/default"},
        AppArmorRow{"an annotation nobody can read", pod_default, "", "what", cri::SecurityProfile{runtime_default, ""},
                    "runtime/default"}}) {
    SCOPED_TRACE(row.why);
    auto pod =
        pod_with_container("{name: c, securityContext: {" + row.container + "}}", "securityContext: {" + row.pod + "}");
    if (!row.annotation.empty()) {
      (*pod.mutable_metadata()->mutable_annotations())["container.apparmor.security.beta.kubernetes.io/c"] =
          row.annotation;
    }
    const auto context = make_container_security_context(pod, pod.spec().containers(0), inputs_with());
    ASSERT_TRUE(context.ok());
    EXPECT_EQ(context.value().apparmor, row.expected);
    EXPECT_EQ(context.value().apparmor_profile, row.text);
  }
  EXPECT_EQ(context_of("", "appArmorProfile: {type: Localhost}").error().message(),
            "missing localhost apparmor profile name");
  EXPECT_EQ(context_of("", "appArmorProfile: {type: Odd}").error().message(), "unknown apparmor profile type: \"Odd\"");
}

TEST(ContainerSecurity, OrdersGroupsUnlikeTheSandbox) {
  const auto pod = pod_with_container(
      "{name: c}", "securityContext: {fsGroup: 3, supplementalGroups: [1, 2], supplementalGroupsPolicy: Strict}");
  ContainerInputs container = inputs_with();
  container.volume_groups = {9, 2};
  SandboxInputs sandbox;
  sandbox.volume_groups = {9, 2};
  const auto of_container = make_container_security_context(pod, pod.spec().containers(0), container).value();
  const auto of_sandbox = make_sandbox_security_context(pod, sandbox).value();
  EXPECT_THAT(of_container.supplemental_groups, ElementsAre(3, 1, 2, 9));
  EXPECT_THAT(of_sandbox.supplemental_groups, ElementsAre(3, 9, 1, 2));
  EXPECT_EQ(of_container.supplemental_groups_policy, cri::SupplementalGroupsPolicy::strict);
  EXPECT_EQ(of_sandbox.supplemental_groups_policy, cri::SupplementalGroupsPolicy::strict);
  EXPECT_FALSE(context_of("supplementalGroupsPolicy: Other", "").ok());
}

TEST(SandboxSecurity, IsPrivilegedWhenAnyContainerIs) {
  for (const char* spec :
       {"containers: [{name: a}, {name: b, securityContext: {privileged: true}}]",
        "containers: [{name: a}], initContainers: [{name: i, securityContext: {privileged: true}}]",
        "containers: [{name: a}], ephemeralContainers: [{name: e, securityContext: {privileged: true}}]"}) {
    const auto context = make_sandbox_security_context(make_pod("spec: {" + std::string(spec) + "}"), {});
    ASSERT_TRUE(context.ok());
    EXPECT_TRUE(context.value().privileged) << spec;
  }
  EXPECT_FALSE(make_sandbox_security_context(make_pod("spec: {containers: [{name: a}]}"), {}).value().privileged);
}

TEST(SandboxSecurity, TakesOnlyThePodsFields) {
  const auto pod = pod_with_container("{name: c, securityContext: {runAsUser: 9, seccompProfile: {type: Unconfined}}}",
                                      "securityContext: {runAsGroup: 2, seLinuxOptions: {user: u}}");
  const auto context = make_sandbox_security_context(pod, {}).value();
  EXPECT_EQ(context.run_as_user, std::nullopt);
  EXPECT_EQ(context.run_as_group, 2);
  EXPECT_EQ(context.selinux_options->user, "u");
  EXPECT_EQ(context.seccomp, (cri::SecurityProfile{cri::ProfileType::runtime_default, ""}));
  EXPECT_FALSE(context.apparmor.has_value());
}

struct NonRootRow {
  std::string pod, container;
  ImageUser user;
  std::string error;  // "" = fine; without the part that names pod and container
};

TEST(RunAsNonRoot, RefusesRootAndWhatCannotBeTold) {
  const std::string need = "runAsNonRoot: true";
  for (const auto& row :
       {NonRootRow{"", "", {0, ""}, ""}, NonRootRow{need, "", {7, ""}, ""},
        NonRootRow{need, "runAsNonRoot: false", {0, ""}, ""},
        NonRootRow{need + ", runAsUser: 0", "", {7, ""}, "container's runAsUser breaks non-root policy"},
        NonRootRow{need, "runAsUser: 5", {0, ""}, ""},
        NonRootRow{"",
                   need,
                   {std::nullopt, "web"},
                   "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root"},
        NonRootRow{need, "", {0, ""}, "container has runAsNonRoot and image will run as root"},
        NonRootRow{need, "", {}, "container has runAsNonRoot and image will run as root"}}) {
    SCOPED_TRACE(row.pod + " / " + row.container);
    const auto context = context_of(row.pod, row.container, inputs_with(row.user));
    if (row.error.empty()) {
      EXPECT_TRUE(context.ok());
    } else {
      ASSERT_FALSE(context.ok());
      EXPECT_EQ(context.error().message(), row.error + " (pod: \"p_ns(u)\", container: c)");
    }
  }
  const auto huge = context_of(need, "", inputs_with({4'294'967'296, ""}));
  ASSERT_FALSE(huge.ok());
  EXPECT_THAT(huge.error().message(),
              testing::StartsWith("container has runAsNonRoot and image has an invalid user id (4294967296). (Must be "
                                  "1-(2147483647)): "));
}

}  // namespace
}  // namespace keelson::agent
