"""Who else runs containers on this machine. One looks for them before anything goes that they may share with us."""
import dataclasses
import os
import pathlib

from . import settings

# What one shares with us: a Kubernetes everything, others the kernel's settings of the network, or a folder.
KUBERNETES, NETWORK, CNI, CONTAINERD = "all", "the network", "the folder of CNI", "the folder of containerd"
DOCKER = (NETWORK, CONTAINERD)

PROGRAMS = {
    **dict.fromkeys(("kubelet", "kube-proxy", "kube-apiserver", "k3s", "rke2", "k0s", "microshift"), (KUBERNETES,)),
    "kubelite": (KUBERNETES,),  # MicroK8s
    "dockerd": DOCKER, "crio": (NETWORK, CNI), "conmon": (NETWORK, CNI),  # conmon: a container of podman
    "containerd": (CONTAINERD,),  # perhaps without any container: Debian starts it with the package
}
# Each container of containerd has such a process, and it goes on while the rest is stopped, for a new version of it, say.
SHIM = "containerd-shim"
SHIMS_OF = {b"k8s.io": (KUBERNETES,), b"moby": DOCKER}
OTHER_SHIMS = (NETWORK, CNI, CONTAINERD)

# What is there as soon as one is installed, and stays while it does not run. Podman leaves nothing that we would touch.
INSTALLED = {
    **dict.fromkeys(("/etc/kubernetes", "/etc/rancher", "/var/lib/rancher", "/var/snap/microk8s", "/var/lib/k0s"),
                    (KUBERNETES,)),
    **dict.fromkeys(("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd", "/var/snap/docker"), DOCKER),
}


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """Another Kubernetes or container runtime: its name for a message, and what it shares with us."""

    name: str
    shares: tuple


def first(found, *kinds):
    """The first one that shares any of these with us, or None."""
    return next((neighbour for neighbour in found if set(neighbour.shares) & set(kinds)), None)


def running(processes="/proc"):
    """Those of the machine itself. One in a container has networks and folders of its own, and shares nothing with us."""
    network = os.readlink("/proc/self/ns/net")
    ours = os.fsencode(str(settings.run())) + b"/"  # all our parts and shims have it in their command line
    found = []
    for folder in pathlib.Path(processes).iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has just ended
        shares = _shares(command)
        if shares and ours not in command and _in_network(folder, network):
            found.append(Neighbour(f"{_program(command)} (process {folder.name})", shares))
    return found


def _program(command):
    words = command.split(b"\0")[0].split()  # k3s writes all its words into the first one
    return os.path.basename(os.fsdecode(words[0])) if words else ""


def _shares(command):
    name = _program(command)
    if not name.startswith(SHIM):
        return PROGRAMS.get(name, ())
    namespace = command.partition(b"\0-namespace\0")[2].partition(b"\0")[0]
    return SHIMS_OF.get(namespace, OTHER_SHIMS)


def _in_network(folder, network):
    try:
        return os.readlink(folder / "ns" / "net") == network
    except PermissionError:
        return True  # nobody can tell, so it counts
    except OSError:
        return False  # it has just ended


def installed():
    """The traces of those that are installed, running or not."""
    return [path for path in INSTALLED if os.path.lexists(path)]


def installed_since(before):
    """Those that came after the list `before` was made."""
    return [Neighbour(path, INSTALLED[path]) for path in installed() if path not in before]
