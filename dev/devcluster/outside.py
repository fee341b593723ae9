"""Folders outside the cache that parts of the stack insist on: made and marked by `up`, removed by `down` if still ours."""
import dataclasses
import os
import pathlib
import stat
from typing import Callable

from . import folders, mounts, settings, state
from .neighbours import CNI, CONTAINERD, KUBERNETES, first
from .report import say

MARKER = ".redis-dev"


@dataclasses.dataclass(frozen=True)
class Outside:
    """One folder: who else uses it, and how to know what our parts write there."""

    path: str
    users: tuple  # who shares one of these with us, uses it
    subfolders: tuple
    ours: Callable  # path of a file → bool
    proven: bool  # `ours` knows a file of this cluster from one of another cluster of the same software


def _shim_socket(path):
    return path.parent.name == "s" and stat.S_ISSOCK(path.lstat().st_mode)


def _kubelet_socket(path):
    return path.parent.name == "device-plugins" and path.name in ("kubelet.sock", "kubelet_internal_checkpoint")


def _network_of_a_pod(path):
    """What the CNI plugins remember names the pod's network, which is mounted in our run folder."""
    plain = path.parent.name == "results" and path.is_file() and not path.is_symlink()
    return plain and os.fsencode(_run()) in path.read_bytes()


def _link_to_a_log(path):
    return path.is_symlink() and os.readlink(path).startswith(_run())


def _run():
    return str(settings.run()) + "/"


FOLDERS = (
    Outside("/run/containerd", (KUBERNETES, CONTAINERD), ("s",), _shim_socket, False),
    Outside("/var/lib/kubelet", (KUBERNETES,), ("device-plugins",), _kubelet_socket, False),
    Outside("/var/lib/cni", (KUBERNETES, CNI), ("results",), _network_of_a_pod, True),
    Outside("/var/log/containers", (KUBERNETES,), (), _link_to_a_log, True),
)


def absent():
    """Those that are not there yet."""
    return [folder.path for folder in FOLDERS if not os.path.lexists(folder.path)]


def make(known):
    """Makes those that were absent, each with a mark: a folder without it is another's, also under the same path."""
    for path in known["absent_folders"] if "mark" in known else []:
        if not os.path.lexists(path):
            os.mkdir(path)
            (pathlib.Path(path) / MARKER).write_text(known["mark"])


def clean(known, neighbours):
    """Removes the folders that `up` made. In one that has to stay, only the files go that are proven to be ours."""
    for folder in FOLDERS:
        if not os.path.isdir(folder.path):
            continue
        if folder.proven:
            _remove_our_files(folder)
        if folder.path not in known.get("absent_folders", []):
            continue
        reason = _reason_to_stay(folder, known, neighbours)
        if reason:
            say(f"  left: {folder.path}: {reason}")
        else:
            folders.remove(pathlib.Path(folder.path))


def _reason_to_stay(folder, known, neighbours):
    """Why the folder is not, or perhaps not, ours alone; or None."""
    user = first(neighbours, *folder.users)
    if user:
        return f"{user.name} is on this machine and may use it"
    if os.path.islink(folder.path) or not _made_by_us(folder, known):
        return "perhaps it is not the one that `up` made; remove it by hand if nobody uses it"
    for point in mounts.at_or_below(folder.path):
        return f"{point} is mounted, and not by this cluster"
    for path in _strangers(folder):
        return f"{path} is not of this cluster"
    return None


def _made_by_us(folder, known):
    if "mark" not in known:
        # Earlier versions left no mark. Without a restart since, the folder is the one that the parts made.
        return known.get("boot") == state.boot()
    try:
        return (pathlib.Path(folder.path) / MARKER).read_text() == known["mark"]
    except (OSError, ValueError):
        return False


def _strangers(folder):
    """What is in the folder and not of our parts."""
    top = pathlib.Path(folder.path)
    known = [top / MARKER, *(top / name for name in folder.subfolders)]
    return [path for path in _entries(folder) if path not in known and not folder.ours(path)]


def _remove_our_files(folder):
    for path in _entries(folder):
        if folder.ours(path):
            path.unlink()


def _entries(folder):
    """What lies in the folder and in the subfolders that our parts make."""
    top = pathlib.Path(folder.path)
    places = [top, *(top / name for name in folder.subfolders)]
    return sorted(path for place in places if place.is_dir() for path in place.iterdir())
