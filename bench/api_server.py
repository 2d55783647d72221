"""The fake API server of tests/support/api as the benchmark's cluster: pods in, what was told of them out."""

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import time

from node import NODE_NAME, Node, wait_for

AGENT = "system:node:" + NODE_NAME


class ApiServer:
    def __init__(self, program, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.control_path = directory + "/control.sock"
        with open(directory + "/log", "ab") as log:
            self.process = subprocess.Popen(
                [program, "--listen", "127.0.0.1:0", "--dir", directory, "--node", NODE_NAME, "--control",
                 self.control_path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: os.path.exists(directory + "/admin.conf") and os.path.exists(self.control_path), 20,
                 "the fake API server")
        self.address = self.read_admin()
        self.seen = {}  # pod -> {"ready": time, "gone": time, "statuses": [time]}
        self.lock = threading.Condition()
        threading.Thread(target=self.watch, daemon=True).start()

    def read_admin(self):
        # The file is ours and flat: no YAML library is needed for its five values.
        fields = {}
        with open(self.directory + "/admin.conf", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.strip().lstrip("- ").partition(": ")
                fields[key] = value.strip('"')
        for field, name in (("client-certificate-data", "admin.crt"), ("client-key-data", "admin.key"),
                            ("certificate-authority-data", "ca.pem")):
            with open(f"{self.directory}/{name}", "wb") as file:
                file.write(base64.b64decode(fields[field]))
        self.tls = ssl.create_default_context(cafile=self.directory + "/ca.pem")
        self.tls.load_cert_chain(self.directory + "/admin.crt", self.directory + "/admin.key")
        return fields["server"].removeprefix("https://")

    def connect(self):
        return http.client.HTTPSConnection(self.address, context=self.tls, timeout=600)

    def call(self, connection, method, path, body=None):
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Content-Type": "application/json", "Accept": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)

    def control(self, command):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.control_path)
            client.sendall(json.dumps(command).encode() + b"\n")
            return json.loads(client.makefile().readline())

    def requests(self):
        """The agent's requests so far, watches left out: they are long-lived."""
        return [entry for entry in self.control({"log": True})["log"]
                if entry["user"] == AGENT and entry["verb"] != "watch"]

    # --- what the watch tells ---

    def watch(self):
        connection = self.connect()
        connection.request("GET", "/api/v1/pods?watch=true&timeoutSeconds=86400", headers={"Accept": "application/json"})
        for line in connection.getresponse():
            event, now = json.loads(line), time.time()
            pod = event["object"]
            with self.lock:
                entry = self.seen.setdefault(pod["metadata"]["name"], {})
                conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
                if conditions.get("Ready") == "True":
                    entry.setdefault("ready", now)
                restarts = sum(c["restartCount"] for c in pod.get("status", {}).get("containerStatuses", []))
                terminated = any("terminated" in c["state"] for c in pod.get("status", {}).get("containerStatuses", []))
                if terminated or restarts:
                    entry.setdefault("exit", now)
                if event["type"] == "DELETED":
                    entry["gone"] = now
                self.lock.notify_all()

    def wait(self, names, what, limit=300):
        with self.lock:
            if not self.lock.wait_for(lambda: all(what in self.seen.get(name, {}) for name in names), limit):
                missing = [name for name in names if what not in self.seen.get(name, {})]
                raise SystemExit(f"waited {limit} s in vain for {len(missing)} pods to be {what}: {missing[:3]}")
            return [self.seen[name][what] for name in names]

    # --- pods ---

    def create(self, connection, name, probe=None):
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {"nodeName": NODE_NAME, "terminationGracePeriodSeconds": 1, "dnsPolicy": "Default",
                         "containers": [{
                    "name": "main", "image": "bench:1", "imagePullPolicy": "IfNotPresent", "command": ["serve"],
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}, "env": [{"name": "WHO", "value": name}]}]}}
        if probe:
            body["spec"]["containers"][0].update(readinessProbe=probe, livenessProbe=probe)
        began = time.time()
        self.call(connection, "POST", "/api/v1/namespaces/default/pods", body)
        return began

    def delete(self, connection, name):
        began = time.time()
        self.call(connection, "DELETE", f"/api/v1/namespaces/default/pods/{name}", {"gracePeriodSeconds": 1})
        return began

    def node_is_ready(self):
        nodes = self.call(self.connect(), "GET", "/api/v1/nodes")["items"]
        return any(c["type"] == "Ready" and c["status"] == "True" for n in nodes for c in n["status"].get("conditions", []))

    def ready_since(self):
        node = self.call(self.connect(), "GET", "/api/v1/nodes/" + NODE_NAME)
        return next(c["lastTransitionTime"] for c in node["status"]["conditions"] if c["type"] == "Ready")

    def lease_time(self):
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + NODE_NAME
        return self.call(self.connect(), "GET", path)["spec"]["renewTime"]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class ClusterNode(Node):
    """A node that gets its pods from an API server."""

    def __init__(self, keelson, runtime, api_server, **others):
        super().__init__(keelson, runtime, **others)
        self.api = ApiServer(api_server, self.directory + "/api")
        self.extra = ["--kubeconfig", f"{self.directory}/api/kubelet-{NODE_NAME}.conf"]

    def __exit__(self, kind, *rest):
        super().__exit__(kind, *rest)
        self.api.stop()
