"""run/ in the cache: what has to be ours before it is removed."""
import os
import subprocess
from unittest import mock

from made_up import ALL, Case, bind, with_mounts

from devcluster import down, folders, mounts, runfolder, state, up
from devcluster.report import Failure


class Run(Case):
    """run/ in the cache."""

    @with_mounts
    def test_after_a_restart_what_is_mounted_there_is_not_ours(self):
        self.up()
        volume = self.file("elsewhere/data", "precious").parent
        point = self.run_folder / "kubelet" / "a blank and ü"
        point.mkdir(parents=True)
        bind(volume, point)
        self.restart()
        with self.assertRaises(Failure) as caught:
            self.forget()
        self.assertIn(str(point), caught.exception.text())
        self.assertEqual((volume / "data").read_text(), "precious")
        self.assertEqual(self.there(), ALL, "nothing was removed before")
        self.assertEqual(state.load()["boot"], "another")

    @with_mounts
    def test_only_mounts_of_the_kubelet_and_of_containerd_are_unmounted(self):
        self.up()
        volume = self.file("elsewhere/data", "precious").parent
        ours, foreign = self.run_folder / "kubelet/pods/ü", self.run_folder / "volumes/pvc-1"
        for point in (ours, foreign):
            point.mkdir(parents=True)
            bind(volume, point)
        bind(self.run_folder / "kubelet", self.run_folder / "kubelet")
        with self.assertRaises(Failure) as caught:
            self.take_down()
        self.assertIn(str(foreign), caught.exception.text())
        self.assertTrue(ours.exists(), "nothing is removed before")
        self.assertEqual(mounts.at_or_below(self.run_folder), [str(foreign)])
        subprocess.run(["umount", foreign], check=True)
        self.take_down()
        self.assertFalse(self.run_folder.exists())
        self.assertEqual((volume / "data").read_text(), "precious")

    @with_mounts
    def test_what_is_mounted_in_its_place_stays(self):
        self.up()
        (self.run_folder / "images.json").touch()
        volume = self.root / "elsewhere"
        volume.mkdir()
        bind(self.run_folder, volume)
        bind(volume, self.run_folder)
        with self.assertRaises(Failure):
            self.take_down()
        self.assertEqual(sorted(os.listdir(volume)), ["images.json", "state.json"])

    @with_mounts
    def test_no_other_folder_is_removed_through_a_mount(self):
        volume = self.file("elsewhere/data", "precious").parent
        unfinished = self.root / "cache/built/etcd.unfinished"
        (unfinished / "x").mkdir(parents=True)
        bind(volume, unfinished / "x")
        with self.assertRaises(Failure):
            folders.remove(unfinished)
        self.assertEqual((volume / "data").read_text(), "precious")

    def test_a_mount_is_seen_in_the_table(self):
        table = self.file("mountinfo", "29 1 254:0 / / rw - ext4 /dev/vda rw\n"
                          f"44 29 254:0 /x {self.run_folder}/a\\040ü rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n"
                          f"45 29 0:3 / {self.run_folder}2 rw - tmpfs tmpfs rw\n")
        self.up()
        self.restart()
        with mock.patch.object(mounts, "TABLE", str(table)):
            self.assertEqual(mounts.table()[1], mounts.Mount(f"{self.run_folder}/a ü", "ext4"))
            self.assertEqual(mounts.at_or_below(self.run_folder), [f"{self.run_folder}/a ü"])
            with self.assertRaises(Failure):
                self.forget()
        self.assertEqual(self.there(), ALL)

    def test_links_in_it_are_not_followed(self):
        self.up()
        precious = self.file("elsewhere/data")
        (self.run_folder / "volumes").symlink_to(precious.parent)
        (self.run_folder / "logs").mkdir()
        (self.run_folder / "logs" / "more").symlink_to(precious.parent)
        self.take_down()
        self.assertFalse(self.run_folder.exists())
        self.assertTrue(precious.exists())

    def test_the_state_goes_last(self):
        self.up()
        (self.run_folder / "etcd").mkdir()
        known = []
        with mock.patch.object(folders, "remove", lambda folder: known.append((folder.name, "mark" in state.load()))):
            runfolder.remove()
        self.assertEqual(known, [("etcd", True), ("run", True)])

    def test_a_folder_of_that_name_that_another_made_is_refused(self):
        theirs = self.file("cache/run/app.pid")
        for command in (down.down, lambda: up.up(None, "off", None, False)):
            with mock.patch.object(os, "geteuid", return_value=0), self.assertRaises(Failure) as caught:
                command()
            self.assertIn("REDIS_DEV_CACHE", caught.exception.text())
        self.assertTrue(theirs.exists())
        theirs.rename(theirs.with_name("images.json"))
        runfolder.check()  # what an interrupted `down` of an earlier version may leave
