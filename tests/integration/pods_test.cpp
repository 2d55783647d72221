// A pod as its user sees it: it runs, is reached, logs, has its environment, volumes and files.
#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;
using ::testing::Test;

class PodTest : public NodeTest {};

// Everything that a manifest may ask for today, in one pod: a web server and a writer that share a volume.
constexpr char kWebPod[] = R"yaml(
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: default
  labels: {app: web}
  annotations: {team: "ships"}
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - {name: pages, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: host, hostPath: {path: DIRECTORY/host, type: Directory}}
  containers:
  - name: server
    image: keelson.local/busybox:1
    imagePullPolicy: IfNotPresent
    command: [httpd, -f, -v, -p, "8080", -h, /www]
    ports: [{containerPort: 8080}]
    volumeMounts: [{name: pages, mountPath: /www}]
  - name: writer
    image: keelson.local/busybox:1
    imagePullPolicy: Never
    command:
    - sh
    - -c
    - |
      echo "hello from $(cat /host/name)" > /www/index.html
      env
      echo "hosts: $(grep web-node /etc/hosts)"
      echo "resolver: $(cat /etc/resolv.conf | tr '\n' ' ')"
      echo "memory: $(grep ' /memory ' /proc/mounts)"
      echo written > /host/back
      echo to-stderr >&2
      echo "$0 $1"
      trap 'exit 0' TERM; sleep 1000 & wait
    - script
    - argument=$(GREETING)
    env:
    - {name: GREETING, value: "good day"}
    - {name: LONGER, value: "$(GREETING), $(POD_NAME) $$(ESCAPED) $(UNKNOWN)"}
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: AGAIN, value: "$(GREETING), $(POD_NAME)"}
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: TEAM, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['team']"}}}
    volumeMounts:
    - {name: pages, mountPath: /www}
    - {name: memory, mountPath: /memory}
    - {name: host, mountPath: /host}
)yaml";

std::string web_pod(const std::string& directory) {
  std::string text = kWebPod;
  text.replace(text.find("DIRECTORY"), 9, directory);
  return text;
}

TEST_F(PodTest, RunsIsReachedLogsAndHasItsEnvironmentAndVolumes) {
  fs::create_directory(directory + "/host");
  ASSERT_TRUE(base::write_file(directory + "/host/name", "the host", 0644).ok());
  place("web.yaml", web_pod(directory));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("web"); }));

  const json pod = seen("web");
  EXPECT_EQ(pod["phase"], "Running");
  EXPECT_EQ(pod["source"], "file");
  ASSERT_FALSE(pod["ips"].empty());
  const std::string ip = pod["ips"][0];
  ASSERT_TRUE(eventually("the web page", [&] { return http_get(ip, 8080, "/").body == "hello from the host\n"; }));

  ASSERT_TRUE(
      eventually("the log", [&] { return log_of("web", "writer").find("script argument") != std::string::npos; }));
  const std::string log = log_of("web", "writer");
  for (const std::string line : {"GREETING=good day", "LONGER=good day, $(POD_NAME) $(ESCAPED) $(UNKNOWN)",
                                 "POD_NAME=web-node", "AGAIN=good day, web-node", "NODE=node", "APP=web", "TEAM=ships",
                                 "script argument=good day", "stderr F to-stderr"}) {
    EXPECT_NE(log.find(line + "\n"), std::string::npos) << line << "\n" << log;
  }
  EXPECT_NE(log.find("POD_IP=" + ip + "\n"), std::string::npos) << log;
  EXPECT_NE(log.find("hosts: " + ip + "\tweb-node\n"), std::string::npos) << log;
  EXPECT_NE(log.find("nameserver 192.0.2.53"), std::string::npos) << log;
  EXPECT_NE(log.find("memory: tmpfs /memory tmpfs"), std::string::npos) << log;
  EXPECT_EQ(read_text(directory + "/host/back"), "written\n");

  const std::string uid = pod["uid"];
  EXPECT_NE(read_text(pod_directory(uid) + "/etc-hosts").find(ip + "\tweb-node\n"), std::string::npos);
  EXPECT_TRUE(exists(pod_directory(uid) + "/volumes/kubernetes.io~empty-dir/pages/index.html"));
  const std::string link = "/var/log/containers/web-node_default_writer-" + id_of("web", "writer") + ".log";
  ASSERT_TRUE(fs::is_symlink(link)) << link;
  EXPECT_EQ(read_text(link), log);
}

TEST_F(PodTest, IsShownAndExplainedInText) {
  place(pod("plain", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("plain"); }));
  const std::string socket = "--socket=" + keelson->control_socket();

  const auto list = KeelsonProcess::run({"ps", socket});
  EXPECT_EQ(list.exit_code, 0) << list.err;
  EXPECT_NE(list.out.find("plain-node"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("main"), std::string::npos) << list.out;

  const auto story = KeelsonProcess::run({"explain", "default/plain-node", socket});
  EXPECT_EQ(story.exit_code, 0) << story.err;
  EXPECT_NE(story.out.find(manifest_path("plain.yaml")), std::string::npos) << story.out;

  const auto unknown = KeelsonProcess::run({"explain", "default/nobody", socket});
  EXPECT_NE(unknown.exit_code, 0);
  EXPECT_NE(unknown.err.find("knows no pod default/nobody"), std::string::npos) << unknown.err;

  const auto doctor = KeelsonProcess::run({"doctor", socket});
  EXPECT_NE(doctor.out.find("containerd"), std::string::npos) << doctor.out << doctor.err;
}

TEST_F(PodTest, ShowsTheTerminationMessageAndExitCode) {
  place(pod("told", {shell("main", "echo -n 'the disk is on fire' > /dev/termination-log; exit 7")},
            {{"restartPolicy", "Never"}}));
  json talker = shell("main", "echo 'last words'; exit 8", {{"terminationMessagePolicy", "FallbackToLogsOnError"}});
  place(pod("fell-back", {talker}, {{"restartPolicy", "Never"}}));
  start();
  ASSERT_TRUE(eventually("both to end", [&] {
    return seen("told").value("phase", "") == "Failed" && seen("fell-back").value("phase", "") == "Failed";
  }));
  EXPECT_EQ(seen("told", "main")["message"], "the disk is on fire");
  EXPECT_EQ(seen("told", "main")["exitCode"], 7);
  EXPECT_EQ(seen("told", "main")["reason"], "Error");
  EXPECT_EQ(seen("fell-back", "main")["message"], "last words\n");
}

TEST_F(PodTest, OfTheHostNetworkHasTheNodesAddressesAndHosts) {
  place(pod("host", {shell("main", "httpd -p 18080 -h /etc; cat /etc/hosts; echo done; " + std::string(kSleep))},
            {{"hostNetwork", true}}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("host"); }));
  ASSERT_TRUE(eventually("it to serve on the node's loopback",
                         [&] { return http_get("127.0.0.1", 18080, "/hostname").status != 0; }));
  ASSERT_TRUE(eventually("its log", [&] { return log_of("host", "main").find("done") != std::string::npos; }));
  EXPECT_NE(log_of("host", "main").find("localhost"), std::string::npos);
}

}  // namespace
}  // namespace keelson::integration
