"""`down`: ends the cluster and leaves the machine as it was before `up`, but takes nothing away that is another's."""
import os
import pathlib
import time

from . import (cache, configs, containers, folders, mounts, neighbours, network, outside, parts, process, runfolder,
               settings, state)
from .report import Failure, say, step

# First those that would mend what the rest takes away; containerd outlives its containers.
ORDER = ("kubelet", "kube-scheduler", "kube-controller-manager", "local-path-provisioner", "coredns", "kube-proxy",
         parts.NETWORK_POLICIES)


def down():
    if os.geteuid() != 0:
        raise Failure("containers, mounts and iptables need root", "sudo -E dev/cluster down")
    with cache.lock("cluster"):
        runfolder.check()
        forget_if_restarted()
        if not settings.run().exists():
            say("nothing to take down")
            return
        with step("taking the cluster down"):
            take_down()


def forget_if_restarted():
    """After a restart of the machine nothing of the old cluster runs, and containerd would trip over its remains."""
    known = state.load()
    if known.get("boot", state.boot()) != state.boot():
        with step("the machine was restarted: clearing away the old cluster"):
            # No mount has outlived the restart, so what is mounted there now is not ours.
            folders.refuse_mounts(settings.run())
            outside.clean(known, _installed_too(known, neighbours.running()))
            runfolder.remove()


def take_down():
    """Every step may already have been done: an interrupted `down` goes on where it was."""
    known = state.load()
    others = neighbours.running()  # before anything goes that is perhaps theirs
    for name in ORDER:
        process.stop(name)
    _remove_containers()
    for name in ("kube-apiserver", "etcd"):
        process.stop(name)
    runfolder.unmount()
    _remove_network(others)
    _remove_pod_groups(others)
    _restore_kernel_settings(known.get("kernel_settings", {}), others)
    outside.clean(known, _installed_too(known, others))
    runfolder.remove()


def _installed_too(known, running):
    """Who does not run may have files all the same; but who was there before `up` has none in a folder that `up` made."""
    return [*running, *neighbours.installed_since(known.get("installed", []))]


def _remove_containers():
    """Only containerd knows its containers, so it is started again if it was ended from outside."""
    if not configs.path("containerd.toml").exists():
        return
    containerd = parts.containerd()
    process.ensure(containerd)
    process.wait_ready(containerd)
    containers.remove_all()
    containers.wait_for_shims()
    process.stop("containerd")


def _remove_network(others):
    """Chains of kube-proxy have the same names in every Kubernetes, so beside another one they stay."""
    other = neighbours.first(others, neighbours.KUBERNETES)
    if other:
        network.remove(network.NO_KUBERNETES)
        if network.foreign_kubernetes():
            say(f"  left: iptables chains KUBE-…: {other.name} may use them")
    else:
        network.remove()


def _remove_pod_groups(others, patience=10.0):
    """The kubelet's control groups, innermost first; the kernel may need a moment to see that they are empty."""
    other = neighbours.first(others, neighbours.KUBERNETES)
    if other and _pod_groups():
        say(f"  left: control groups kubepods: {other.name} may use them")
        return
    deadline = time.monotonic() + patience
    for group in _pod_groups():
        for folder, _, _ in os.walk(group, topdown=False):
            while not _removed(folder):
                if time.monotonic() > deadline:
                    raise Failure(f"the control group {folder} does not become empty",
                                  f"see which processes are in {folder}/cgroup.procs, end them, then dev/cluster down")
                time.sleep(0.05)


def _pod_groups():
    """Our kubelet makes them at the root of each hierarchy. Those further down are of a Kubernetes in a container."""
    roots = [pathlib.Path(mount.point) for mount in mounts.table() if mount.kind in ("cgroup", "cgroup2")]
    return [root / "kubepods" for root in roots if (root / "kubepods").is_dir()]


def _removed(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def _restore_kernel_settings(before, others):
    """Another Kubernetes needs them all as they are, and other containers those of the network."""
    kubernetes = neighbours.first(others, neighbours.KUBERNETES)
    other = kubernetes or neighbours.first(others, neighbours.NETWORK)
    kept = {name: value for name, value in before.items() if kubernetes or other and name.startswith("net/")}
    network.restore_kernel_settings({name: value for name, value in before.items() if name not in kept})
    left = network.changed_kernel_settings(kept)
    if left:
        say(f"  left: kernel settings {', '.join(left)}: {other.name} may need them")
