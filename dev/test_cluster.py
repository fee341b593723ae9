"""Tests of dev/cluster on the real machine: it must heal after kills and leave nothing behind.

Run as root while no cluster is up: python3 -m unittest -v dev/test_cluster.py (about three minutes when all is built).
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # nothing is left in the work tree
sys.path.insert(0, str(HERE))

from devcluster import parts, process, settings  # noqa: E402 (the path has to be set first)

# Every process that `up` starts inherits this, and so can be told from those of others on the machine.
MARK = f"REDIS_DEV_TEST_MARK={uuid.uuid4()}"

REDIS = """
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: Redis
metadata: { name: probe, namespace: default }
spec:
  kubernetesConfig:
    image: quay.io/opstree/redis:v7.0.15
    imagePullPolicy: IfNotPresent
    resources: { requests: { cpu: 10m, memory: 32Mi } }
  storage:
    volumeClaimTemplate:
      spec:
        storageClassName: gp3
        accessModes: [ReadWriteOnce]
        resources: { requests: { storage: 1Gi } }
  podSecurityContext: { runAsUser: 1000, fsGroup: 1000 }
"""

TWO_PODS = """
apiVersion: v1
kind: Pod
metadata: { name: listener, namespace: default, labels: { app: listener } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: redis
      image: quay.io/opstree/redis:v7.0.15
      imagePullPolicy: IfNotPresent
      command: [redis-server, --protected-mode, "no"]
      resources: { requests: { cpu: 10m, memory: 32Mi } }
      readinessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1, failureThreshold: 1 }
---
apiVersion: v1
kind: Pod
metadata: { name: caller, namespace: default, labels: { app: caller } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: sleeper
      image: quay.io/opstree/redis:v7.0.15
      imagePullPolicy: IfNotPresent
      command: [sleep, infinity]
      resources: { requests: { cpu: 10m, memory: 32Mi } }
"""

DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny, namespace: default }
spec: { podSelector: { matchLabels: { app: listener } }, policyTypes: [Ingress] }
"""

ALLOW = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow, namespace: default }
spec:
  podSelector: { matchLabels: { app: listener } }
  policyTypes: [Ingress]
  ingress: [{ from: [{ podSelector: { matchLabels: { app: caller } } }], ports: [{ port: 6379 }] }]
