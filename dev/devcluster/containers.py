"""containerd seen from outside: bringing images in, and taking every container away at the end."""
import json
import os
import pathlib
import subprocess
import time

from . import settings
from .report import Failure, step


def socket_path():
    return settings.run() / "containerd" / "containerd.sock"


def ctr(*arguments):
    """Runs containerd's own client in the namespace that the kubelet uses."""
    command = ["ctr", "--address", str(socket_path()), "--namespace", "k8s.io", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed: {done.stderr.strip()}", "look at dev/cluster logs containerd",
                      settings.logs() / "containerd.log")
    return done.stdout


def answers():
    try:
        ctr("version")
    except Failure:
        return False
    return True


def import_image(archive):
    """Brings the images of a docker-archive in, once per archive."""
    seen = _imported()
    if str(archive) in seen:
        return
    with step(f"bringing in the images of {archive.parent.name}"):
        ctr("images", "import", archive)
    _record_path().write_text(json.dumps([*seen, str(archive)]))


def _record_path():
    return settings.run() / "images.json"


def _imported():
    return json.loads(_record_path().read_text()) if _record_path().exists() else []


def remove_all(patience=30.0):
    """Ends all containers. Needs containerd running, and the kubelet stopped (it would start them again)."""
    deadline = time.monotonic() + patience
    while True:
        tasks = ctr("tasks", "list", "--quiet").split()
        if not tasks:
            return
        try:
            ctr("tasks", "delete", "--force", *tasks)
        except Failure:
            # containerd clears ended tasks away by itself too, and may have been first; what counts is the list.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def wait_for_shims(patience=20.0):
    """Each pod has a helper process of containerd that ends by itself after its last container."""
    deadline = time.monotonic() + patience
    while _shims():
        if time.monotonic() > deadline:
            raise Failure(f"these helper processes of containerd do not end: {_shims()}",
                          "look at dev/cluster logs containerd; end them by hand, then dev/cluster down again",
                          settings.logs() / "containerd.log")
        time.sleep(0.05)


def _shims():
    """The shims are known by the socket of our containerd in their command line."""
    mark = os.fsencode(str(socket_path()))
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"containerd-shim" in words[0] and mark in words:
                found.append(int(folder.name))
    return found
