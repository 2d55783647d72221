// One row for each field: its default, a value that is taken, values that are refused.
#include "config/fields.hpp"

#include <gmock/gmock.h>

#include <set>

#include "config/tests/support.hpp"

namespace keelson::config {
namespace {

using testing::errors_of;
using ::testing::HasSubstr;
using testing::joined;
using testing::load_body;
using testing::must_run;
using testing::shown_at;

struct Bad {
  std::string value;     // YAML
  std::string expected;  // part of the error
};

struct Row {
  std::string path;
  std::string standard;  // JSON as /configz shows it; "" = left out
  std::string good;      // YAML
  std::string shown;     // JSON of `good`
  std::vector<Bad> bad;
  std::string with;  // other fields that make the good value possible
};

// clang-format off
const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      // §2.1
      {"enableServer", "true", "false", "false", {{"\"true\"", "expected true or false, found the string \"true\""}, {"1", "expected true or false"}}, ""},
      {"address", "\"0.0.0.0\"", "'::'", "\"::\"", {{"1", "expected a string, found the number 1"}}, ""},
      {"port", "10250", "10251", "10251", {{"70000", "Invalid value: 70000: must be between 1 and 65535, inclusive"}, {"-1", "Invalid value: -1"}, {"\"10250\"", "expected an int32"}, {"3000000000", "expected an int32"}, {"1.5", "expected an int32"}}, ""},
      {"readOnlyPort", "", "10255", "10255", {{"65536", "must be between 0 and 65535"}, {"-1", "Invalid value"}}, ""},
      {"healthzPort", "10248", "0", "0", {{"-1", "must be between 0 and 65535"}, {"65536", "Invalid value"}}, ""},
      {"healthzBindAddress", "\"127.0.0.1\"", "0.0.0.0", "\"0.0.0.0\"", {{"[]", "expected a string, found a list"}}, ""},
      {"tlsCertFile", "", "/a.crt", "\"/a.crt\"", {{"/a.crt", "tlsPrivateKeyFile: Required value"}, {"{}", "expected a string"}}, "tlsPrivateKeyFile: /a.key"},
      {"tlsPrivateKeyFile", "", "/a.key", "\"/a.key\"", {{"/a.key", "tlsCertFile: Required value"}}, "tlsCertFile: /a.crt"},
      {"tlsCipherSuites", "", "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", "[\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"]", {{"[FOO]", "tlsCipherSuites[0]: Invalid value: \"FOO\""}, {"FOO", "expected a list"}}, ""},
      {"tlsCurvePreferences", "", "[29, 23]", "[29,23]", {{"[0]", "must be between 1 and 65535"}, {"[29, 29]", "Duplicate value: 29"}, {"[9999]", "no such key exchange"}, {"[x]", "tlsCurvePreferences[0]: Invalid value: expected an int32"}}, ""},
      {"tlsMinVersion", "", "VersionTLS13", "\"VersionTLS13\"", {{"TLS1.3", "Unsupported value: \"TLS1.3\""}}, ""},
      {"rotateCertificates", "", "true", "true", {{"yes please", "expected true or false"}}, ""},
      {"serverTLSBootstrap", "", "true", "true", {{"{}", "expected true or false"}}, ""},
      {"authentication.x509.clientCAFile", "", "/ca.crt", "\"/ca.crt\"", {{"7", "put it in quotes"}}, ""},
      {"authentication.webhook.enabled", "true", "false", "false", {{"0", "expected true or false"}}, ""},
      {"authentication.webhook.cacheTTL", "\"2m0s\"", "1m30s", "\"1m30s\"", {{"10", "expected a duration, found the number 10"}, {"ten", "expected a duration such as 1m30s"}}, ""},
      {"authentication.anonymous.enabled", "false", "true", "true", {{"[]", "expected true or false"}}, ""},
      {"authorization.mode", "\"Webhook\"", "AlwaysAllow", "\"AlwaysAllow\"", {{"RBAC", "Unsupported value: \"RBAC\": expected \"Webhook\" or \"AlwaysAllow\""}}, ""},
      {"authorization.webhook.cacheAuthorizedTTL", "\"5m0s\"", "1s", "\"1s\"", {{"1", "expected a duration"}}, ""},
      {"authorization.webhook.cacheUnauthorizedTTL", "\"30s\"", "1s", "\"1s\"", {{"x", "expected a duration"}}, ""},
      {"enableDebuggingHandlers", "true", "false", "false", {{"no way", "expected true or false"}}, ""},
      {"enableContentionProfiling", "", "true", "true", {{"1", "expected true or false"}}, ""},
      {"enableProfilingHandler", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"enableDebugFlagsHandler", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"enableSystemLogHandler", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"enableSystemLogQuery", "false", "true", "true", {{"1", "expected true or false"}, {"true\nenableSystemLogHandler: false", "needs enableSystemLogHandler"}}, ""},
      {"streamingConnectionIdleTimeout", "\"4h0m0s\"", "1h", "\"1h0m0s\"", {{"1", "expected a duration"}}, ""},
      {"showHiddenMetricsForVersion", "", "\"1.35\"", "\"1.35\"", {{"\"1.34\"", "only the previous minor version"}, {"1.35", "expected a string, found the number 1.35"}}, ""},
      // §2.2
      {"staticPodPath", "", "/m", "\"/m\"", {{"1", "expected a string"}}, ""},
      {"fileCheckFrequency", "\"20s\"", "5s", "\"5s\"", {{"5", "expected a duration"}}, ""},
      {"staticPodURL", "", "http://x/pods", "\"http://x/pods\"", {{"1", "expected a string"}}, ""},
      {"staticPodURLHeader", "", "{A: [b, c]}", "{\"A\":[\"b\",\"c\"]}", {{"{A: b}", "staticPodURLHeader[A]: Invalid value: expected a list"}, {"[]", "expected an object"}}, ""},
      {"httpCheckFrequency", "\"20s\"", "5s", "\"5s\"", {{"5", "expected a duration"}}, ""},
      {"syncFrequency", "\"1m0s\"", "10s", "\"10s\"", {{"-1s", "Invalid value: -1s: must not be negative"}}, ""},
      {"containerRuntimeEndpoint", "\"unix:///run/containerd/containerd.sock\"", "unix:///run/crio/crio.sock", "\"unix:///run/crio/crio.sock\"", {{"1", "expected a string"}}, ""},
      {"imageServiceEndpoint", "", "unix:///i.sock", "\"unix:///i.sock\"", {{"1", "expected a string"}}, ""},
      {"runtimeRequestTimeout", "\"2m0s\"", "15m", "\"15m0s\"", {{"15", "expected a duration"}}, ""},
      {"podLogsDir", "\"/var/log/pods\"", "/logs", "\"/logs\"", {{"/logs/../x", "must be a clean path: \"/x\""}, {"/logs/", "must be a clean path"}, {"/l\u00f6gs", "ASCII"}}, ""},
      {"containerLogMaxSize", "\"10Mi\"", "1Gi", "\"1Gi\"", {{"big", "must be a quantity"}, {"10", "expected a string"}}, ""},
      {"containerLogMaxFiles", "5", "2", "2", {{"1", "must be 2 or more"}, {"0", "must be 2 or more"}}, ""},
      {"containerLogMaxWorkers", "1", "4", "4", {{"0", "must be 1 or more"}}, ""},
      {"containerLogMonitorInterval", "\"10s\"", "3s", "\"3s\"", {{"2s", "must be 3s or more"}, {"0s", "must be 3s or more"}}, ""},
      {"maxPods", "110", "250", "250", {{"-1", "must not be negative"}}, ""},
      {"podsPerCore", "", "10", "10", {{"-1", "must not be negative"}}, ""},
      {"podPidsLimit", "-1", "1024", "1024", {{"x", "expected an int64"}}, ""},
      {"podCIDR", "", "10.0.0.0/24", "\"10.0.0.0/24\"", {{"1", "expected a string"}}, ""},
      {"clusterDomain", "", "cluster.local", "\"cluster.local\"", {{"1", "expected a string"}}, ""},
      {"clusterDNS", "", "[10.96.0.10]", "[\"10.96.0.10\"]", {{"10.96.0.10", "expected a list"}}, ""},
      {"resolvConf", "\"/etc/resolv.conf\"", "\"\"", "\"\"", {{"1", "expected a string"}}, ""},
      {"hairpinMode", "\"promiscuous-bridge\"", "hairpin-veth", "\"hairpin-veth\"", {{"on", "expected a string, found the bool true"}, {"veth", "Unsupported value: \"veth\""}}, ""},
      {"seccompDefault", "false", "true", "true", {{"1", "expected true or false"}}, ""},
      {"allowedUnsafeSysctls", "", "[\"net.core.*\", kernel.sem, \"kernel.msg*\"]", "[\"net.core.*\",\"kernel.sem\",\"kernel.msg*\"]", {{"[vm.swappiness]", "not known to be kept apart"}, {"[\"*\"]", "must be a sysctl"}, {"[\"net.*.x\"]", "must be a sysctl"}}, ""},
      {"userNamespaces.idsPerPod", "", "131072", "131072", {{"1", "multiple of 65536"}, {"65537", "multiple of 65536"}, {"4294967296", "multiple of 65536"}, {"0", "multiple of 65536"}}, ""},
      {"crashLoopBackOff.maxContainerRestartPeriod", "\"5m0s\"", "10s", "\"10s\"", {{"999ms", "must be between 1s and 5m0s"}, {"301s", "must be between 1s and 5m0s"}, {"5", "expected a duration"}}, ""},
      {"runOnce", "", "false", "", {{"true", "this mode was removed"}}, ""},
      {"volumePluginDir", "\"/usr/libexec/kubernetes/kubelet-plugins/volume/exec/\"", "/opt/v", "\"/opt/v\"", {{"1", "expected a string"}}, ""},
      {"volumeStatsAggPeriod", "\"1m0s\"", "-1s", "\"-1s\"", {{"1", "expected a duration"}}, ""},
      {"enableControllerAttachDetach", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"localStorageCapacityIsolation", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"configMapAndSecretChangeDetectionStrategy", "\"Watch\"", "Cache", "\"Cache\"", {{"Poll", "Unsupported value: \"Poll\""}}, ""},
      {"makeIPTablesUtilChains", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"iptablesMasqueradeBit", "14", "0", "0", {{"32", "must be between 0 and 31"}, {"-1", "Invalid value"}}, ""},
      {"iptablesDropBit", "15", "31", "31", {{"32", "must be between 0 and 31"}}, ""},
      // §2.3
      {"registryPullQPS", "5", "0", "0", {{"-1", "must not be negative"}}, ""},
      {"registryBurst", "10", "20", "20", {{"-1", "must not be negative"}}, ""},
      {"serializeImagePulls", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"maxParallelImagePulls", "", "3", "3", {{"0", "must be 1 or more"}, {"3\nserializeImagePulls: true", "unless serializeImagePulls is false"}}, ""},
      {"imagePullCredentialsVerificationPolicy", "\"NeverVerifyPreloadedImages\"", "AlwaysVerify", "\"AlwaysVerify\"", {{"Sometimes", "Unsupported value: \"Sometimes\""}}, ""},
      {"preloadedImagesVerificationAllowlist", "", "[registry.example/a, \"r.example:5000/*\"]", "[\"registry.example/a\",\"r.example:5000/*\"]",
       {{"[a]", "Forbidden: only with"}, {"[\"a:1\"]\nimagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages", "must have no tag"},
        {"[\"a@sha256:1\"]\nimagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages", "must have no digest"},
        {"[\"a b\"]\nimagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages", "no spaces"},
        {"[\"a/*/b\"]\nimagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages", "only as a whole last part"},
        {"[\"/*\"]\nimagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages", "more than /*"}},
       "imagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages"},
      {"imageMinimumGCAge", "\"2m0s\"", "5m", "\"5m0s\"", {{"-1s", "must not be negative"}}, ""},
      {"imageMaximumGCAge", "\"0s\"", "24h", "\"24h0m0s\"", {{"-1s", "must not be negative"}, {"2m", "must be greater than imageMinimumGCAge (2m0s)"}}, ""},
      {"imageGCHighThresholdPercent", "85", "100", "100", {{"101", "must be between 0 and 100"}, {"80", "must be less than imageGCHighThresholdPercent (80)"}}, ""},
      {"imageGCLowThresholdPercent", "80", "0", "0", {{"-1", "must be between 0 and 100"}, {"85", "must be less than"}}, ""},
      {"nodeStatusMaxImages", "50", "-1", "-1", {{"-2", "must be -1 or more"}}, ""},
      // §2.4
      {"cgroupDriver", "\"cgroupfs\"", "systemd", "\"systemd\"", {{"1", "expected a string"}}, ""},
      {"cgroupRoot", "", "/x", "\"/x\"", {{"1", "expected a string"}}, ""},
      {"cgroupsPerQOS", "true", "false", "false", {{"false", "must be true while enforceNodeAllocatable"}}, "enforceNodeAllocatable: []"},
      {"failCgroupV1", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"singleProcessOOMKill", "", "false", "false", {{"1", "expected true or false"}}, ""},
      {"kubeletCgroups", "", "/x", "\"/x\"", {{"1", "expected a string"}}, ""},
      {"systemCgroups", "", "/system", "\"/system\"", {{"/system", "cgroupRoot: Required value"}, {"/\ncgroupRoot: /x", "must not be the root cgroup"}}, "cgroupRoot: /"},
      {"systemReservedCgroup", "", "/s", "\"/s\"", {{"/s\nreservedSystemCPUs: \"0\"", "cannot be set together with reservedSystemCPUs"}}, ""},
      {"kubeReservedCgroup", "", "/k", "\"/k\"", {{"/k\nreservedSystemCPUs: \"0\"", "cannot be set together with reservedSystemCPUs"}}, ""},
      {"systemReserved", "", "{cpu: 500m, memory: 1Gi, ephemeral-storage: 1Gi, pid: \"100\"}", "{\"cpu\":\"500m\",\"ephemeral-storage\":\"1Gi\",\"memory\":\"1Gi\",\"pid\":\"100\"}", {{"{gpu: \"1\"}", "systemReserved[gpu]: Unsupported value: \"gpu\""}, {"{cpu: \"-1\"}", "must not be negative"}, {"{cpu: lots}", "must be a quantity"}, {"{cpu: 1}", "systemReserved[cpu]: Invalid value: expected a string, found the number 1: put it in quotes"}}, ""},
      {"kubeReserved", "", "{cpu: 500m}", "{\"cpu\":\"500m\"}", {{"{hugepages-2Mi: 1Gi}", "kubeReserved[hugepages-2Mi]: Unsupported value"}}, ""},
      {"reservedSystemCPUs", "", "0-1,4", "\"0-1,4\"", {{"0-", "must be a list of CPUs"}, {"3-1", "must be a list of CPUs"}, {"a", "must be a list of CPUs"}, {"\"0,,1\"", "must be a list of CPUs"}}, ""},
      {"enforceNodeAllocatable", "[\"pods\"]", "[none]", "[\"none\"]", {{"[pod]", "Unsupported value: \"pod\""}, {"[pods, pods]", "Duplicate value: \"pods\""}, {"[none, pods]", "cannot stand with others"}, {"[system-reserved]", "systemReservedCgroup: Required value"}, {"[kube-reserved-compressible]", "kubeReservedCgroup: Required value"}, {"[system-reserved, system-reserved-compressible]\nsystemReservedCgroup: /s", "cannot stand with \"system-reserved\""}}, ""},
      {"qosReserved", "", "{memory: 50%}", "{\"memory\":\"50%\"}", {{"{cpu: 50%}", "Unsupported value: \"cpu\""}, {"{memory: \"50\"}", "must be a percentage"}, {"{memory: 101%}", "must be a percentage"}}, ""},
      {"cpuCFSQuota", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"cpuCFSQuotaPeriod", "\"100ms\"", "1ms", "\"1ms\"", {{"999us", "must be between 1ms and 1s"}, {"1001ms", "must be between 1ms and 1s"}}, ""},
      {"cpuManagerPolicy", "\"none\"", "static", "\"static\"", {{"dynamic", "Unsupported value: \"dynamic\""}, {"static", "needs CPU kept for the system"}}, "kubeReserved: {cpu: \"1\"}"},
      {"cpuManagerPolicyOptions", "", "{full-pcpus-only: \"true\"}", "{\"full-pcpus-only\":\"true\"}", {{"{full-pcpus-only: \"true\"}", "none takes no options"}, {"{x: \"true\"}\ncpuManagerPolicy: static", "Unsupported value: \"x\""}, {"{align-by-socket: \"true\"}\ncpuManagerPolicy: static", "needs feature gate CPUManagerPolicyAlphaOptions"}, {"{full-pcpus-only: maybe}\ncpuManagerPolicy: static", "must be \"true\" or \"false\""}, {"{distribute-cpus-across-numa: \"true\", prefer-align-cpus-by-uncorecache: \"true\"}\ncpuManagerPolicy: static", "cannot stand with prefer-align-cpus-by-uncorecache"}}, "cpuManagerPolicy: static\nreservedSystemCPUs: \"0\""},
      {"cpuManagerReconcilePeriod", "\"10s\"", "5s", "\"5s\"", {{"5", "expected a duration"}}, ""},
      {"memoryManagerPolicy", "\"None\"", "Static", "\"Static\"", {{"none", "Unsupported value: \"none\""}, {"Static", "the sum of memory over all NUMA nodes must be 100Mi"}}, "reservedMemory: [{numaNode: 0, limits: {memory: 100Mi}}]"},
      {"reservedMemory", "", "[{numaNode: 0, limits: {memory: 1Gi, hugepages-2Mi: 4Mi}}]", "[{\"numaNode\":0,\"limits\":{\"memory\":\"1Gi\",\"hugepages-2Mi\":\"4Mi\"}}]", {{"[{numaNode: 0, limits: {cpu: 1}}]", "reservedMemory[0].limits[cpu]: Unsupported value"}, {"[{numaNode: 0, limits: {memory: 0}}]", "must be greater than zero"}, {"[{numaNode: 0, limits: {memory: 1Gi}}, {numaNode: 0, limits: {memory: 2Gi}}]", "Duplicate value: \"memory\" of NUMA node 0"}, {"[{numaNode: x}]", "reservedMemory[0].numaNode: Invalid value: expected an int32"}, {"[{numaNode: 0, limits: {memory: lots}}]", "expected a quantity"}}, ""},
      {"topologyManagerPolicy", "\"none\"", "best-effort", "\"best-effort\"", {{"best", "Unsupported value: \"best\""}}, ""},
      {"topologyManagerScope", "\"container\"", "pod", "\"pod\"", {{"node", "Unsupported value: \"node\""}}, ""},
      {"topologyManagerPolicyOptions", "", "{max-allowable-numa-nodes: \"16\"}", "{\"max-allowable-numa-nodes\":\"16\"}", {{"{max-allowable-numa-nodes: \"7\"}\ntopologyManagerPolicy: restricted", "must be a number of 8 or more"}, {"{x: \"1\"}\ntopologyManagerPolicy: restricted", "Unsupported value: \"x\""}, {"{prefer-closest-numa-nodes: x}\ntopologyManagerPolicy: restricted", "must be \"true\" or \"false\""}}, "topologyManagerPolicy: restricted"},
      {"memorySwap.swapBehavior", "", "LimitedSwap", "\"LimitedSwap\"", {{"UnlimitedSwap", "Unsupported value: \"UnlimitedSwap\": expected \"NoSwap\" or \"LimitedSwap\""}}, ""},
      {"failSwapOn", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"memoryThrottlingFactor", "0.9", "1", "1.0", {{"0", "must be greater than 0"}, {"1.01", "must be greater than 0 and not greater than 1"}, {"x", "expected a number"}}, ""},
      {"memoryReservationPolicy", "\"None\"", "TieredReservation", "\"TieredReservation\"", {{"Some", "Unsupported value: \"Some\""}, {"TieredReservation", "needs feature gate MemoryQoS"}}, "featureGates: {MemoryQoS: true}"},
      {"oomScoreAdj", "-999", "0", "0", {{"-1001", "must be between -1000 and 1000"}, {"1001", "must be between -1000 and 1000"}}, ""},
      {"maxOpenFiles", "1000000", "5", "5", {{"-1", "must not be negative"}}, ""},
      {"protectKernelDefaults", "", "true", "true", {{"1", "expected true or false"}}, ""},
      {"kernelMemcgNotification", "", "true", "true", {{"1", "expected true or false"}}, ""},
      {"evictionHard", R"({"imagefs.available":"15%","imagefs.inodesFree":"5%","memory.available":"100Mi","nodefs.available":"10%","nodefs.inodesFree":"5%"})", "{memory.available: 200Mi, pid.available: 0%}", R"({"memory.available":"200Mi","pid.available":"0%"})", {{"{disk: 1Gi}", "evictionHard[disk]: Unsupported value: \"disk\""}, {"{memory.available: \"0\"}", "must be greater than zero"}, {"{memory.available: 101%}", "must be between 0% and 100%"}, {"{memory.available: -1%}", "must be between 0% and 100%"}, {"{memory.available: x}", "must be a quantity such as 100Mi"}, {"{memory.available: 5}", "evictionHard[memory.available]: Invalid value: expected a string"}, {"x", "expected an object"}}, ""},
      {"evictionSoft", "", "{memory.available: 300Mi}", R"({"memory.available":"300Mi"})", {{"{memory.available: 300Mi}", "evictionSoftGracePeriod[memory.available]: Required value"}, {"{x: 1}", "expected a string"}}, "evictionSoftGracePeriod: {memory.available: 1m}"},
      {"evictionSoftGracePeriod", "", "{memory.available: 1m}", R"({"memory.available":"1m"})", {{"{memory.available: -1m}", "must not be negative"}, {"{memory.available: soon}", "must be a duration"}, {"{x: 1m}", "Unsupported value: \"x\""}}, ""},
      {"evictionMinimumReclaim", "", "{imagefs.available: 2Gi}", R"({"imagefs.available":"2Gi"})", {{"{imagefs.available: \"-1\"}", "must not be negative"}, {"{imagefs.available: 0%}", "must be greater than 0%"}, {"{imagefs.available: x}", "must be a quantity"}, {"{x: 1Gi}", "Unsupported value: \"x\""}}, ""},
      {"evictionPressureTransitionPeriod", "\"5m0s\"", "30s", "\"30s\"", {{"30", "expected a duration"}}, ""},
      {"evictionMaxPodGracePeriod", "", "60", "60", {{"1m", "expected an int32"}}, ""},
      {"mergeDefaultEvictionSettings", "false", "true", "true", {{"1", "expected true or false"}}, ""},
      // §2.5
      {"registerNode", "true", "false", "false", {{"1", "expected true or false"}}, ""},
      {"registerWithTaints", "", "[{key: a/b, value: c, effect: NoSchedule}, {key: d, effect: NoExecute}]", R"([{"key":"a/b","value":"c","effect":"NoSchedule"},{"key":"d","effect":"NoExecute"}])", {{"[{key: a, effect: Sometimes}]", "registerWithTaints[0].effect: Unsupported value: \"Sometimes\""}, {"[{key: -a, effect: NoSchedule}]", "registerWithTaints[0].key: Invalid value: \"-a\""}, {"[{key: a, value: \"b c\", effect: NoSchedule}]", "registerWithTaints[0].value"}, {"[{key: a, effect: NoSchedule, timeAdded: \"2026-01-01T00:00:00Z\"}]", "registerWithTaints[0].timeAdded: Forbidden"}, {"[{key: a, effect: NoSchedule}, {key: a, value: b, effect: NoSchedule}]", "Duplicate value: \"a:NoSchedule\""}, {"[a]", "registerWithTaints[0]: Invalid value: expected an object"}}, ""},
      {"providerID", "", "cloud://x", "\"cloud://x\"", {{"1", "expected a string"}}, ""},
      {"nodeStatusUpdateFrequency", "\"10s\"", "20s", "\"20s\"", {{"20", "expected a duration"}}, ""},
      {"nodeStatusReportFrequency", "\"5m0s\"", "1m", "\"1m0s\"", {{"1", "expected a duration"}}, ""},
      {"nodeLeaseDurationSeconds", "40", "20", "20", {{"-1", "must be 1 or more"}}, ""},
      {"kubeAPIQPS", "50", "0", "0", {{"-1", "must not be negative"}}, ""},
      {"kubeAPIBurst", "100", "5", "5", {{"-1", "must not be negative"}}, ""},
      {"eventRecordQPS", "50", "0", "0", {{"-1", "must not be negative"}}, ""},
      {"eventBurst", "100", "5", "5", {{"-1", "must not be negative"}}, ""},
      {"contentType", "\"application/vnd.kubernetes.protobuf\"", "application/json", "\"application/json\"", {{"1", "expected a string"}}, ""},
      {"featureGates", "", "{MemoryQoS: true}", R"({"MemoryQoS":true})", {{"{NoSuchGate: true}", "featureGates[NoSuchGate]: unrecognized feature gate: NoSuchGate"}, {"{NodeSwap: false}", "cannot set feature gate NodeSwap to false, feature is locked to true"}, {"{MemoryQoS: \"true\"}", "featureGates[MemoryQoS]: Invalid value: expected true or false"}}, ""},
      {"shutdownGracePeriod", "\"0s\"", "30s", "\"30s\"", {{"-1s", "must be 0, or 1s or more"}, {"999ms", "must be 0, or 1s or more"}}, ""},
      {"shutdownGracePeriodCriticalPods", "\"0s\"", "10s", "\"10s\"", {{"10s", "must not be more than shutdownGracePeriod (0s)"}, {"1ms", "must be 0, or 1s or more"}}, "shutdownGracePeriod: 30s"},
      {"shutdownGracePeriodByPodPriority", "", "[{priority: 1000, shutdownGracePeriodSeconds: 10}]", R"([{"priority":1000,"shutdownGracePeriodSeconds":10}])", {{"[{priority: 0, shutdownGracePeriodSeconds: 1}]\nshutdownGracePeriod: 5s", "cannot be set together with"}, {"[{priority: x}]", "expected an int32"}}, ""},
      {"logging.format", "\"text\"", "json", "\"json\"", {{"xml", "Unsupported value: \"xml\""}}, ""},
      {"logging.flushFrequency", "\"5s\"", "2000000000", "\"2s\"", {{"-1s", "must be greater than zero"}, {"-5", "must be greater than zero"}, {"soon", "expected a duration"}}, ""},
      {"logging.verbosity", "0", "4", "4", {{"2147483648", "must be between 0 and 2147483647"}, {"-1", "expected an uint32"}}, ""},
      {"logging.vmodule", "", "[{filePattern: \"a*\", verbosity: 5}]", R"([{"filePattern":"a*","verbosity":5}])", {{"[{filePattern: \"\", verbosity: 1}]", "logging.vmodule[0].filePattern: Required value"}, {"[{filePattern: \"a=b\", verbosity: 1}]", "must hold neither = nor ,"}}, ""},
      {"logging.options.text.splitStream", "", "true", "true", {{"true", "needs feature gate LoggingAlphaOptions"}}, "featureGates: {LoggingAlphaOptions: true}"},
      {"logging.options.text.infoBufferSize", "\"0\"", "64Ki", "\"64Ki\"", {{"1", "needs feature gate LoggingAlphaOptions"}, {"x", "expected a quantity"}}, "featureGates: {LoggingAlphaOptions: true}"},
      {"logging.options.json.splitStream", "", "true", "true", {{"true", "needs feature gate LoggingAlphaOptions"}}, "featureGates: {LoggingAlphaOptions: true}"},
      {"logging.options.json.infoBufferSize", "\"0\"", "1024", "\"1Ki\"", {{"\"5\"", "needs feature gate LoggingAlphaOptions"}}, "featureGates: {LoggingAlphaOptions: true}"},
      {"tracing.endpoint", "", "localhost:4317", "\"localhost:4317\"", {{"http://x:4317", "the scheme must be dns, unix or unix-abstract"}}, ""},
      {"tracing.samplingRatePerMillion", "", "100", "100", {{"-1", "must be between 0 and 1000000"}, {"1000001", "must be between 0 and 1000000"}}, ""},
  };
  return all;
}
// clang-format on