"""


def cluster(*arguments):
    """Runs dev/cluster and returns what it printed; its failure is the test's."""
    name, _, value = MARK.partition("=")
    done = subprocess.run([str(HERE / "cluster"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env={**os.environ, name: value}, check=False)
    if done.returncode != 0:
        raise AssertionError(f"dev/cluster {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def kubectl(*arguments, text=None):
    built = re.search(r"REDIS_DEV_KUBECTL=(\S+)", cluster("env")).group(1)
    return subprocess.run([built, f"--kubeconfig={settings.admin_kubeconfig()}", *arguments], input=text, text=True,
                          stdout=subprocess.PIPE, check=True).stdout


def marked_processes():
    """Ids and command lines of what `up` started, directly or through the kubelet."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            marked = MARK.encode() in (folder / "environ").read_bytes()
            in_pod = "/kubepods" in (folder / "cgroup").read_text()
            if marked or in_pod:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def lines(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout.splitlines()


def machine():
    """What a cluster could leave behind, each as a set that can be compared."""
    rules = []
    for family in ("iptables", "ip6tables"):
        # Built-in chains and their counters are the kernel's own.
        rules += [f"{family} {line.split(' [')[0]}" for line in lines(f"{family}-save")
                  if line.startswith("-") or re.match(r":\S+ - ", line)]
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    sysctl = [pathlib.Path("/proc/sys") / name for name in (
        "net/ipv4/ip_forward", "vm/overcommit_memory", "kernel/panic", "net/bridge/bridge-nf-call-iptables",
        "fs/inotify/max_user_instances", "net/ipv4/conf/all/route_localnet", "kernel/panic_on_oops")]
    return {
        "processes": set(marked_processes().values()),
        "mounts": {line.split()[4] for line in mounts},
        "network namespaces": set(lines("ip", "netns", "list")) | set(lines("lsns", "-n", "-t", "net", "-o", "NS")),
        "links": {line.split(":")[1].strip() for line in lines("ip", "-o", "link")},
        "addresses": {" ".join(line.split()[1:4]) for line in lines("ip", "-o", "addr")},
        "routes": set(lines("ip", "route")),
        "iptables": set(rules),
        "packet queues": {line.split()[0] for line in lines("cat", "/proc/net/netfilter/nfnetlink_queue")},
        "kernel settings": {f"{path} {path.read_text().strip()}" for path in sysctl if path.exists()},
        "control groups": {str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("**/kubepods*")},
        "folders": {folder for folder in (*settings.FOREIGN_FOLDERS, "/var/log/pods") if pathlib.Path(folder).exists()},
        "run folder": {str(settings.run())} if settings.run().exists() else set(),
    }


@unittest.skipIf(os.geteuid() != 0, "needs root")
@unittest.skipIf(settings.run().exists(), "a cluster is up and perhaps in use: dev/cluster down first")
class Cluster(unittest.TestCase):
    """One life of a cluster, in the order of the methods' names; a cluster of its own for each would take longer."""

    @classmethod
    def setUpClass(cls):
        cls.before = machine()

    @classmethod
    def tearDownClass(cls):
        cluster("down")

    def assert_redis_answers(self):
        kubectl("wait", "--for=create", "pod/probe-0", "--timeout=60s")
        kubectl("wait", "--for=condition=Ready", "pod/probe-0", "--timeout=60s")
        # A kubelet that has just restarted reports the pod as Ready, and for a moment does not find it for an exec.
        deadline = time.monotonic() + 30
        while True:
            try:
                self.assertEqual(kubectl("exec", "probe-0", "--", "redis-cli", "PING").strip(), "PONG")
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def operator(self):
        return json.loads(kubectl("get", "deployment", "redis-operator", "-n", "redis-operator", "-o", "json"))

    def test_1_up_and_a_redis(self):
        cluster("build", "kubernetes", "etcd", "coredns", "local-path", "image", "operator-v0.26.0", "network-policies")
        start = time.monotonic()
        cluster("up")
        print(f"warm up: {time.monotonic() - start:.1f} s", file=sys.stderr)
        cluster("status")
        kubectl("apply", "-f", "-", text=REDIS)
        self.assert_redis_answers()

    def test_2_up_again_changes_nothing(self):
        before = {name: process.running(name) for name in parts.NAMES}
        cluster("up")
        self.assertEqual(before, {name: process.running(name) for name in parts.NAMES})

    def test_3_listens_on_own_addresses_only(self):
        ours = marked_processes()
        for line in lines("ss", "-ltnupH"):
            if any(f"pid={pid}," in line for pid in ours):
                address = line.split()[4].rpartition(":")[0].partition("%")[0]
                self.assertIn(address, ("127.0.0.1", settings.node_address()), line)

    def test_4_heals_after_a_kill_of_each_part(self):
        for name in parts.NAMES:
            with self.subTest(part=name):
                os.kill(process.running(name), signal.SIGKILL)
                cluster("up")
                cluster("status")
                self.assert_redis_answers()

    def test_5_heals_after_a_kill_of_all_parts(self):
        for name in parts.NAMES:
            os.kill(process.running(name), signal.SIGKILL)
        cluster("up")
        cluster("status")
        self.assert_redis_answers()

    def test_6_swaps_the_operator_in_place(self):
        cluster("up", "--gate", "on", "--operator-qps", "50")
        self.assertIn("REDIS_DEV_GATE=on", cluster("env"))
        self.assertIn("--kube-client-qps=50", self.operator()["spec"]["template"]["spec"]["containers"][0]["args"])
        cluster("up", "--no-operator")
        self.assertIn("REDIS_DEV_OPERATOR=absent", cluster("env"))
        cluster("up")
        self.assertIn("REDIS_DEV_GATE=off", cluster("env"))
        self.assertEqual(self.operator()["status"]["readyReplicas"], 1)
        self.assertNotIn("qps", json.dumps(self.operator()["spec"]["template"]))

    def connects(self, address):
        """Whether the caller reaches the listener; a policy drops packets, so that one waits in vain."""
        done = kubectl("exec", "caller", "--", "sh", "-c", f"timeout 2 redis-cli -h {address} PING || true")
        return done.strip() == "PONG"

    def test_7_enforces_network_policies_when_asked_to(self):
        before = {name: process.running(name) for name in parts.NAMES}
        self.assertIn("REDIS_DEV_NETWORK_POLICIES=off", cluster("env"))
        kubectl("apply", "-f", "-", text=TWO_PODS)
        kubectl("wait", "--for=condition=Ready", "pod/listener", "pod/caller", "--timeout=60s")
        address = kubectl("get", "pod", "listener", "-o", "jsonpath={.status.podIP}")
        kubectl("apply", "-f", "-", text=DENY)
        self.assertTrue(self.connects(address), "not enforced yet")
        cluster("up", "--network-policies")
        self.assertIn("REDIS_DEV_NETWORK_POLICIES=on", cluster("env"))
        self.assertEqual(before, {name: process.running(name) for name in parts.NAMES})
        cluster("status")
        self.assertFalse(self.connects(address), "denied")
        kubectl("apply", "-f", "-", text=ALLOW)
        self.assertTrue(self.connects(address), "allowed")
        kubectl("delete", "networkpolicy", "allow")
        self.assertFalse(self.connects(address), "denied again")
        time.sleep(3)  # three more probes of the kubelet
        kubectl("wait", "--for=condition=Ready", "pod/listener", "--timeout=0")
        os.kill(process.running(parts.NETWORK_POLICIES), signal.SIGKILL)
        cluster("up", "--network-policies")
        self.assertFalse(self.connects(address), "denied after the enforcer was ended and started again")
        cluster("up")
        self.assertIn("REDIS_DEV_NETWORK_POLICIES=off", cluster("env"))
        self.assertTrue(self.connects(address), "no more enforced")
        cluster("up", "--network-policies")  # for `down` to take away
        self.assert_redis_answers()

    def test_8_down_leaves_nothing_even_after_a_kill(self):
        # The parts that know what has to be taken away.
        for name in ("containerd", "kubelet", "kube-proxy", parts.NETWORK_POLICIES):
            os.kill(process.running(name), signal.SIGKILL)
        cluster("down")
        after = machine()
        for what, things in self.before.items():
            self.assertEqual(after[what] - things, set(), f"{what}: left behind")
            self.assertEqual(things - after[what], set(), f"{what}: taken away")

    def test_9_down_from_full_work_leaves_nothing(self):
        cluster("up", "--network-policies")
        kubectl("apply", "-f", "-", text=REDIS)
        self.assert_redis_answers()
        cluster("down")
        after = machine()
        for what, things in self.before.items():
            self.assertEqual(after[what], things, what)


if __name__ == "__main__":
    unittest.main(verbosity=2)
