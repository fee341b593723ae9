"""Which folders may be the cache: `down` removes run/ in it and `make demo-down` demo/, each with all that is in it."""
import os
import pathlib

from . import mounts
from .report import Failure

NAME = "terraform-provider-redis"

SYSTEM = {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/media",
          "/mnt", "/nix", "/opt", "/proc", "/root", "/run", "/sbin", "/snap", "/srv", "/sys", "/tmp", "/usr", "/var",
          "/var/lib/containerd", "/var/lib/docker", "/var/lib/rancher"}
SYSTEM_BELOW = ("/boot", "/etc", "/proc", "/sys")  # not a folder in these either
SYSTEM_CHILDREN = {"/usr", "/usr/local", "/var"}  # nor their direct subfolders, such as /var/log


def default():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, NAME)


def chosen(text, repository, taken):
    """The folder that REDIS_DEV_CACHE names, unless it has to be refused. `taken`: folders that parts of the stack use."""
    folder = pathlib.Path(text).resolve()
    reason = reason_against(folder, repository, taken)
    if reason is None:
        return folder
    raise Failure(
        f"REDIS_DEV_CACHE={text} cannot be the cache: {folder} {reason}, and run/ and demo/ in the cache are removed whole",
        f"name a folder that is there for this alone, or unset REDIS_DEV_CACHE: the cache is then {default()}")


def reason_against(folder, repository, taken):
    """Why the folder cannot be the cache, or None."""
    path, home = str(folder), pathlib.Path(os.path.expanduser("~"))
    if folder == home or str(folder.parent) == "/home":
        return "is a home"
    if path in SYSTEM or path.startswith(tuple(top + "/" for top in SYSTEM_BELOW)) or str(folder.parent) in SYSTEM_CHILDREN:
        return "is a folder of the system"
    if any(pathlib.Path(other) in (folder, *folder.parents) for other in taken):
        return "is where other programs keep their files"
    if folder in (repository, *repository.parents, *home.parents):
        return "holds more than the cache"
    if path in (mount.point for mount in mounts.table()) and not _has_a_cluster(folder):
        return "is the root of a mounted file system (a folder in it will do)"
    return None


def _has_a_cluster(folder):
    """Earlier versions accepted the root of a mounted file system, and `down` must find the cluster that they made."""
    return (folder / "run" / "state.json").exists()