// "a.b.c" with a value as nested YAML. Further lines of the value go below, at the top.
std::string as_yaml(const std::string& path, const std::string& value) {
  const auto newline = value.find('\n');
  std::string out;
  std::string indent;
  std::size_t start = 0;
  for (auto dot = path.find('.'); dot != std::string::npos; dot = path.find('.', start)) {
    out += indent + path.substr(start, dot - start) + ":\n";
    indent += "  ";
    start = dot + 1;
  }
  out += indent + path.substr(start) + ": " + value.substr(0, newline) + "\n";
  return newline == std::string::npos ? out : out + value.substr(newline + 1) + "\n";
}

nlohmann::json parsed(const std::string& json) { return json.empty() ? nlohmann::json() : nlohmann::json::parse(json); }

TEST(Fields, EveryFieldOfTheTableIsTestedHere) {
  std::set<std::string> tested;
  for (const Row& row : rows()) EXPECT_TRUE(tested.insert(row.path).second) << row.path;
  for (const Field* field : all_fields()) EXPECT_TRUE(tested.contains(std::string(field->path))) << field->path;
  EXPECT_EQ(tested.size(), all_fields().size());
}

TEST(Fields, HaveTheirDefaults) {
  const KubeletConfiguration configuration = must_run(load_body("")).kubelet;
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.path);
    EXPECT_EQ(shown_at(configuration, row.path), parsed(row.standard));
  }
}

