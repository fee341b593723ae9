"""Who else runs containers, and what is left to them beside folders."""
import contextlib
import io
import os
import shutil
from unittest import mock

from made_up import ALL, DOCKER, IDLE_CONTAINERD, K3S, PODMAN, Case, find_pod_groups, look_for_neighbours

from devcluster import down, mounts, neighbours, network, state, up
from devcluster.report import Failure


class Neighbours(Case):
    """Who else is there, and what is left to them beside folders."""

    def found(self, *words, network=None):
        """What is seen of a process with this command."""
        process = self.root / "proc" / "1"
        shutil.rmtree(process.parent, ignore_errors=True)
        (process / "ns").mkdir(parents=True)
        (process / "cmdline").write_text("\0".join([*words, ""]))
        (process / "ns" / "net").symlink_to(network or os.readlink("/proc/self/ns/net"))
        return [neighbour.shares for neighbour in look_for_neighbours(process.parent)]

    def test_are_known_by_their_programs(self):
        kubernetes, containerd, containers = [(neighbours.KUBERNETES,)], [(neighbours.CONTAINERD,)], [DOCKER.shares]
        shim = "/usr/bin/containerd-shim-runc-v2"
        for words, wanted in (
                (["/usr/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"], kubernetes),
                (["/usr/local/bin/k3s server"], kubernetes), (["/snap/microk8s/1/kubelite", "--x"], kubernetes),
                (["/usr/bin/dockerd", "-H", "fd://"], containers), (["/usr/bin/containerd"], containerd),
                ([shim, "-namespace", "moby", "-id", "1", "-address", "/run/containerd/containerd.sock"], containers),
                ([shim, "-namespace", "default", "-id", "1"], [neighbours.OTHER_SHIMS]),
                ([shim, "-namespace", "k8s.io", "-id", "1", "-address", "/run/k3s/containerd/containerd.sock"], kubernetes),
                (["/usr/bin/conmon", "--x"], [PODMAN.shares]),
                (["podman", "ps"], []), (["docker", "ps"], []), (["vi", "kubelet"], []), ([], [])):
            with self.subTest(words):
                self.assertEqual(self.found(*words), wanted)

    def test_our_own_parts_and_those_in_containers_are_none(self):
        self.assertEqual(self.found("/cache/built/kubelet", f"--root-dir={self.run_folder}/kubelet"), [])
        self.assertEqual(self.found("containerd-shim-runc-v2", "-namespace", "k8s.io", "-address",
                                    f"{self.run_folder}/containerd/containerd.sock"), [])
        self.assertEqual(len(self.found("kubelet", f"--root-dir={self.run_folder}2/kubelet")), 1, "of another cache")
        self.assertEqual(self.found("kubelet", network="net:[1]"), [], "of kind")

    def test_chains_of_another_kubernetes_stay(self):
        restored = []
        with mock.patch.object(network, "_run", lambda command, text=None: restored.append(text or "")), \
                mock.patch.object(network, "_saved", return_value=(["REDIS-DEV-API", "KUBE-SERVICES"], [
                    "-A OUTPUT -j REDIS-DEV-API", "-A OUTPUT -j KUBE-SERVICES"])), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            down._remove_network([K3S])
            self.assertIn("-X REDIS-DEV-API", restored[0])
            self.assertNotIn("KUBE-", "".join(restored))
            self.assertIn("left: iptables chains KUBE-…: k3s", said.getvalue())
            down._remove_network([DOCKER])
            self.assertIn("-X KUBE-SERVICES", restored[-1])

    def test_control_groups_of_another_kubernetes_stay(self):
        ours, nested = self.root / "cgroup/pids/kubepods/besteffort", self.root / "cgroup/pids/docker/1/kubepods/besteffort"
        for folder in (ours, nested):
            folder.mkdir(parents=True)
        table = [mounts.Mount(str(self.root / "cgroup/pids"), "cgroup"), mounts.Mount(str(nested.parent.parent), "ext4")]
        with mock.patch.object(mounts, "table", return_value=table), \
                mock.patch.object(down, "_pod_groups", find_pod_groups), contextlib.redirect_stderr(io.StringIO()) as said:
            down._remove_pod_groups([K3S])
            self.assertTrue(ours.exists())
            self.assertIn("left: control groups kubepods: k3s", said.getvalue())
            down._remove_pod_groups([DOCKER])
            self.assertFalse(ours.parent.exists())
            self.assertTrue(nested.exists())

    def test_kernel_settings_that_others_need_stay(self):
        before = {"net/ipv4/ip_forward": "0", "vm/overcommit_memory": "0"}
        for others, stay in (([], []), ([IDLE_CONTAINERD], []), ([DOCKER], ["net/ipv4/ip_forward"]),
                             ([K3S], list(before))):
            with self.subTest(others), contextlib.redirect_stderr(io.StringIO()) as said:
                for name in before:
                    self.file(f"sys/{name}", "1")
                down._restore_kernel_settings(before, others)
                self.assertEqual(network.changed_kernel_settings(before), stay)
                self.assertEqual("left: kernel settings" in said.getvalue(), bool(stay))

    def test_up_refuses_another_kubernetes_before_it_touches_anything(self):
        self.up()
        self.restart()
        for running, chains in (([K3S], False), ([], True)):
            self.running.return_value = running
            with mock.patch.object(network, "foreign_kubernetes", return_value=chains), \
                    mock.patch.object(os, "geteuid", return_value=0), self.assertRaises(Failure) as caught:
                up.up(None, "off", None, False)
            self.assertIn("another Kubernetes", caught.exception.text())
            self.assertEqual(self.there(), ALL)
            self.assertEqual(state.load()["boot"], "another")
