"""run/, the folder of the running cluster: whether it is ours, and its removal."""
from . import folders, mounts, settings, state
from .report import Failure

# All that the scripts and the parts write there.
NAMES = {"cni", "config", "containerd", "etcd", "images.json", "keys", "kubelet", "logs", "objects", "pod-logs",
         "processes", "state.json", "state.new", "volumes"}

# Where the kubelet and containerd mount: volumes of pods, roots of containers, networks.
MOUNTED_BY_US = ("kubelet", "containerd")


def check():
    """Refuses a folder of that name that another made: `up` would write into it, and `down` would remove it."""
    folder = settings.run()
    if folder.is_symlink():
        raise Failure(f"{folder} is a link, which `down` does not follow", "set REDIS_DEV_CACHE to where it leads instead")
    if not folder.exists() or "boot" in state.load():
        return
    strangers = sorted({path.name for path in folder.iterdir()} - NAMES)
    if strangers:
        raise Failure(f"{folder} is not of this cluster: it has no state.json, but {strangers[0]}",
                      "move it away, or set REDIS_DEV_CACHE to a folder that is there for this alone")


def unmount():
    """The innermost first."""
    ours = [point for name in MOUNTED_BY_US for point in mounts.at_or_below(settings.run() / name)]
    for point in reversed(ours):
        mounts.unmount(point)


def remove():
    """state.json goes last: a `down` that is interrupted here can go on, and still knows what it has to put back."""
    folder = settings.run()
    folders.refuse_mounts(folder)
    for path in folder.iterdir():
        if path.name == "state.json":
            continue
        if path.is_dir() and not path.is_symlink():
            folders.remove(path)
        else:
            path.unlink()
    folders.remove(folder)
