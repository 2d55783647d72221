"""One agent on one fake runtime, in a directory of their own; what is read from /proc, the control socket and disk."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from datetime import datetime

NODE_NAME = "bench"
EXITS_AFTER = 1  # seconds from the start of a container of pod exits-N to its end
HIERARCHIES = "/sys/fs/cgroup"


def wait_for(condition, limit, what, period=0.005):
    deadline = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {limit} s in vain for {what}")
        time.sleep(period)


def seconds_of(text):
    """RFC3339 with nanoseconds to seconds since the epoch."""
    seconds, _, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    zone = rest[digits:].replace("Z", "+00:00")
    return datetime.fromisoformat(seconds + zone).timestamp() + float("0." + rest[:digits])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("keelson", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Node:
    def __init__(self, keelson, runtime, events, cgroups, exits, keep):
        self.keelson, self.runtime_program = keelson, runtime
        self.keep = keep
        self.directory = tempfile.mkdtemp(prefix="keelson-bench-")
        self.port = free_port()
        self.agent = self.runtime = None
        self.extra = []  # further arguments of the agent
        self.written = {}
        self.cgroup_root = f"/keelson-bench-{os.getpid()}" if cgroups else None
        self.manifests = self.directory + "/manifests"
        self.logs = self.directory + "/logs"
        for path in (self.manifests, self.logs, self.directory + "/staged"):
            os.mkdir(path)
        self.write_script(events, exits)
        self.write_config()

    # --- files ---

    def write_script(self, events, exits):
        # A container of pod exits-N exits once, soon after its first start.
        rules = [{"pod": f"exits-{i}{suffix}", "times": 1, "exitAfter": f"{EXITS_AFTER}s", "exitCode": 1}
                 for i in range(exits) for suffix in ("", "-" + NODE_NAME)]  # from the API, and from a manifest
        script = {"runtime": {"events": events}, "images": ["bench:1"], "pullable": [{"name": "*"}], "behaviours": rules}
        with open(self.directory + "/script.json", "w", encoding="utf-8") as file:
            json.dump(script, file)

    def write_config(self):
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"webhook": {"enabled": False}, "anonymous": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "address": "127.0.0.1",
            "port": free_port(),
            "healthzPort": self.port,
            "staticPodPath": self.manifests,
            "podLogsDir": self.logs,
            "containerRuntimeEndpoint": f"unix://{self.directory}/cri.sock",
            "cgroupDriver": "cgroupfs",
            "failSwapOn": False,
            "failCgroupV1": False,
            "maxPods": 1000,
            "resolvConf": "",
        }
        if self.cgroup_root:
            config["cgroupRoot"] = self.cgroup_root
        else:
            config.update(cgroupsPerQOS=False, enforceNodeAllocatable=[])
        with open(self.directory + "/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)

    def hierarchies(self):
        if os.path.exists(HIERARCHIES + "/cgroup.controllers"):
            return [HIERARCHIES]
        return [entry.path for entry in os.scandir(HIERARCHIES) if entry.is_dir() and not entry.is_symlink()]

    def make_cgroups(self):
        for hierarchy in self.hierarchies() if self.cgroup_root else []:
            with contextlib.suppress(OSError):
                os.mkdir(hierarchy + self.cgroup_root)

    def remove_cgroups(self):
        for hierarchy in self.hierarchies() if self.cgroup_root else []:
            for path, _, _ in os.walk(hierarchy + self.cgroup_root, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)

    # --- processes ---

    def __enter__(self):
        self.make_cgroups()
        self.runtime = self.spawn("runtime", [self.runtime_program, "--socket", self.directory + "/cri.sock", "--script",
                                              self.directory + "/script.json"])
        wait_for(lambda: os.path.exists(self.directory + "/cri.sock"), 10, "the fake runtime's socket")
        return self

    def __exit__(self, kind, *_):
        for process in (self.agent, self.runtime):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.remove_cgroups()
        if self.keep or kind:
            print(f"  logs are in {self.directory}")
        else:
            # Where mounts are not shared, the agent has mounted its root directory on itself.
            subprocess.run(["umount", "--lazy", self.directory + "/root"], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(self.directory)

    def spawn(self, name, command):
        with open(f"{self.directory}/{name}.log", "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_agent(self, ready):
        began = time.monotonic()
        d = self.directory
        self.agent = self.spawn("keelson", [
            self.keelson, "--config", d + "/config.json", "--root-dir", d + "/root", "--cert-dir", d + "/pki",
            "--control-socket", d + "/keelson.sock", "--hostname-override", NODE_NAME] + self.extra)
        wait_for(lambda: self.healthy() and ready(), 60, "the agent to be ready")
        return time.monotonic() - began

    def kill_agent(self):
        self.agent.send_signal(signal.SIGKILL)
        self.agent.wait()

    def healthy(self):
        if self.agent.poll() is not None:
            raise SystemExit(f"the agent ended with {self.agent.returncode}; see {self.directory}/keelson.log")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return answer.read().strip() == b"ok"
        except OSError:
            return False

    # --- the agent's use of the machine ---

    def cpu_seconds(self):
        # The kernel's CPU clock of another process: nanoseconds, with the threads that ended.
        return time.clock_gettime(((~self.agent.pid) << 3) | 2)

    def idle_cpu(self, window):
        began, before = time.monotonic(), self.cpu_seconds()
        time.sleep(window)
        return 100 * (self.cpu_seconds() - before) / (time.monotonic() - began)

    @contextlib.contextmanager
    def cpu_of_agent(self):
        class Spent:
            seconds = 0.0
        spent, before = Spent(), self.cpu_seconds()
        yield spent
        spent.seconds = self.cpu_seconds() - before

    def memory(self):
        fields = {}
        with open(f"/proc/{self.agent.pid}/smaps_rollup", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                name, value = line.split(":")
                fields[name] = int(value.split()[0]) * 1024
        return {"rss": fields["Rss"], "anonymous": fields["Anonymous"], "private dirty": fields["Private_Dirty"]}

    def threads(self):
        return len(os.listdir(f"/proc/{self.agent.pid}/task"))

    def settle(self, seconds=7):
        # An event stream is believed after 5 s; until then the PLEG lists every second.
        time.sleep(seconds)

    # --- pods ---

    def write_manifests(self, names):
        for name in names:
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {"app": "bench"}},
                "spec": {"containers": [{
                    "name": "main",
                    "image": "bench:1",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["serve"],
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
                    "env": [{"name": "WHO", "value": name}],
                }]},
            }
            with open(f"{self.directory}/staged/{name}.json", "w", encoding="utf-8") as file:
                json.dump(pod, file)
        for name in names:
            self.written[name] = time.time()
            os.rename(f"{self.directory}/staged/{name}.json", f"{self.manifests}/{name}.json")

    def remove_manifests(self, names):
        began = time.monotonic()
        for name in names:
            os.unlink(f"{self.manifests}/{name}.json")
        return began

    def wait_started(self, names):
        # By the first line of the container's log, so that watching costs the agent nothing.
        missing = set(names)

        def all_started():
            for entry in os.listdir(self.logs):
                name = entry.split("_")[1].removesuffix("-" + NODE_NAME)
                if name in missing and os.path.exists(f"{self.logs}/{entry}/main/0.log"):
                    missing.discard(name)
            return not missing
        wait_for(all_started, 300, f"{len(names)} pods to start")

    def log_size(self):
        return os.path.getsize(self.directory + "/keelson.log")

    def wait_terminated(self, names, since):
        # By the agent's log from offset `since` on: asking it would cost it.
        missing = {f'pod="default/{name}-{NODE_NAME}"' for name in names}

        def all_terminated():
            with open(self.directory + "/keelson.log", encoding="utf-8", errors="replace") as log:
                log.seek(since)
                for line in log:
                    if '"Pod is terminated"' in line:
                        missing.difference_update(word for word in line.split() if word.startswith("pod="))
            return not missing
        wait_for(all_terminated, 300, f"{len(names)} pods to end", period=0.01)
        return time.monotonic()

    def wait_empty(self):
        wait_for(lambda: not os.listdir(self.directory + "/root/pods") and not os.listdir(self.logs), 120,
                 "directories and logs of deleted pods to be gone", period=0.1)
        wait_for(lambda: not self.pods(), 60, "keelson ps to show no pods", period=0.1)

    def pods(self):
        connection = UnixConnection(self.directory + "/keelson.sock")
        try:
            connection.request("GET", "/v1/pods")
            return json.loads(connection.getresponse().read())["pods"]
        finally:
            connection.close()

    def containers(self, names):
        by_pod = {pod["name"].removesuffix("-" + NODE_NAME): pod for pod in self.pods()}
        return {name: by_pod[name]["containers"][0] for name in names if name in by_pod}

    def all_running(self, names):
        try:
            found = self.containers(names)
        except OSError:
            return False
        return len(found) == len(names) and all(c["state"] == "running" for c in found.values())

    def running(self, names):
        wait_for(lambda: self.all_running(names), 60, "all containers to be shown running", period=0.2)
        return self.containers(names)

    def container_ids(self, names):
        return {name: c["id"] for name, c in self.running(names).items()}

    def line_time(self, name, instance):
        """When the first line of a container's log was written: the moment it started. `keelson ps` has whole seconds."""
        directory = next(entry for entry in os.listdir(self.logs) if entry.startswith((f"default_{name}-{NODE_NAME}_", f"default_{name}_")))
        with open(f"{self.logs}/{directory}/main/{instance}.log", encoding="utf-8") as log:
            return seconds_of(log.readline().split()[0])

    def start_times(self, names):
        return [self.line_time(name, 0) for name in names]

    def start_latencies(self, names):
        return [self.line_time(name, 0) - self.written[name] for name in names]

    def first_written(self, names):
        return min(self.written[name] for name in names)

    def restart_latencies(self, names):
        return [self.line_time(name, 1) - self.line_time(name, 0) - EXITS_AFTER for name in names]