TEST(Fields, TakeAGoodValue) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.path);
    const Outcome outcome = load_body(as_yaml(row.path, row.good) + row.with + "\n");
    EXPECT_EQ(shown_at(must_run(outcome).kubelet, row.path), parsed(row.shown));
  }
}

TEST(Fields, RefuseBadValues) {
  for (const Row& row : rows()) {
    EXPECT_FALSE(row.bad.empty()) << row.path;
    for (const Bad& bad : row.bad) {
      SCOPED_TRACE(row.path + ": " + bad.value);
      const auto errors = errors_of(load_body(as_yaml(row.path, bad.value)));
      ASSERT_FALSE(errors.empty());
      EXPECT_THAT(joined(errors), HasSubstr(bad.expected));
    }
  }
}

// A wrong value is told with its line, and only once.
TEST(Fields, TellTheLineOfAWrongType) {
  EXPECT_EQ(errors_of(load_body("maxPods: 5\nport: ten\n")),
            std::vector<std::string>{"/etc/kubelet.yaml:4: port: Invalid value: expected an int32, found the string "
                                     "\"ten\": write it without quotes"});
  EXPECT_EQ(errors_of(load_body("maxPods: 5\n\nport: 70000\n")),
            std::vector<std::string>{
                "/etc/kubelet.yaml:5: port: Invalid value: 70000: must be between 1 and 65535, inclusive"});
  EXPECT_EQ(errors_of(load_body("evictionHard:\n  nodefs.available: 5%\n  disk: 5%\n")).at(0).substr(0, 46),
            "/etc/kubelet.yaml:5: evictionHard[disk]: Unsup");
}

