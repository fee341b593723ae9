"""The processes of the cluster: how each is started and how one sees that it serves."""
import socket
import ssl
import subprocess
import urllib.request

from . import cache, configs, containers, gobuild, keys, network, settings
from .process import Part

NAMES = ("etcd", "kube-apiserver", "containerd", "kube-controller-manager", "kube-scheduler", "kubelet",
         "kube-proxy", "coredns", "local-path-provisioner")
NETWORK_POLICIES = "network-policies"  # runs only when asked for


def define(node_address, network_policies=False):
    """All parts that are wanted by name, in the order they are started."""
    kubernetes = cache.ensure(gobuild.kubernetes())
    version = gobuild.kubernetes().version
    parts = [
        _etcd(),
        _api_server(kubernetes, version, node_address),
        containerd(),
        _controller_manager(kubernetes, version),
        _scheduler(kubernetes, version),
        _kubelet(kubernetes, version, node_address),
        _proxy(kubernetes, version),
        _coredns(node_address),
        _local_path(),
    ]
    if network_policies:
        parts.append(_network_policies())
    return {part.name: part for part in parts}


def _etcd():
    client = f"http://127.0.0.1:{settings.ETCD_PORT}"
    peer = f"http://127.0.0.1:{settings.ETCD_PEER_PORT}"
    # Nothing here has to survive a power cut, so no write waits for the disk.
    command = [
        cache.ensure(gobuild.etcd()) / "etcd", "--name=redis-dev", f"--data-dir={settings.run() / 'etcd'}",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=redis-dev={peer}", "--unsafe-no-fsync", "--log-level=warn",
        "--auto-compaction-mode=periodic", "--auto-compaction-retention=10m"]
    return Part("etcd", command, gobuild.etcd().version, f"127.0.0.1:{settings.ETCD_PORT}",
                lambda: _answers(client + "/health"),
                ports=[("127.0.0.1", settings.ETCD_PORT), ("127.0.0.1", settings.ETCD_PEER_PORT)])


def _api_server(kubernetes, version, node_address):
    key = keys.private_key
    issuer = "https://kubernetes.default.svc.cluster.local"
    # It can listen on one address only and pods need the node's; network.py leads loopback to it.
    command = [
        kubernetes / "kube-apiserver", f"--bind-address={node_address}", f"--secure-port={settings.API_PORT}",
        f"--advertise-address={node_address}", f"--etcd-servers=http://127.0.0.1:{settings.ETCD_PORT}",
        f"--service-cluster-ip-range={settings.SERVICE_RANGE}", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true", "--profiling=false",
        f"--client-ca-file={keys.certificate('ca')}", f"--tls-cert-file={keys.certificate('apiserver')}",
        f"--tls-private-key-file={key('apiserver')}", f"--kubelet-certificate-authority={keys.certificate('ca')}",
        f"--kubelet-client-certificate={keys.certificate('admin')}", f"--kubelet-client-key={key('admin')}",
        "--kubelet-preferred-address-types=InternalIP", f"--service-account-issuer={issuer}",
        f"--service-account-key-file={keys.folder() / 'service-account.pub'}",
        f"--service-account-signing-key-file={key('service-account')}"]
    files = [keys.certificate("ca"), keys.certificate("apiserver"), keys.certificate("admin")]
    return Part("kube-apiserver", command, version, f"{node_address}:{settings.API_PORT}, 127.0.0.1:{settings.API_PORT}",
                _api_ready, files, ports=[(node_address, settings.API_PORT), ("127.0.0.1", settings.API_PORT)])


