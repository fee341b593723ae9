"""A machine made up, for the tests beside: folders, mounts and processes. Nothing of the real one is touched."""
import contextlib
import ctypes
import dataclasses
import functools
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import traceback
import unittest
from unittest import mock

DEV = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True  # nothing is left in the work tree
sys.path.insert(0, str(DEV))

from devcluster import (  # noqa: E402 (the path has to be set first)
    debian, down, neighbours, network, outside, settings, state, up)

ALL = set(settings.FOREIGN_FOLDERS)
NEW_MOUNTS, CANNOT = 0x00020000, 77

K3S = neighbours.Neighbour("k3s", (neighbours.KUBERNETES,))
DOCKER = neighbours.Neighbour("dockerd", neighbours.DOCKER)
PODMAN = neighbours.Neighbour("conmon", (neighbours.NETWORK, neighbours.CNI))
IDLE_CONTAINERD = neighbours.Neighbour("containerd", (neighbours.CONTAINERD,))
look_for_neighbours, find_pod_groups = neighbours.running, down._pod_groups  # tests have others in their place


def with_mounts(test):
    """Runs the test in a process that sees mounts of its own, which end with it."""
    @functools.wraps(test)
    def run(self):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if ctypes.CDLL(None).unshare(NEW_MOUNTS) != 0:
                    code = CANNOT
                else:
                    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
                    test(self)
                    code = 0
            except BaseException:  # pylint: disable=broad-except # the parent's tests must not go on here
                traceback.print_exc()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == CANNOT:
            self.skipTest("mounts need root")
        self.assertEqual(code, 0, "see the traceback above")
    return run


def bind(source, target):
    subprocess.run(["mount", "--bind", source, target], check=True)


class Case(unittest.TestCase):
    """A machine made up: a root, a cache, nobody else."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name).resolve()
        self.run_folder = self.root / "cache" / "run"
        self.patch(mock.patch.dict(os.environ, {"REDIS_DEV_CACHE": str(self.root / "cache"), "REDIS_DEV_KUBECONFIG": ""}))
        relocated = [dataclasses.replace(one, path=str(self.root) + one.path) for one in outside.FOLDERS]
        self.patch(mock.patch.object(outside, "FOLDERS", relocated))
        self.patch(mock.patch.object(neighbours, "INSTALLED", {}))
        self.running = self.patch(mock.patch.object(neighbours, "running", return_value=[]))
        self.keep_from_the_machine()
        for one in relocated:
            os.makedirs(os.path.dirname(one.path), exist_ok=True)

    def keep_from_the_machine(self):
        """Also where the code is wrong: a cluster may be up on the machine."""
        for module, name in ((network, "_run"), (debian, "ensure"), (up, "_build")):
            self.patch(mock.patch.object(module, name, side_effect=AssertionError(f"{name} would change the machine")))
        self.patch(mock.patch.object(network, "_load_bridge_filter"))
        self.patch(mock.patch.object(network, "_saved", return_value=([], [])))
        self.patch(mock.patch.object(network, "_kernel_file", lambda name: self.root / "sys" / name))
        self.patch(mock.patch.object(settings, "BRIDGE", "no-such-bridge"))
        self.patch(mock.patch.object(down, "_pod_groups", return_value=[]))

    def patch(self, patcher):
        self.addCleanup(patcher.stop)
        return patcher.start()

    def file(self, name, text="content"):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def up(self):
        """What `up` remembers and makes, and what the parts then write."""
        state.update(boot=state.boot())
        up._remember_machine()
        outside.make(state.load())
        self.parts_write()

    def parts_write(self):
        for name in ("run/containerd/s/0123abcd", "var/lib/kubelet/device-plugins/kubelet.sock"):
            self.listen(self.root / name)
        pod = json.dumps({"sandbox": f"{self.run_folder}/containerd/state/netns/cni-1"})
        self.file("var/lib/cni/results/redis-dev-1-eth0", pod)
        self.file("var/lib/cni/results/cni-loopback-1-lo", pod)
        log = self.root / "var/log/containers/pod.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.symlink_to(self.run_folder / "pod-logs/pod/0.log")

    @staticmethod
    def listen(path):
        """By way of a descriptor, since the path may be longer than an address may be."""
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)

    def restart(self):
        state.update(boot="another")

    def forget(self):
        """What `up` and `down` do first; returns what they say."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            down.forget_if_restarted()
        return said.getvalue()

    def take_down(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            down.take_down()
        return said.getvalue()

    def there(self):
        """Which of the folders outside the cache are there."""
        return {one.path[len(str(self.root)):] for one in outside.FOLDERS if os.path.lexists(one.path)}