TEST(Fields, PlainZeroMeansTheDefaultAndPointersKeepIt) {
  for (const Field* field : all_fields()) {
    KubeletConfiguration sample;
    const Slot slot = field->slot(sample);
    std::string zero;
    if (std::holds_alternative<Duration*>(slot)) zero = "0s";
    if (std::holds_alternative<std::string*>(slot)) zero = "\"\"";
    if (std::holds_alternative<std::int32_t*>(slot) || std::holds_alternative<std::int64_t*>(slot)) zero = "0";
    if (zero.empty()) continue;
    SCOPED_TRACE(field->path);
    const Outcome outcome = load_body(as_yaml(std::string(field->path), zero));
    if (!std::holds_alternative<config::Run>(outcome)) {
      EXPECT_TRUE(field->pointer) << joined(errors_of(outcome));  // an explicit zero that is out of range
      continue;
    }
    const auto shown = shown_at(must_run(outcome).kubelet, std::string(field->path));
    const auto standard = shown_at(must_run(load_body("")).kubelet, std::string(field->path));
    if (field->pointer) {
      EXPECT_NE(shown, standard);
    } else {
      EXPECT_EQ(shown, standard);
    }
  }
}

TEST(Fields, NullMeansNotSet) {
  const auto configuration =
      must_run(load_body("port: null\nhealthzPort: null\nauthentication: null\nclusterDNS: null\n"));
  EXPECT_EQ(configuration.kubelet.port, 10250);
  EXPECT_EQ(configuration.kubelet.healthz_port, 10248);
  EXPECT_TRUE(configuration.kubelet.authentication.webhook.enabled);
}

