"""The programs that come as Debian packages: installed when root, named otherwise."""
import os
import shutil
import subprocess

from . import settings
from .report import Failure, step

# What must be there → the package that brings it.
NEEDED = {
    "containerd": "containerd", "ctr": "containerd", "runc": "runc",
    os.path.join(settings.CNI_PLUGINS, "bridge"): "containernetworking-plugins",
    "iptables": "iptables", "conntrack": "conntrack", "ip": "iproute2", "mount": "mount",
    "openssl": "openssl", "mmdebstrap": "mmdebstrap", "xz": "xz-utils",
}


def missing():
    """The packages of which something is not there."""
    return sorted({package for thing, package in NEEDED.items() if not _there(thing)})


def _there(thing):
    return os.path.exists(thing) if os.path.isabs(thing) else shutil.which(thing) is not None


def ensure():
    packages = missing()
    if not packages:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failure(f"missing: {' '.join(packages)}", f"as root: apt-get update && {' '.join(install)}")
    log = settings.cache() / "build-logs" / "apt.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with step(f"installing {' '.join(packages)} (Debian packages, which stay)"), open(log, "ab") as output:
        for command in (["apt-get", "update"], install):
            code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
            if code != 0:
                raise Failure(f"{' '.join(command)} failed", "read the log; the Debian archive must be reachable", log)
    if missing():
        raise Failure(f"still missing after the installation: {' '.join(missing())}", log=log)
