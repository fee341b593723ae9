"""The folders outside the cache: which of them `down` removes, and which it leaves."""
import json
import os
import shutil
from unittest import mock

from made_up import ALL, DOCKER, IDLE_CONTAINERD, K3S, PODMAN, Case, bind, with_mounts

from devcluster import neighbours, outside, state


class Outside(Case):
    """The folders outside the cache."""

    def test_the_table_is_complete(self):
        self.assertEqual({one.path[len(str(self.root)):] for one in outside.FOLDERS}, ALL)

    def test_on_a_machine_of_our_own_all_go(self):
        for restarted in (False, True):
            with self.subTest(restarted=restarted):
                self.up()
                self.assertEqual(self.there(), ALL)
                if restarted:
                    self.restart()
                said = self.forget() if restarted else self.take_down()
                self.assertEqual(self.there(), set())
                self.assertFalse(self.run_folder.exists())
                self.assertNotIn("left", said)

    def test_those_of_a_cluster_that_an_earlier_version_started_go(self):
        state.update(boot=state.boot(), absent_folders=[*outside.absent(), str(self.root / "var/log/pods")],
                     kernel_settings={})
        outside.make(state.load())
        self.assertEqual(self.there(), set(), "without a mark they cannot be told later")
        self.parts_write()
        self.assertNotIn("left", self.take_down())
        self.assertEqual(self.there(), set())

    def test_an_earlier_version_left_no_mark_so_after_a_restart_they_stay(self):
        state.update(boot=state.boot(), absent_folders=outside.absent(), kernel_settings={})
        self.parts_write()
        self.restart()
        self.assertIn("perhaps it is not the one that `up` made", self.forget())
        self.assertEqual(self.there(), ALL)
        self.assertFalse(self.run_folder.exists())

    @with_mounts
    def test_what_is_mounted_there_stays_and_all_around_it(self):
        self.up()
        volume = self.file("elsewhere/data", "precious").parent
        point = self.root / "var/lib/kubelet/pods/1/volumes/nfs"
        point.mkdir(parents=True)
        bind(volume, point)
        self.restart()
        self.assertIn(f"{point} is mounted", self.forget())
        self.assertEqual((volume / "data").read_text(), "precious")
        self.assertEqual((point / "data").read_text(), "precious")
        self.assertEqual(self.there(), {"/var/lib/kubelet"})

    @with_mounts
    def test_a_mounted_folder_stays(self):
        self.up()
        other = self.file("elsewhere/data", "precious").parent
        (other / outside.MARKER).write_text(state.load()["mark"])
        bind(other, self.root / "var/lib/kubelet")
        self.take_down()
        self.assertEqual((other / "data").read_text(), "precious")

    def test_a_folder_made_anew_by_another_stays(self):
        for mark in (None, "theirs"):
            with self.subTest(mark=mark):
                self.up()
                folder = self.root / "var/lib/kubelet"
                shutil.rmtree(folder)
                self.listen(folder / "device-plugins" / "kubelet.sock")
                if mark:
                    (folder / outside.MARKER).write_text(mark)
                self.restart()
                self.assertIn(str(folder), self.forget())
                self.assertTrue((folder / "device-plugins" / "kubelet.sock").exists())
                self.assertEqual(self.there(), {"/var/lib/kubelet"})
                shutil.rmtree(folder)

    def test_a_folder_into_which_another_has_moved_stays(self):
        for name in ("run/containerd/containerd.sock", "run/containerd/s/note", "var/lib/kubelet/config.yaml",
                     "var/lib/kubelet/device-plugins/nvidia.sock", "var/lib/cni/results/cbr0-2-eth0",
                     "var/lib/cni/networks/cbr0/10.42.0.2", "var/log/containers/theirs.log"):
            with self.subTest(name):
                self.up()
                theirs = self.file(name)
                said = self.take_down()
                self.assertIn("is not of this cluster", said)
                self.assertEqual(theirs.read_text(), "content")
                self.assertEqual(len(self.there()), 1, said)
                shutil.rmtree(self.root / "run")
                shutil.rmtree(self.root / "var")
                for one in outside.FOLDERS:
                    os.makedirs(os.path.dirname(one.path), exist_ok=True)

    def test_in_a_folder_that_stays_only_what_is_ours_goes(self):
        self.file("var/lib/cni/results/redis-dev-2-eth0", json.dumps({"sandbox": "/another/cache/run/cni-2"}))
        foreign = self.root / "var/log/containers/theirs.log"
        foreign.parent.mkdir(parents=True)
        foreign.symlink_to(f"{self.run_folder}2/pod.log")
        self.up()
        self.take_down()
        self.assertEqual(os.listdir(self.root / "var/lib/cni/results"), ["redis-dev-2-eth0"])
        self.assertEqual(os.listdir(foreign.parent), ["theirs.log"])
        self.assertEqual(self.there(), {"/var/lib/cni", "/var/log/containers"})

    def test_a_folder_that_was_there_before_stays(self):
        self.file("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint")
        self.up()
        self.assertNotIn("left", self.take_down())
        self.assertEqual(self.there(), {"/var/lib/kubelet"})

    def test_a_link_in_its_place_stays_and_is_not_followed(self):
        self.up()
        folder = self.root / "run/containerd"
        folder.rename(self.root / "moved")
        folder.symlink_to(self.root / "moved")
        self.take_down()
        self.assertTrue((self.root / "moved/s/0123abcd").exists())
        self.assertTrue(folder.is_symlink())

    def test_what_a_neighbour_may_use_stays(self):
        for neighbour, stay in ((K3S, ALL), (DOCKER, {"/run/containerd"}), (PODMAN, {"/var/lib/cni"}),
                                (IDLE_CONTAINERD, {"/run/containerd"})):
            for restarted in (False, True):
                with self.subTest(neighbour.name, restarted=restarted):
                    self.up()
                    self.running.return_value = [neighbour]
                    if restarted:
                        self.restart()
                    said = self.forget() if restarted else self.take_down()
                    self.assertEqual(self.there(), stay)
                    self.assertIn(f"{neighbour.name} is on this machine", said)
                    for path in stay:
                        shutil.rmtree(str(self.root) + path)
                    self.running.return_value = []

    def test_what_was_installed_since_counts_though_it_does_not_run(self):
        trace = str(self.root / "etc/rancher")
        with mock.patch.object(neighbours, "INSTALLED", {trace: (neighbours.KUBERNETES,)}):
            self.up()
            os.makedirs(trace)
            self.restart()
            self.assertIn(trace, self.forget())
            self.assertEqual(self.there(), ALL)
            for path in ALL:
                shutil.rmtree(str(self.root) + path)
            self.up()
            self.take_down()
            self.assertEqual(self.there(), set(), "it was there before")