TEST(Fields, GivenButEmptyListsAndMapsStayEmpty) {
  const auto configuration = must_run(load_body("enforceNodeAllocatable: []\nevictionHard: {}\n"));
  EXPECT_TRUE(configuration.kubelet.enforce_node_allocatable.empty());
  EXPECT_TRUE(configuration.kubelet.eviction_hard.empty());
}

struct RuleCase {
  std::string body;
  std::string path;
  std::string shown;
};

TEST(Fields, DefaultsThatARuleDecides) {
  const std::vector<RuleCase> cases = {
      {"nodeStatusUpdateFrequency: 20s", "nodeStatusReportFrequency", "\"20s\""},
      {"nodeStatusUpdateFrequency: 0s", "nodeStatusReportFrequency", "\"5m0s\""},
      {"nodeStatusUpdateFrequency: 20s\nnodeStatusReportFrequency: 3m", "nodeStatusReportFrequency", "\"3m0s\""},
      {"maxParallelImagePulls: 2", "serializeImagePulls", "false"},
      {"maxParallelImagePulls: 1", "serializeImagePulls", "true"},
      {"podPidsLimit: -5", "podPidsLimit", "-1"},
      {"featureGates: {KubeletCrashLoopBackOffMax: false}", "crashLoopBackOff.maxContainerRestartPeriod", ""},
      {"featureGates: {KubeletEnsureSecretPulledImages: false}", "imagePullCredentialsVerificationPolicy", ""},
      {"evictionHard: {memory.available: 5%}", "evictionHard", R"({"memory.available":"5%"})"},
      {"evictionHard: {memory.available: 5%}\nmergeDefaultEvictionSettings: true", "evictionHard",
       R"({"imagefs.available":"15%","imagefs.inodesFree":"5%","memory.available":"5%","nodefs.available":"10%","nodefs.inodesFree":"5%"})"},
  };
  for (const RuleCase& row : cases) {
    SCOPED_TRACE(row.body);
    EXPECT_EQ(shown_at(must_run(load_body(row.body + "\n")).kubelet, row.path), parsed(row.shown));
  }
}

