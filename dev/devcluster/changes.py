"""`changes`: what `up` does to this machine, and what `down` puts back. It looks, and does nothing."""
import os

from . import debian, network, process, settings
from .neighbours import KUBERNETES, first, running

TEXT = """\
What dev/cluster up does on this machine, as root:
  packages   {packages}
             They stay. containerd comes with a service of systemd, which apt-get enables and starts; the cluster does not
             use it, and `systemctl disable --now containerd` ends it.
  processes  etcd, the parts of Kubernetes, containerd and pods. Some listen on {address}, as dev/README.md lists.
  network    the bridge {bridge}, and chains of iptables and ip6tables: KUBE-… and REDIS-DEV-…
  kernel     the settings {settings}
             The module br_netfilter is loaded if it is missing, and stays.
  folders    {cache}: all that is built, downloaded or kept
             Made if missing: {folders}.
             In those that are there already, only files of the cluster's own are written.
  groups     the control groups kubepods
dev/cluster down ends the processes and unmounts what they have mounted. It removes run/ in the cache, the bridge, chains,
control groups and the folders that up made, and sets the kernel settings back. Packages, the module and the rest of the
cache stay. If another Kubernetes or container runtime is on this machine by then, what it may use stays too, and is named.
"""


def text():
    foreign = settings.foreign_kubeconfig()
    if foreign:
        return f"REDIS_DEV_KUBECONFIG={foreign}: this cluster is used, and nothing on this machine changes.\n"
    if process.running("kube-apiserver"):
        return "The cluster runs already: dev/cluster up changes nothing more on this machine.\n"
    return TEXT.format(
        packages=_packages(), address=settings.node_address() or "the machine's address", bridge=settings.BRIDGE,
        settings=_wrapped([name.replace("/", ".") for name in network.KERNEL_SETTINGS]), cache=settings.cache(),
        folders=", ".join(settings.FOREIGN_FOLDERS)) + _warning()


def _packages():
    missing = debian.missing()
    return f"apt-get installs {' '.join(missing)}" if missing else "all are there, so apt-get installs none"


def _wrapped(names, width=3):
    rows = [", ".join(names[start:start + width]) for start in range(0, len(names), width)]
    return (",\n" + " " * 13).join(rows)


def _warning():
    """Without root one does not see all, which is no harm: `up` looks again."""
    other = first(running(), KUBERNETES) if os.geteuid() == 0 else None
    return f"Another Kubernetes runs on this machine ({other.name}), so dev/cluster up will refuse.\n" if other else ""