def containerd():
    found = subprocess.run(["containerd", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    config = configs.path("containerd.toml")
    return Part("containerd", ["containerd", "--config", config], found[2] if len(found) > 2 else "?",
                str(containers.socket_path()), containers.answers, [config])


def _controller_manager(kubernetes, version):
    config = keys.kubeconfig("controller-manager")
    command = [
        kubernetes / "kube-controller-manager", f"--kubeconfig={config}", "--bind-address=127.0.0.1",
        "--leader-elect=false", "--use-service-account-credentials=true", "--allocate-node-cidrs=true",
        f"--cluster-cidr={settings.POD_RANGE}", f"--service-cluster-ip-range={settings.SERVICE_RANGE}",
        f"--root-ca-file={keys.certificate('ca')}",
        f"--service-account-private-key-file={keys.private_key('service-account')}",
        "--kube-api-qps=200", "--kube-api-burst=400", "--profiling=false"]
    return Part("kube-controller-manager", command, version, "127.0.0.1:10257", lambda: _open(10257),
                [config, keys.certificate("ca")], ports=[("127.0.0.1", 10257)])


def _scheduler(kubernetes, version):
    config = configs.path("scheduler.yaml")
    command = [kubernetes / "kube-scheduler", f"--config={config}", "--bind-address=127.0.0.1"]
    return Part("kube-scheduler", command, version, "127.0.0.1:10259", lambda: _open(10259),
                [config, keys.kubeconfig("scheduler")], ports=[("127.0.0.1", 10259)])


def _kubelet(kubernetes, version, node_address):
    config = configs.path("kubelet.yaml")
    command = [
        kubernetes / "kubelet", f"--config={config}", f"--kubeconfig={keys.kubeconfig('node')}",
        f"--hostname-override={settings.NODE_NAME}", f"--node-ip={node_address}",
        f"--root-dir={settings.run() / 'kubelet'}"]
    return Part("kubelet", command, version, f"{node_address}:{settings.KUBELET_PORT}",
                lambda: _answers("http://127.0.0.1:10248/healthz"),
                [config, keys.kubeconfig("node"), keys.certificate("ca"), keys.certificate("node")],
                ports=[("127.0.0.1", 10248), (node_address, settings.KUBELET_PORT)])


def _proxy(kubernetes, version):
    config = configs.path("kube-proxy.yaml")
    return Part("kube-proxy", [kubernetes / "kube-proxy", f"--config={config}"], version, "127.0.0.1:10256",
                lambda: _open(10256), [config, keys.kubeconfig("proxy")],
                ports=[("127.0.0.1", 10249), ("127.0.0.1", 10256)])


def _coredns(node_address):
    config = configs.path("Corefile")
    command = [cache.ensure(gobuild.coredns()) / "coredns", "-conf", config]
    return Part("coredns", command, gobuild.coredns().version,
                f"{node_address}:{settings.DNS_PORT}, in pods {settings.DNS_SERVICE_ADDRESS}:53",
                lambda: _answers(f"http://127.0.0.1:{settings.DNS_READY_PORT}/ready"),
                [config, keys.kubeconfig("admin")],
                ports=[(node_address, settings.DNS_PORT), ("127.0.0.1", settings.DNS_READY_PORT)])


def _local_path():
    config, helper = configs.path("local-path.json"), configs.path("local-path-helper.yaml")
    command = [
        cache.ensure(gobuild.local_path()) / "local-path-provisioner", "start", "--config", config,
        "--kubeconfig", keys.kubeconfig("admin"), "--namespace", "local-path-storage",
        "--helper-image", settings.PAUSE_IMAGE, "--helper-pod-file", helper]
    # It listens nowhere: that it stays alive is all one can see.
    return Part("local-path-provisioner", command, gobuild.local_path().version, "-", lambda: True,
                [config, helper, keys.kubeconfig("admin")])


def _network_policies():
    config = keys.kubeconfig("admin")
    command = [
        cache.ensure(gobuild.network_policies()) / "network-policies", f"--kubeconfig={config}",
        f"--node={settings.NODE_NAME}", f"--queue={settings.POLICY_QUEUE}"]
    # It takes packets only once it knows all pods and policies.
    return Part(NETWORK_POLICIES, command, gobuild.network_policies().version, f"packet queue {settings.POLICY_QUEUE}",
                network.policy_queue_is_served, [config])


def _api_ready():
    trust = ssl.create_default_context(cafile=str(keys.certificate("ca")))
    return _answers(f"https://127.0.0.1:{settings.API_PORT}/readyz", trust)


def _answers(url, trust=None):
    """Whether a GET is answered with 200. Proxies of the environment are not asked: it is our own machine."""
    handlers = [urllib.request.ProxyHandler({})]
    if trust:
        handlers.append(urllib.request.HTTPSHandler(context=trust))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _open(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False