TEST(Fields, ValuesThatFallToAnother) {
  const auto configuration = must_run(load_body("")).kubelet;
  EXPECT_EQ(configuration.image_endpoint(), "unix:///run/containerd/containerd.sock");
  EXPECT_EQ(configuration.effective_cgroup_root(), "/");
  EXPECT_EQ(configuration.ids_per_pod(), 65536);
}

TEST(Fields, GatedRulesFollowTheGate) {
  const std::vector<Bad> cases = {
      {"serverTLSBootstrap: true\nfeatureGates: {RotateKubeletServerCertificate: false}",
       "needs feature gate RotateKubeletServerCertificate"},
      {"shutdownGracePeriod: 10s\nfeatureGates: {GracefulNodeShutdown: false}",
       "needs feature gate GracefulNodeShutdown"},
      {"shutdownGracePeriodByPodPriority: [{priority: 1, shutdownGracePeriodSeconds: 1}]\n"
       "featureGates: {GracefulNodeShutdownBasedOnPodPriority: false}",
       "needs feature gate GracefulNodeShutdownBasedOnPodPriority"},
      {"crashLoopBackOff: {maxContainerRestartPeriod: 10s}\nfeatureGates: {KubeletCrashLoopBackOffMax: false}",
       "needs feature gate KubeletCrashLoopBackOffMax"},
      {"imagePullCredentialsVerificationPolicy: NeverVerify\nfeatureGates: {KubeletEnsureSecretPulledImages: false}",
       "needs feature gate KubeletEnsureSecretPulledImages"},
      {"cpuCFSQuotaPeriod: 5ms\nfeatureGates: {CustomCPUCFSQuotaPeriod: false}",
       "needs feature gate CustomCPUCFSQuotaPeriod"},
      {"logging: {format: json, vmodule: [{filePattern: a, verbosity: 1}]}", "works with logging.format text only"},
      {"cpuManagerPolicy: static\nreservedSystemCPUs: \"0\"\ntopologyManagerPolicy: single-numa-node\n"
       "featureGates: {CPUManagerPolicyAlphaOptions: true}\ncpuManagerPolicyOptions: {align-by-socket: \"true\"}",
       "cannot stand with topologyManagerPolicy single-numa-node"},
  };
  for (const Bad& row : cases) {
    SCOPED_TRACE(row.value);
    EXPECT_THAT(joined(errors_of(load_body(row.value + "\n"))), HasSubstr(row.expected));
  }
}

}  // namespace
}  // namespace keelson::config
