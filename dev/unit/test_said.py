"""What a user is told beforehand, and that nothing else in the scripts removes folders."""
import os
import subprocess
from unittest import mock

from made_up import DEV, Case, bind, with_mounts

from devcluster import changes, debian, network, settings


class Said(Case):
    """What a user is told beforehand."""

    def test_all_that_changes_is_listed(self):
        with mock.patch.object(debian, "_there", return_value=False):
            told = changes.text()
        manual = (DEV / "README.md").read_text()
        for package in debian.NEEDED.values():
            self.assertIn(package, told)
            self.assertIn(f"`{package}`", manual)
        for folder in settings.FOREIGN_FOLDERS:
            self.assertIn(folder, told)
            self.assertIn(f"`{folder}`", manual)
        for name in network.KERNEL_SETTINGS:
            self.assertIn(name.replace("/", "."), told)
        self.assertEqual(os.listdir(self.root / "cache") if (self.root / "cache").exists() else [], [])

    def test_one_place_removes_folders(self):
        users = [path.name for path in (DEV / "devcluster").glob("*.py") if "rmtree" in path.read_text()]
        self.assertEqual(users, ["folders.py"])
        scripts = [path.name for path in (DEV / "make").iterdir() if "rm -r" in path.read_text()]
        self.assertEqual(scripts, ["common.sh"])

    @with_mounts
    def test_the_demo_is_not_removed_through_a_mount(self):
        volume = self.file("elsewhere/data", "precious").parent
        demo = self.file("a blank/demo/main.tf").parent
        (demo / "mine").mkdir()
        bind(volume, demo / "mine")
        remove = ["bash", "-c", 'source "$0"; remove_folder "$1"', str(DEV / "make" / "common.sh"), str(demo)]
        done = subprocess.run(remove, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{demo}/mine is mounted", done.stderr)
        self.assertEqual((volume / "data").read_text(), "precious")
        subprocess.run(["umount", demo / "mine"], check=True)
        subprocess.run(remove, check=True)
        self.assertFalse(demo.exists())
        self.assertTrue(volume.exists())
