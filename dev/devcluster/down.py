"""`down`: ends the cluster and leaves the machine as it was before `up`."""
import os
import pathlib
import shutil
import subprocess
import time

from . import cache, configs, containers, network, parts, process, settings, state
from .report import Failure, say, step

# First those that would mend what the rest takes away; containerd outlives its containers.
ORDER = ("kubelet", "kube-scheduler", "kube-controller-manager", "local-path-provisioner", "coredns", "kube-proxy",
         parts.NETWORK_POLICIES)


def down():
    if os.geteuid() != 0:
        raise Failure("containers, mounts and iptables need root", "sudo -E dev/cluster down")
    with cache.lock("cluster"):
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
            _clean_foreign_folders(known.get("absent_folders", []))
            shutil.rmtree(settings.run())


def take_down():
    """Every step may already have been done: an interrupted `down` goes on where it was."""
    for name in ORDER:
        process.stop(name)
    _remove_containers()
    for name in ("kube-apiserver", "etcd"):
        process.stop(name)
    _unmount_all()
    network.remove()
    _remove_pod_groups()
    known = state.load()
    network.restore_kernel_settings(known.get("kernel_settings", {}))
    _clean_foreign_folders(known.get("absent_folders", []))
    shutil.rmtree(settings.run())


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


def _unmount_all():
    """What is mounted below the run folder: volumes of pods, roots of containers, networks."""
    below = str(settings.run()) + "/"
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        points = [line.split()[4].encode().decode("unicode_escape") for line in mounts]
    for point in reversed([point for point in points if point.startswith(below)]):
        done = subprocess.run(["umount", point], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0 and os.path.ismount(point):
            raise Failure(f"cannot unmount {point}: {done.stderr.strip()}",
                          f"see who uses it with `fuser -vm {point}`, end it, then dev/cluster down again")


def _remove_pod_groups(patience=10.0):
    """The kubelet's control groups, innermost first; the kernel may need a moment to see that they are empty."""
    deadline = time.monotonic() + patience
    for group in pathlib.Path("/sys/fs/cgroup").glob("**/kubepods"):
        for folder, _, _ in os.walk(group, topdown=False):
            while not _removed(folder):
                if time.monotonic() > deadline:
                    raise Failure(f"the control group {folder} does not become empty",
                                  f"see which processes are in {folder}/cgroup.procs, end them, then dev/cluster down")
                time.sleep(0.05)


def _removed(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def _clean_foreign_folders(absent_before):
    """Parts of the stack insist on folders outside the cache: of those that were there before, only our files go."""
    for folder in absent_before:
        shutil.rmtree(folder, ignore_errors=True)
    for result in pathlib.Path("/var/lib/cni/results").glob("redis-dev-*"):
        result.unlink()
    for link in pathlib.Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and os.readlink(link).startswith(str(settings.run())):
            link.unlink()
